"""A confidence sequence's interval and the verdict that it allows."""

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True)
class Interval:
    """An effect's estimate and interval; no harm is `none`, such as 0 for a rise and 1 for a ratio.

    `n` counts what was seen, `n_effective` what it is worth after dependence was paid for.
    """

    estimate: float
    lower: float
    upper: float
    none: float
    n: float
    n_effective: float

    def verdict(self, margin: float) -> Verdict:
        """Non-inferiority: pass needs evidence as much as fail does.

        Args:
            margin: the largest harmless effect.
        """
        if math.isnan(self.estimate):
            return "inconclusive"
        if self.upper < margin:
            return "pass"
        if self.lower > margin or (self.lower > self.none and self.estimate > margin):
            return "fail"
        return "inconclusive"


def unknown(none: float, n: float = 0.0) -> Interval:
    """Nothing can be said."""
    return Interval(math.nan, -math.inf, math.inf, none, n, 0.0)
