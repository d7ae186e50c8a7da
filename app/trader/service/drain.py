"""The end of a service: no new orders, nothing in flight, open orders as the policy says, and the venue's word for it."""

import asyncio
import time

from trader.orders.manager import OrderManager
from trader.orders.resolution import Resolver
from trader.reconcile import Reconciler
from trader.service.settings import DrainSettings
from trader.service.trading import Trading
from trader.telemetry.events import Events
from trader.venue.gateway import Gateway, VenueError

PAUSE_SECONDS = 0.05


class Drain:
    """Runs once; the gate is closed already when it starts."""

    def __init__(
        self,
        settings: DrainSettings,
        trading: Trading,
        manager: OrderManager,
        resolver: Resolver,
        reconciler: Reconciler,
        gateway: Gateway,
        events: Events,
    ) -> None:
        self._settings = settings
        self._trading = trading
        self._manager = manager
        self._resolver = resolver
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
        await self._trading.settle()
        await self._resolver.idle()
        while True:
            if self._settings.open_orders == "cancel":
                self._trading.pull()
            await self._trading.settle()
            await self._resolver.idle()
            problem = await self._verify()
            if problem is None:
                return []
            await asyncio.sleep(PAUSE_SECONDS)

    async def _verify(self) -> str | None:
        """Compare with the venue: fills are booked, and what is open there is what may stay. None = as it should be."""
        try:
            report = await self._reconciler.run()
        except VenueError as error:
            self._events.error("drain_not_verified", error)
            return str(error)
        for difference in report.differences:
            self._events.emit("difference", "error", kind=difference.kind, message=difference.text)
        working = self._manager.book.working()
        if self._settings.open_orders == "cancel" and working:
            return f"{len(working)} orders open"
        return None

    def _left_behind(self) -> list[str]:
        """Every order whose end is not proven, by name: somebody must look after them."""
        keep = self._settings.open_orders == "keep"
        left = [order for order in self._manager.book.live() if not (keep and order.working)]
        late = f"not drained within {self._settings.deadline_seconds:g} s"
        return [late, *(f"{order.client_id} is {order.state}" for order in left)]
