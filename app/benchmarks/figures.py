"""What is said of many samples."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

MICROSECOND = 1_000


def percentiles_us(samples_ns: Sequence[int]) -> dict[str, float]:
    """p50, p99 and p99.9 in microseconds of samples in nanoseconds, and how many they were."""
    cuts = statistics.quantiles(samples_ns, n=1_000, method="inclusive")
    named = {"p50": cuts[499], "p99": cuts[989], "p99.9": cuts[998]}
    return {name: round(value / MICROSECOND, 1) for name, value in named.items()} | {"count": len(samples_ns)}


def progress(text: str) -> None:
    """Tell a person how far it is; stdout is for the result."""
    print(text, file=sys.stderr, flush=True)


def result(measured: dict[str, Any]) -> None:
    """Print the result, in one line, the last one."""
    print(json.dumps(measured), flush=True)
