"""After a trip: cancels everything on the account until the venue has said zero twice, and keeps it there.

It goes on for as long as the latch is down: a cancel that failed is sent again, an order that was in flight
and appears later is cancelled too, and what a venue keeps listing although it took the cancel is cancelled by
its own id. Our book is not asked what is open: the venue is, for every symbol, ours or not. While the venue
does not list the account in whole, what needs no list is cancelled again and again, and our own orders one by
one by their names: these go the way of orders, which may be another connection.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from trader.model.orders import Order
from trader.model.transitions import OrderState, Signal
from trader.model.values import OrderReport
from trader.orders.book import OrderBook
from trader.service.kill import KillSwitch
from trader.service.kill_progress import NAMED, KillProgress
from trader.service.kill_run import KillRun
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.account_orders import Cancel, Listed
from trader.venue.whole_account import Account

LOOK_SECONDS = 0.02  # at the latch, which another process may trip
FIRST_GUARD_SECONDS, GUARD_SECONDS = 1.0, 10.0  # between two lists while nothing is open and it is tripped
ZERO_PAUSE_SECONDS = 0.1  # between the two zeros; nothing of ours is in flight then
IN_FLIGHT_SECONDS = 0.05  # between two looks at our book, for the end of what is in flight
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.02, 1.0
# Between two lists, each of which costs a good part of a venue's limit: nothing at first, a second from the
# fifth on. Somebody who goes on placing must not make us use up what the cancels need.
SLOWER_FOR_SECONDS, LIST_SECONDS = 5.0, 1.0
TELL_SECONDS = 5.0

OPEN_SIGNALS = (Signal.OPENED, Signal.PARTLY_FILLED)

Flatten = Callable[[], Coroutine[Any, Any, str]]
CancelOwn = Callable[[str], Coroutine[Any, Any, None]]


class Killer:
    """Runs beside trading, and through the drain.

    Args:
        symbols: those of the settings.
        book: our orders; what is in flight there may still appear at the venue.
        cancel_own: asks once for the cancel of an order of ours, by its name.
        settle: called when the venue is empty: journal and venue are to be compared now.
        flatten: brings positions to zero and says what became of it; None = they are left alone.
    """

    def __init__(
        self,
        kill_switch: KillSwitch,
        account: Account,
        symbols: Sequence[str],
        book: OrderBook,
        cancel_own: CancelOwn,
        metrics: Metrics,
        events: Events,
        settle: Callable[[], None] = lambda: None,
        flatten: Flatten | None = None,
    ) -> None:
        self._kill_switch = kill_switch
        self._account = account
        self._symbols = symbols
        self._book = book
        self._cancel_own = cancel_own
        self._metrics = metrics
        self._events = events
        self._settle = settle
        self._flatten = flatten
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._told_at = 0.0
        self._pulled_at = self._listed_at = 0.0
        self._reported = False
        self.progress: KillProgress | None = None
        kill_switch.tripped = self._pulled

    @property
    def working(self) -> bool:
        """Whether a kill has begun and the venue has not said zero twice."""
        return self.progress is not None and not self.progress.verified

    async def done(self, patience_seconds: float) -> bool:
        """Wait until no kill is at work; False = it was not done in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                await self._idle.wait()
        return not self.working

    def again(self) -> None:
        """A person pulls it once more: what the venue has said before must be said anew."""
        if self.progress is not None and self.progress.verified:
            self._pulled()

    def look_again(self) -> None:
        """Something may have appeared at the venue."""
        self._wake.set()

    def saw(self, report: OrderReport) -> None:
        """The venue tells of an order; while the latch is down none may be open."""
        if self.progress is not None and report.signal in OPEN_SIGNALS:
            self._wake.set()

    async def run(self) -> None:
        """Wait for trips until cancelled."""
        while True:
            while not self._kill_switch.look():
                self._rearmed()
                await self._woken(LOOK_SECONDS)
            await self._clear()
            await self._guard()

    def _rearmed(self) -> None:
        if self.progress is not None:
            self._metrics.set("trader_kill_working", 0)
            self._account.forget()
        self.progress, self._reported = None, False
        self._idle.set()

    async def _woken(self, seconds: float) -> None:
        """Wait until something calls for a look, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    # -- one kill

    def _pulled(self) -> None:
        self._pulled_at = time.monotonic()
        self._begin()

    def _begin(self) -> None:
        self.progress = KillProgress(time.monotonic(), tuple(self._book.live()))
        self._idle.clear()
        self._wake.set()

    async def _clear(self) -> None:
        """Cancel and ask until zero twice, or until a person has re-armed."""
        if self.progress is None or self.progress.verified:
            self._begin()
        progress = self.progress
        assert progress is not None
        self._metrics.set("trader_kill_working", 1)
        run = KillRun(self._account, progress)
        try:
            emptied = await self._emptied(run, progress)
        finally:
            await run.stop()
        if emptied:
            await self._finish(progress)

    async def _emptied(self, run: KillRun, progress: KillProgress) -> bool:
        """Whether the venue has said zero twice; no: a person has re-armed meanwhile."""
        blind = self._account.blind(self._own_symbols())
        rest = FIRST_REST_SECONDS
        while self._kill_switch.look():
            out = self._out()
            for order in out:
                progress.took_in(order)
            listed = await self._turn(run, blind)
            progress.seconds = time.monotonic() - progress.began
            blind = [] if listed.whole else self._unlisted(run, listed)
            if listed.whole and not listed.orders and not out:
                progress.zeros += 1
                if progress.verified:
                    return True
                await asyncio.sleep(ZERO_PAUSE_SECONDS)
                continue
            progress.zeros = 0
            self._tell(progress)
            if run.progressed:  # also by the first list: what it shows is cancelled at once
                rest = FIRST_REST_SECONDS
                continue
            await self._rest(rest)
            rest = min(2 * rest, LONGEST_REST_SECONDS)
        return False

    async def _turn(self, run: KillRun, blind: Iterable[Cancel]) -> Listed:
        pace = min(LIST_SECONDS, (time.monotonic() - self._pulled_at) / SLOWER_FOR_SECONDS)
        await asyncio.sleep(max(0.0, self._listed_at + pace - time.monotonic()))
        self._listed_at = time.monotonic()
        return await run.turn(blind)

    def _unlisted(self, run: KillRun, listed: Listed) -> list[Cancel]:
        """The venue has not listed all: cancel by name what we know of, and say what needs no list."""
        there = {order.order_id for order in listed.orders}
        for order in self._book.working():
            if order.venue_order_id not in there:
                run.beside(order.client_id, partial(self._cancel_own, order.client_id))
        return self._account.blind(self._own_symbols())

    async def _rest(self, seconds: float) -> None:
        """Until the next turn: a while, but no longer than something of ours is in flight if that is all."""
        until = time.monotonic() + seconds
        waits = bool(self._out())
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, IN_FLIGHT_SECONDS))
            if waits and not self._out():
                return

    def _out(self) -> list[Order]:
        """Orders that may still appear. One that waits for the journal must pass the gate again."""
        return [order for order in self._book.in_flight() if order.state is not OrderState.PENDING]

    def _own_symbols(self) -> list[str]:
        """Where orders of ours can be; the rest of the account comes with the list."""
        return list(dict.fromkeys([*self._symbols, *(order.symbol for order in self._book.live())]))

    async def _finish(self, progress: KillProgress) -> None:
        self._metrics.set("trader_kill_working", 0)
        self._account.forget()
        self._settle()
        if self._flatten is not None and not progress.flattened:
            progress.flattened = await self._flatten()
        self._metrics.set("trader_kill_seconds", progress.seconds)
        fields = {**progress.fields(), "flattened": progress.flattened or None}
        # One report of a trip: whoever counts kills by it must not count late orders.
        name = "kill_cleared_again" if self._reported else "kill_finished"
        self._events.emit(name, "warning", **fields)
        self._reported = True
        if self.progress is progress:  # else it was pulled once more meanwhile
            self._idle.set()

    def _tell(self, progress: KillProgress) -> None:
        """While it does not succeed: say so, now and then."""
        now = time.monotonic()
        if now - progress.began < TELL_SECONDS / 5 or now - self._told_at < TELL_SECONDS:
            return
        self._told_at = now
        self._events.emit("kill_not_done", "error", message=progress.problem, **progress.fields())

    # -- afterwards

    async def _guard(self) -> None:
        """Keep the account empty while the latch is down; return when something is open, or after re-arm."""
        pause = FIRST_GUARD_SECONDS  # what was on its way when the venue said zero appears within seconds
        self._wake.clear()
        while self._kill_switch.look() and not self.working:
            await self._woken(pause)
            pause = min(2 * pause, GUARD_SECONDS)
            if self.working or not self._kill_switch.look():
                return
            progress = KillProgress(time.monotonic(), tuple(self._book.live()))
            run = KillRun(self._account, progress)
            try:
                listed = await self._turn(run, ())  # what it shows is cancelled at once
            finally:
                await run.stop()
            if not listed.whole:
                self._events.emit("kill_not_guarded", "error", message=listed.missing)
            if self.working:
                return
            if listed.orders or self._out():
                found = [*map(str, listed.orders[:NAMED])]
                self._events.emit("kill_found_orders", "error", count=len(listed.orders), orders=found)
                self.progress = progress
                self._idle.clear()
                return
