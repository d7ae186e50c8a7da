"""Our connection to the venue over time: connect, subscribe, reconcile; again after each break."""

import asyncio
import time

from trader.journal import JournalError
from trader.orders.gate import Gate
from trader.orders.manager import OrderManager
from trader.reconcile import Reconciler
from trader.reconcile.reconciler import Report
from trader.service.notify import Notifier
from trader.service.settings import Settings
from trader.service.trading import Trading
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.gateway import Gateway
from trader.venue.interface import VenueError, describe
from trader.venue.streams import Handlers, Silence, Stream, Streams

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
RETRY_SECONDS = 2.0  # after a reconciliation that the venue did not answer
FAILURES_ALLOWED = 2  # in a row; with one more, trading halts
EXTEND_SECONDS = 30  # a start that waits for the venue asks systemd for this much more time, again and again
SHOWN = 10


class VenueLink:
    """Opens the gate when journal and venue agree and the streams flow; closes it when they do not."""

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        manager: OrderManager,
        reconciler: Reconciler,
        gate: Gate,
        trading: Trading,
        notifier: Notifier,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._interval = settings.reconcile.interval_seconds
        self._stale_seconds = settings.streams.stale_seconds
        self._gateway = gateway
        self._manager = manager
        self._reconciler = reconciler
        self._gate = gate
        self._notifier = notifier
        self._metrics = metrics
        self._events = events
        self._wanted = asyncio.Event()
        self._silence = Silence()
        self._failures = 0
        self._ready = False
        handlers = Handlers(trading.on_quote, manager.report, manager.fill, self._lost, self._back)
        self._streams = Streams(gateway.exchange, list(settings.symbols), handlers, self._stale_seconds)
        manager.stranger = self._stranger

    async def run(self) -> None:
        """Connect, then keep journal and venue in agreement until cancelled."""
        await self._connect()
        self._streams.start()
        await self._streams_up()
        while True:
            pause = await self._reconcile()
            await self._wait(pause)

    async def stop(self) -> None:
        """Stop the streams."""
        await self._streams.stop()

    def stream_ages(self) -> dict[str, float]:
        """Seconds since each stream last brought data."""
        return {stream.value: self._streams.age_seconds(stream) for stream in Stream}

    # -- the start

    async def _connect(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._gateway.connect()
            except VenueError as error:
                self._waiting("venue_away", error)
                await asyncio.sleep(retry)
                retry = min(2 * retry, LONGEST_RETRY_SECONDS)
            else:
                return

    async def _streams_up(self) -> None:
        # Before the first comparison: an event between it and the subscription would be missed.
        while True:
            try:
                async with asyncio.timeout(LONGEST_RETRY_SECONDS):
                    return await self._streams.ready()
            except TimeoutError:
                self._waiting("streams_down", "the streams cannot be subscribed")

    def _waiting(self, event: str, error: VenueError | str) -> None:
        """Stay up, halted and healthy, and tell systemd that the start takes longer."""
        self._events.error(event, error)
        self._gate.halt("start", f"waiting for the venue: {error}")
        self._notifier.send(STATUS=f"halted: {error}", EXTEND_TIMEOUT_USEC=EXTEND_SECONDS * 1_000_000)

    # -- agreement

    async def _wait(self, seconds: float) -> None:
        """Wait for the next turn, or for somebody who wants one now; keep an eye on the streams."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await self._check_streams()
            try:
                async with asyncio.timeout(min(left, 1.0)):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            self._wanted.clear()
            return

    async def _check_streams(self) -> None:
        now = time.monotonic()
        acknowledged = self._manager.last_acknowledged_ns
        acked_at = now - (time.time_ns() - acknowledged) / 1e9 if acknowledged else None
        if self._silence.lasts(now, now - self._streams.age_seconds(Stream.ORDERS), acked_at):
            self._events.emit("stream_silent", "warning", stream=Stream.ORDERS)
            await self._streams.reset_user()

    async def _reconcile(self) -> float:
        """One comparison.

        Returns:
            Seconds until the next.
        """
        self._wanted.clear()
        try:
            report = await self._reconciler.run()
        except (VenueError, JournalError) as error:
            self._failures += 1
            self._metrics.count("trader_errors_total", **{"class": "reconcile"})
            self._events.error("reconcile_failed", error)
            if not self._ready:
                self._waiting("reconcile_failed", VenueError(str(error)))
            elif self._failures > FAILURES_ALLOWED:
                self._gate.halt("reconcile", f"no reconciliation: {error}")
            return RETRY_SECONDS
        self._failures = 0
        self._judge(report)
        self._is_ready()
        return self._interval

    def _judge(self, report: Report) -> None:
        for difference in report.differences[:SHOWN]:
            self._events.emit("difference", "error", kind=difference.kind, message=difference.text)
        count = len(report.differences)
        self._events.emit("reconciled", differences=count, seconds=round(report.seconds, 3))
        if not report.clean:
            text = f"{count} unexplained: {report.differences[0].kind} {report.differences[0].text}"
            self._gate.halt("reconcile", text)
            self._gate.clear("start")
            return
        for stream in Stream:
            if self._streams.up(stream):
                self._gate.clear(f"stream_{stream}")
        self._gate.clear("reconcile")
        self._gate.clear("start")

    def _is_ready(self) -> None:
        """READY: up, and compared with the venue once. Whether that was good is in STATUS and /readyz."""
        if not self._ready:
            self._ready = True
            self._notifier.send(READY=1)

    # -- what the streams tell

    def _lost(self, stream: Stream, error: BaseException) -> None:
        self._metrics.count("trader_ws_reconnects_total", stream=stream)
        self._metrics.count("trader_errors_total", **{"class": "stream"})
        self._events.emit("stream_lost", "warning", stream=stream, message=describe(error))
        self._gate.halt(f"stream_{stream}", f"the {stream} stream is down")

    def _back(self, stream: Stream) -> None:
        # What it would have told meanwhile is asked for; a clean answer opens the gate.
        self._wanted.set()

    def _stranger(self, what: str) -> None:
        self._events.emit("stranger", "warning", message=what)
        self._wanted.set()
