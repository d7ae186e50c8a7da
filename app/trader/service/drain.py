"""The end: no new orders, nothing in flight, open orders as the policy says, the venue's word for it."""

import asyncio
import time

from trader.journal import JournalError
from trader.model.transitions import OrderState
from trader.orders.manager import OrderManager
from trader.reconcile import Reconciler
from trader.service.settings import DrainSettings
from trader.service.trading import Trading
from trader.telemetry.events import Events
from trader.venue.interface import Venue, VenueError

PAUSE_SECONDS = 0.05
OURS = ("closed_here", "no_intent", "missing_there", "unresolved")


class Drain:
    """Runs once; the gate is closed already when it starts."""

    def __init__(
        self,
        settings: DrainSettings,
        trading: Trading,
        manager: OrderManager,
        reconciler: Reconciler,
        gateway: Venue,
        events: Events,
    ) -> None:
        self._settings = settings
        self._keep = settings.open_orders == "keep"
        self._trading = trading
        self._manager = manager
        self._reconciler = reconciler
        self._gateway = gateway
        self._events = events

    async def run(self) -> list[str]:
        """Drain within the deadline.

        Returns:
            What could not be done, one line each; empty = drained.
        """
        started = time.monotonic()
        book = self._manager.book
        untouched = not self._gateway.instruments and not list(book.live())
        self._events.emit("drain_started", open_orders=len(book.working()), in_flight=len(book.in_flight()))
        problems: list[str] = []
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                if not untouched:
                    problems = await self._drain()
        except TimeoutError:
            problems = self._left_behind()
        self._events.emit(
            "drain_finished",
            "error" if problems else "info",
            seconds=round(time.monotonic() - started, 3),
            problems=problems,
            open_orders=len(book.working()),
        )
        return problems

    async def _drain(self) -> list[str]:
        # Nothing in here waits for one order: an answer that hangs must not keep the others open.
        while True:
            if not self._keep:
                self._trading.pull()
            if self._quiet() and (problems := await self._verify()) is not None and self._quiet():
                return problems
            await asyncio.sleep(PAUSE_SECONDS)

    def _quiet(self) -> bool:
        """Whether no request is on its way and every order is where it may stay."""
        live = list(self._manager.book.live())
        resting = (OrderState.OPEN, OrderState.PARTIALLY_FILLED) if self._keep else ()
        return not self._trading.busy and all(order.state in resting for order in live)

    async def _verify(self) -> list[str] | None:
        """Ask the venue for its open orders and for fills that we lack.

        Returns:
            Orders of ours that are not as they should be; None when the venue did not answer.
        """
        try:
            report = await self._reconciler.run()
        except VenueError as error:
            self._events.error("drain_not_verified", error)
            return None
        except JournalError:
            return await self._open_there()
        for difference in report.differences:
            self._events.emit("difference", "error", kind=difference.kind, message=difference.text)
        # What belongs to nobody here is for a person, and was said; it does not make the drain fail.
        return [difference.text for difference in report.differences if difference.kind in OURS]

    async def _open_there(self) -> list[str] | None:
        """The venue's word alone, when the journal cannot be used any more."""
        try:
            reports = await self._gateway.open_orders()
        except VenueError as error:
            self._events.error("drain_not_verified", error)
            return None
        known = (self._manager.book.get(report.client_id) for report in reports)
        return [f"{order.client_id} is open at the venue" for order in known if order is not None]

    def _left_behind(self) -> list[str]:
        """Every order whose end is not proven, by name: somebody must look after them."""
        left = [order for order in self._manager.book.live() if not (self._keep and order.working)]
        late = f"not drained within {self._settings.deadline_seconds:g} s"
        return [late, *(f"{order.client_id} is {order.state}" for order in left)]
