"""After a trip: cancels everything on the account until the venue has said zero twice, and keeps it there.

It goes on for as long as the latch is down: a cancel that failed is sent again, an order that was in flight
and appears later is cancelled too, and what a venue keeps listing although it took the cancel is cancelled by
its own id. Our book is not asked what is open: the venue is, for every symbol, ours or not.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from trader.model.transitions import Signal
from trader.model.values import OrderReport
from trader.orders.book import OrderBook
from trader.service.kill import KillSwitch
from trader.service.kill_progress import KillProgress
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics
from trader.venue.account_orders import Cancel, OpenOrder
from trader.venue.interface import VenueError
from trader.venue.whole_account import Account

LOOK_SECONDS = 0.02  # at the latch, which another process may trip
GUARD_SECONDS = 10.0  # between two lists while nothing is open and the latch is down
ZERO_PAUSE_SECONDS = 0.1  # between the two zeros; nothing of ours is in flight then
IN_FLIGHT_SECONDS = 0.05  # between two looks at our book, for the end of what is in flight
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 0.02, 2.0
FIRST_PATIENCE_SECONDS, LONGEST_PATIENCE_SECONDS = 1.0, 10.0
ALONE_FROM = 3  # from its third list on an order is cancelled by its own id too
TELL_SECONDS = 5.0

OPEN_SIGNALS = (Signal.OPENED, Signal.PARTLY_FILLED)

Flatten = Callable[[], Awaitable[str]]


class Killer:
    """Runs beside trading, and through the drain.

    Args:
        symbols: those of the settings.
        book: our orders; what is in flight there may still appear at the venue.
        settle: called when the venue is empty: journal and venue are to be compared now.
        flatten: brings positions to zero and says what became of it; None = they are left alone.
    """

    def __init__(
        self,
        kill_switch: KillSwitch,
        account: Account,
        symbols: Sequence[str],
        book: OrderBook,
        metrics: Metrics,
        events: Events,
        settle: Callable[[], None] = lambda: None,
        flatten: Flatten | None = None,
    ) -> None:
        self._kill_switch = kill_switch
        self._account = account
        self._symbols = symbols
        self._book = book
        self._metrics = metrics
        self._events = events
        self._settle = settle
        self._flatten = flatten
        self._wake = asyncio.Event()
        self._told_at = 0.0
        self._reported = False
        self.progress: KillProgress | None = None
        kill_switch.tripped = self._begin

    @property
    def working(self) -> bool:
        """Whether a kill has begun and the venue has not said zero twice."""
        return self.progress is not None and not self.progress.verified

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
                if self.progress is not None:
                    self._metrics.set("trader_kill_working", 0)
                self.progress, self._reported = None, False
                await asyncio.sleep(LOOK_SECONDS)
            await self._clear()
            await self._guard()

    # -- one kill

    def _begin(self) -> None:
        self.progress = KillProgress(time.monotonic(), tuple(self._book.live()))
        self._wake.set()

    async def _clear(self) -> None:
        """Cancel and ask until zero twice, or until a person has re-armed."""
        progress = self.progress
        if progress is None or progress.verified:
            progress = self.progress = KillProgress(time.monotonic(), tuple(self._book.live()))
        self._metrics.set("trader_kill_working", 1)
        run = _Run(self._account, progress)
        todo = self._account.blind(self._own_symbols())
        rest = FIRST_REST_SECONDS
        while self._kill_switch.look():
            for order in self._book.in_flight():
                progress.took_in(order)
            calm = not self._book.in_flight()
            whole = await run.turn(todo)
            todo = run.todo
            progress.seconds = time.monotonic() - progress.began
            if whole and not progress.left and calm:
                progress.zeros += 1
                if progress.verified:
                    return await self._finish(progress)
                await asyncio.sleep(ZERO_PAUSE_SECONDS)
                continue
            progress.zeros = 0
            self._tell(progress)
            if run.turns > 1:  # what the first list shows is cancelled at once
                await self._rest(rest)
                rest = min(2 * rest, LONGEST_REST_SECONDS)

    async def _rest(self, seconds: float) -> None:
        """Until the next turn: a while, but no longer than something of ours is in flight if that is all."""
        until = time.monotonic() + seconds
        waits = bool(self._book.in_flight())
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, IN_FLIGHT_SECONDS))
            if waits and not self._book.in_flight():
                return

    def _own_symbols(self) -> list[str]:
        """Where orders of ours can be; the rest of the account comes with the list."""
        return list(dict.fromkeys([*self._symbols, *(order.symbol for order in self._book.live())]))

    async def _finish(self, progress: KillProgress) -> None:
        self._metrics.set("trader_kill_working", 0)
        self._settle()
        if self._flatten is not None and not progress.flattened:
            progress.flattened = await self._flatten()
        self._metrics.set("trader_kill_seconds", progress.seconds)
        fields = {**progress.fields(), "flattened": progress.flattened or None}
        # One report of a trip: whoever counts kills by it must not count late orders.
        name = "kill_cleared_again" if self._reported else "kill_finished"
        self._events.emit(name, "warning", **fields)
        self._reported = True

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
        self._wake.clear()
        while self._kill_switch.look() and not self.working:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GUARD_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if self.working or not self._kill_switch.look():
                return
            try:
                found = await self._account.open_orders(LONGEST_PATIENCE_SECONDS)
            except VenueError as error:
                self._events.error("kill_not_guarded", error)
                continue
            if found or self._book.in_flight():
                self._events.emit(
                    "kill_found_orders", "error", count=len(found), orders=[*map(str, found[:20])]
                )
                return


class _Run:
    """The turns of one kill: each is one look at the whole account beside the cancels that are due."""

    def __init__(self, account: Account, progress: KillProgress) -> None:
        self._account = account
        self._progress = progress
        self._patience = FIRST_PATIENCE_SECONDS
        self._lists_with: dict[OpenOrder, int] = {}
        self.turns = 0
        self.todo: list[Cancel] = []

    async def turn(self, cancels: list[Cancel]) -> bool:
        """Send these, and list; `todo` is what is to be sent next.

        Returns:
            Whether the venue has listed the whole account.
        """
        self.turns += 1
        listing = asyncio.ensure_future(self._list())
        answers = await asyncio.gather(*(self._send(cancel) for cancel in cancels))
        found = await listing
        taken = [cancel.request for cancel, answered in zip(cancels, answers, strict=True) if answered]
        if found is None or len(taken) < len(cancels):
            self._patience = min(2 * self._patience, LONGEST_PATIENCE_SECONDS)
        if found is None:
            self.todo = [cancel for cancel in cancels if cancel.request not in taken]
            return False
        self._progress.left = found
        self._progress.listed |= set(found)
        for order in found:
            self._lists_with[order] = self._lists_with.get(order, 0) + 1
        stubborn = [order for order in found if self._lists_with[order] >= ALONE_FROM]
        due = [*self._account.cancels(found), *map(self._account.one, stubborn)]
        # The list may be from before this turn's cancels: what they have left shows in the next one.
        self.todo = [cancel for cancel in due if cancel.request not in taken]
        return True

    async def _list(self) -> list[OpenOrder] | None:
        try:
            return await self._account.open_orders(self._patience)
        except VenueError as error:
            self._progress.problem = str(error)
            return None

    async def _send(self, cancel: Cancel) -> bool:
        """Whether the venue has answered: it took it, or knows no such order."""
        try:
            if not await self._account.send(cancel, self._patience):
                self._progress.gone |= set(cancel.orders)
        except VenueError as error:
            self._progress.problem = str(error)
            return False
        return True
