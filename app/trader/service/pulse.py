"""When the event loop last turned, by a clock that goes on while nothing of us runs."""

import time

SECOND_NS = 1_000_000_000


def boot_ns() -> int:
    """CLOCK_BOOTTIME: monotonic, and unlike CLOCK_MONOTONIC it counts the time that the host was suspended.

    A process that was stopped sees both go on; after a suspend of ten minutes CLOCK_MONOTONIC has not moved,
    and quotes and positions that are ten minutes old would look fresh.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Pulse:
    """The loop's own heartbeat. Pure: time is an argument (`boot_ns`).

    A loop that stands still cannot say so; the first that asks after it has woken up sees the gap. So the
    gate asks before every order, and the beat is set only by who has looked at the gap first.
    """

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def beat(self, now_ns: int) -> None:
        """The loop turns."""
        self._last_ns = now_ns

    def gap_seconds(self, now_ns: int) -> float:
        """Since the last beat; 0 before the first: a service that starts is not late."""
        return 0.0 if self._last_ns is None else (now_ns - self._last_ns) / SECOND_NS
