"""The venue's clock: this machine's, unless a fault sets it off."""

from __future__ import annotations

import time

from venue_sim.faults import Faults


class Clock:
    """The time that the venue believes: that of its answers, events and receive windows.

    Args:
        faults: those of kind "clock_skew" set it off.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def now_ms(self) -> int:
        """UTC in milliseconds, as the venue tells it."""
        return time.time_ns() // 1_000_000 + self._faults.skew_ms(time.monotonic_ns())
