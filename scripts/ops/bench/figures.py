"""The form of every benchmark: figures with a unit and, where something was promised, a bound."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.text import table


@dataclass(frozen=True)
class Figure:
    """One measured value. `at_most` and `at_least` are in the same unit; None: nothing was promised."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def held(self) -> bool:
        low_enough = self.at_most is None or self.value <= self.at_most
        return low_enough and (self.at_least is None or self.value >= self.at_least)

    @property
    def bound(self) -> str:
        """Every bound, as a person reads it."""
        bounds = (("<=", self.at_most), (">=", self.at_least))
        return ", ".join(f"{sign} {value:g}" for sign, value in bounds if value is not None)


def show(title: str, figures: Sequence[Figure], file: Path | None) -> bool:
    """Print the table and write the JSON.

    Args:
        title: name of the benchmark.
        figures: what was measured.
        file: where the JSON goes; None: nowhere.
    Returns:
        True when every bound was held.
    """
    lines = []
    for figure in figures:
        verdict = "" if not figure.bound else ("ok" if figure.held else "MISSED")
        lines.append((figure.name, f"{figure.value:.2f}", figure.unit, figure.bound, verdict))
    table(("figure", "value", "unit", "bound", ""), lines)
    if file:
        rows = [asdict(figure) | {"held": figure.held} for figure in figures]
        file.write_text(json.dumps({"benchmark": title, "figures": rows}, indent=2) + "\n")
    return all(figure.held for figure in figures)
