"""Measured values and their bounds: one way to compare them and to print them, for rollouts and drills."""

from typing import Literal

# Passes when the value is at most, below, or at least the bound.
Comparison = Literal["max", "below", "min"]


def holds(value: float, comparison: Comparison, bound: float) -> bool:
    """Whether a finite value is within the bound."""
    if comparison == "max":
        return value <= bound
    return value < bound if comparison == "below" else value >= bound


def bound_text(comparison: Comparison, bound: float, unit: str) -> str:
    """The bound as a person reads it, such as `< 1 %`."""
    sign = {"max": "<=", "below": "<", "min": ">="}[comparison]
    # Counts are said once, with the value.
    return f"{sign} {value_text(bound, unit if unit in ('ratio', 's', 'bytes') else '')}"


def value_text(value: float | None, unit: str) -> str:
    """A value as a person reads it: ratios in percent, bytes in MB, seconds to the hundredth or in ms."""
    if value is None:
        return "no data"
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{round(value, 2):.6g} s"
    if unit == "bytes":
        return f"{value / 1e6:.3g} MB"
    return f"{value:.6g} {unit}".rstrip()
