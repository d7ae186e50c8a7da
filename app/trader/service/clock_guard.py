"""Keeps asking the venue for its time, and pauses trading while our clock is not known to be right."""

import asyncio
import math

from trader.orders.gate import Gate
from trader.service.settings import ClockSettings
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.clock import Estimate, Reading, VenueClock, Verdict, take_sample
from trader.venue.interface import Venue, VenueError

STALE_INTERVALS = 3  # that many questions may fail before "not known" is what is known
MARGIN_SECONDS = 5.0
EAGER_SECONDS = 0.25  # between questions while the clock is not good
KEY = "clock"


class ClockGuard:
    """The clock's reason to halt."""

    def __init__(
        self, settings: ClockSettings, venue: Venue, gate: Gate, metrics: Metrics, events: Events
    ) -> None:
        self._limit_ms = settings.limit_ms
        self._interval = settings.interval_seconds
        self._venue = venue
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._clock = VenueClock(
            limit_ms=settings.limit_ms,
            clear_ms=max(settings.limit_ms // 2, 1),
            stale_seconds=STALE_INTERVALS * settings.interval_seconds + MARGIN_SECONDS,
            stepped=lambda step_ms: events.emit("clock_stepped", "warning", step_ms=step_ms),
        )
        gate.halt(KEY, "the venue's clock is not known yet")

    @property
    def limit_ms(self) -> int:
        return self._limit_ms

    def estimate(self) -> Estimate | None:
        """The present offset; None = not known."""
        return self._clock.estimate(Reading.take())

    async def run(self) -> None:
        """Ask and judge until cancelled. A question that fails counts by the age of the last good answer."""
        while True:
            try:
                sample = await take_sample(self._venue.time_ms)
                verdict = self._clock.add(sample, Reading.take())
            except VenueError as error:
                self._metrics.count("trader_errors_total", **{"class": "clock"})
                self._events.error("clock_not_asked", error)
                verdict = self._clock.check(Reading.take())
            self._judge(verdict)
            # Steps of our own clock are looked for in between, without a question.
            pause = self._interval if verdict is Verdict.OK else EAGER_SECONDS
            await self._watch(pause)

    async def _watch(self, seconds: float) -> None:
        while seconds > 0:
            await asyncio.sleep(min(1.0, seconds))
            seconds -= 1.0
            if seconds > 0:
                verdict = self._clock.check(Reading.take())
                self._judge(verdict)
                if verdict is not Verdict.OK:
                    return

    def _judge(self, verdict: Verdict) -> None:
        estimate = self.estimate()
        if verdict is Verdict.OK:
            self._gate.clear(KEY)
        elif estimate is None or verdict is Verdict.UNKNOWN:
            self._gate.halt(KEY, "the venue's clock is not known")
        else:
            self._gate.halt(
                KEY, f"our clock is off by {estimate.offset_ns / 1e6:.0f} ms (limit {self._limit_ms} ms)"
            )
        offset, uncertainty = (
            (math.nan, math.nan)
            if estimate is None
            else (estimate.offset_ns / 1e9, estimate.uncertainty_ns / 1e9)
        )
        self._metrics.set("trader_clock_offset_seconds", offset)
        self._metrics.set("trader_clock_uncertainty_seconds", uncertainty)
