"""Our connection to the venue over time: connect, subscribe, reconcile; again after each break."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from trader.journal import JournalError
from trader.model.orders import Order
from trader.model.values import OrderReport, Quote
from trader.reconcile import Report
from trader.service.notify import Notifier
from trader.service.stack import Stack
from trader.service.trading import Trading
from trader.service.triggers import Owed
from trader.venue.interface import VenueError, describe
from trader.venue.streams import Handlers, Silence, Stream, Streams

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
RETRY_SECONDS = 2.0  # after a reconciliation that the venue did not answer
FAILURES_ALLOWED = 2  # in a row; with one more, trading halts
EXTEND_SECONDS = 30  # a start that waits for the venue asks systemd for this much more time, again and again
SHOWN = 10
FILL_PATIENCE_SECONDS = 0.5
LISTEN_SECONDS = 0.25


class VenueLink:
    """Opens the gate when journal and venue agree and the streams flow; closes it when they do not.

    Attributes:
        compared: called with the result of every comparison.
        saw: called with every order that the stream tells of, after it was taken in.
        strange: called when the venue tells of an order that is not in our book.
        connected: called once, before the first comparison.
    """

    def __init__(
        self,
        stack: Stack,
        trading: Trading,
        notifier: Notifier,
    ) -> None:
        settings = stack.settings
        self._interval = settings.reconcile.interval_seconds
        self._stack = stack
        self._manager = stack.manager
        self._reconciler = stack.reconciler
        self._gate = stack.gate
        self._notifier = notifier
        self._metrics = stack.metrics
        self._events = stack.events
        self._trading = trading
        self._wanted = asyncio.Event()
        self._owed = Owed()
        self.compared: Callable[[Report], None] = lambda report: None
        self.saw: Callable[[OrderReport], None] = lambda report: None
        self.strange: Callable[[], None] = lambda: None
        self._silence = Silence()
        self._breaks: Counter[Stream] = Counter()
        self._failures = 0
        self._ready = False
        self.connected: Callable[[], Awaitable[None]] | None = None
        handlers = Handlers(self._quote, self._order, self._manager.fill, self._lost, self._back)
        self._streams = Streams(
            stack.gateway,
            [*settings.symbols, *settings.mark_symbols],
            handlers,
            settings.streams.stale_seconds,
            private=settings.mode == "live",
        )
        self._manager.stranger = self._stranger
        self._manager.behind = self._behind

    async def run(self) -> None:
        """Connect, then keep journal and venue in agreement until cancelled."""
        await self._connect()
        self._streams.start()
        await self._streams_up()
        async with asyncio.TaskGroup() as work:
            work.create_task(self._agree(), name="agreement")
            work.create_task(self._listen(), name="silence")

    async def _agree(self) -> None:
        while True:
            pause = await self._reconcile()
            with contextlib.suppress(TimeoutError):  # until the next turn, or somebody wants one now
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    async def _listen(self) -> None:
        """Beside the comparisons, which can wait for long: a silence is to be found within seconds."""
        while True:
            await self._check_streams()
            await asyncio.sleep(LISTEN_SECONDS)

    async def stop(self) -> None:
        """Stop the streams."""
        await self._streams.stop()

    def stream_ages(self) -> dict[str, float]:
        """Seconds since each stream last brought data."""
        return {stream.value: self._streams.age_seconds(stream) for stream in self._streams.watched}

    def quotes_age(self) -> float:
        """Seconds since the last quote."""
        return self._streams.age_seconds(Stream.QUOTES)

    def account_age(self) -> float:
        """Seconds for which the account's stream has owed what it must tell; 0 = it owes nothing."""
        if Stream.ORDERS not in self._streams.watched:
            return 0.0
        now = time.monotonic()
        heard_at = now - self._streams.age_seconds(Stream.ORDERS)
        return self._owed.age_seconds(now, heard_at, self._manager.acknowledged_sent_at)

    def reconcile_soon(self) -> None:
        """Have the next comparison made now."""
        self._wanted.set()

    async def reconcile_now(self) -> Report:
        """One comparison, for whoever asks; it counts like every other.

        Raises:
            VenueError: the venue did not answer.
            JournalError: the journal cannot be written.
        """
        # Only what was heard from before the venue was asked to the end leaves no gap.
        heard = {stream: self._breaks[stream] for stream in self._streams.watched if self._streams.up(stream)}
        report = await self._reconciler.run()
        self._judge(report, [stream for stream, breaks in heard.items() if self._breaks[stream] == breaks])
        return report

    # -- the start

    async def _connect(self) -> None:
        retry = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._stack.venue.connect()
            except VenueError as error:
                self._waiting("venue_away", error)
                await asyncio.sleep(retry)
                retry = min(2 * retry, LONGEST_RETRY_SECONDS)
            else:
                self._stack.begin_day()
                if self.connected is not None:
                    await self.connected()
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

    async def _check_streams(self) -> None:
        now = time.monotonic()
        if Stream.ORDERS not in self._streams.watched:
            return
        # The event may come before the answer: what counts is whether anything came after the order was sent.
        heard_at, sent_at = now - self._streams.age_seconds(Stream.ORDERS), self._manager.acknowledged_sent_at
        if self._silence.lasts(now, heard_at, sent_at):
            self._events.emit("stream_silent", "warning", stream=Stream.ORDERS)
            await self._streams.reset_user()

    async def _reconcile(self) -> float:
        """One comparison.

        Returns:
            Seconds until the next.
        """
        self._wanted.clear()
        try:
            await self.reconcile_now()
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
        self._is_ready()
        return self._interval

    def _judge(self, report: Report, heard: Sequence[Stream]) -> None:
        for difference in report.differences[:SHOWN]:
            self._events.emit("difference", "error", kind=difference.kind, message=difference.text)
        self.compared(report)
        count = len(report.differences)
        self._events.emit("reconciled", differences=count, seconds=round(report.seconds, 3))
        if not report.clean:
            text = f"{count} unexplained: {report.differences[0].kind} {report.differences[0].text}"
            self._gate.halt("reconcile", text)
            self._gate.clear("start")
            return
        for stream in heard:
            self._gate.clear(f"stream_{stream}")
        self._gate.clear("reconcile")
        self._gate.clear("start")

    def _is_ready(self) -> None:
        """READY: up, and compared with the venue once. Whether that was good is in STATUS and /readyz."""
        if not self._ready:
            self._ready = True
            self._notifier.send(READY=1)

    # -- what the streams tell

    def _quote(self, quote: Quote) -> None:
        self._stack.heard(quote)
        self._trading.on_quote(quote)

    def _order(self, report: OrderReport) -> None:
        self._manager.report(report)
        self.saw(report)

    def _behind(self, order: Order) -> None:
        """The venue has told of fills that have not come. Usually they are on their way."""

        def still_behind() -> None:
            if order.lacks_fills:
                self._events.emit("fills_missing", "warning", **order.names)
                self._wanted.set()

        asyncio.get_running_loop().call_later(FILL_PATIENCE_SECONDS, still_behind)

    def _lost(self, stream: Stream, error: BaseException) -> None:
        self._breaks[stream] += 1
        self._metrics.count("trader_ws_reconnects_total", stream=stream)
        self._metrics.count("trader_errors_total", **{"class": "stream"})
        self._events.emit("stream_lost", "warning", stream=stream, message=describe(error))
        self._gate.halt(f"stream_{stream}", f"the {stream} stream is down")

    def _back(self, stream: Stream) -> None:
        # What it would have told meanwhile is asked for; a clean answer opens the gate.
        self._wanted.set()

    def _stranger(self, what: str) -> None:
        self._events.emit("stranger", "warning", message=what)
        self.strange()
        self._wanted.set()
