"""The venue's clock against ours: orders carry our time, and the venue refuses what is early or late by it.

Offsets are kept against the monotonic clock, which nobody sets. So a step of the local wall clock shows at
the next look, and the samples from before it stay good. The core is pure; readings are arguments.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000


class Verdict(StrEnum):
    """Only OK is good enough to trade."""

    OK = "ok"
    BEYOND = "beyond"  # our clock is off by more than the limit, or was until lately
    UNKNOWN = "unknown"  # no recent sample, or none that is exact enough


@dataclass(frozen=True, slots=True)
class Reading:
    """Both local clocks at one moment."""

    wall_ns: int
    monotonic_ns: int

    @staticmethod
    def take() -> "Reading":
        before_ns = time.monotonic_ns()
        wall_ns = time.time_ns()
        return Reading(wall_ns, (before_ns + time.monotonic_ns()) // 2)


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of the venue to "what time is it?"; sent and received by the monotonic clock."""

    sent_ns: int
    server_ms: int
    received_ns: int

    @property
    def ahead_ns(self) -> int:
        """Venue time (UTC) minus our monotonic time, if the answer was made half-way between."""
        # The venue cuts its time down to the millisecond: on average half of one is missing.
        return self.server_ms * MS_NS + MS_NS // 2 - (self.sent_ns + self.received_ns) // 2

    @property
    def uncertainty_ns(self) -> int:
        """How wrong `ahead_ns` can be at most: half of the round trip and of the venue's millisecond."""
        return (self.received_ns - self.sent_ns + 1) // 2 + MS_NS // 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """Venue time minus our wall clock (positive: ours is late), right within the uncertainty."""

    offset_ns: int
    uncertainty_ns: int


async def take_sample(ask: Callable[[], Awaitable[int]]) -> Sample:
    """Ask the venue for its time (UTC, ms); what the question raises comes through."""
    sent_ns = time.monotonic_ns()
    return Sample(sent_ns, await ask(), time.monotonic_ns())


class VenueClock:
    """Judges our clock.

    Args:
        limit_ms: more than this is beyond. The venue takes at most 1000 ms of "too early".
        clear_ms, clear_samples: after that, so many samples in a row must be within the lower bound.
        samples: of the last so many, that with the shortest round trip counts.
        stale_seconds: older samples do not count; a quartz drifts by up to 0.1 ms in a second.
        step_ms: a step of the wall clock by this much is told.
        stepped: called with the step in ms (positive: the wall clock was set forward).
    """

    def __init__(
        self,
        limit_ms: int = 500,
        clear_ms: int = 250,
        clear_samples: int = 3,
        samples: int = 8,
        stale_seconds: float = 60.0,
        step_ms: int = 50,
        stepped: Callable[[int], None] = lambda step_ms: None,
    ) -> None:
        self._limit_ns = limit_ms * MS_NS
        self._clear_ns = clear_ms * MS_NS
        self._clear_samples = clear_samples
        self._stale_ns = round(stale_seconds * SECOND_NS)
        self._step_ns = step_ms * MS_NS
        self._stepped = stepped
        self._samples: deque[Sample] = deque(maxlen=samples)
        self._wall_ahead_ns: int | None = None
        self._beyond = False
        self._good = 0

    def add(self, sample: Sample, now: Reading) -> Verdict:
        """Take a sample, and judge."""
        best = min(self._samples, key=lambda kept: kept.uncertainty_ns, default=sample)
        if abs(best.ahead_ns - sample.ahead_ns) > best.uncertainty_ns + sample.uncertainty_ns:
            # Both cannot be right about one clock: the venue's was set, or one of the two drifts. What is
            # newer is true.
            self._samples.clear()
        self._samples.append(sample)
        estimate = self._exact(now)
        within = estimate is not None and abs(estimate.offset_ns) <= self._clear_ns
        self._good = self._good + 1 if within else 0
        if self._good >= self._clear_samples:
            self._beyond = False
        return self.check(now)

    def check(self, now: Reading) -> Verdict:
        """Judge without a new sample; to be asked before orders, it costs next to nothing."""
        self._look_for_step(now)
        estimate = self._exact(now)
        if estimate is None:
            return Verdict.UNKNOWN
        if abs(estimate.offset_ns) > self._limit_ns:
            self._beyond = True
            self._good = 0
        return Verdict.BEYOND if self._beyond else Verdict.OK

    def estimate(self, now: Reading) -> Estimate | None:
        """The offset of our wall clock at `now`; None without a recent sample."""
        recent = [s for s in self._samples if now.monotonic_ns - s.received_ns <= self._stale_ns]
        if not recent:
            return None
        best = min(recent, key=lambda sample: sample.uncertainty_ns)
        return Estimate(best.ahead_ns - (now.wall_ns - now.monotonic_ns), best.uncertainty_ns)

    def _exact(self, now: Reading) -> Estimate | None:
        estimate = self.estimate(now)
        return estimate if estimate is not None and estimate.uncertainty_ns <= self._limit_ns else None

    def _look_for_step(self, now: Reading) -> None:
        ahead_ns = now.wall_ns - now.monotonic_ns
        if self._wall_ahead_ns is not None and abs(ahead_ns - self._wall_ahead_ns) >= self._step_ns:
            self._stepped((ahead_ns - self._wall_ahead_ns) // MS_NS)
        self._wall_ahead_ns = ahead_ns
