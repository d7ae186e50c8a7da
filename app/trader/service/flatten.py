"""Brings positions to zero after a kill, where the policy says so: market orders that only reduce.

Nothing is sent before journal and venue agree, because a fill that we have missed would make it the wrong way
round, nor while an order of ours has no proven end, because its fill would turn the position. Nothing goes
past the risk checks: a quote must be fresh, an order no larger than risk.max_order_notional_usd, and a symbol
gets no more of them than risk.max_repeated_executions.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

from trader.journal import JournalError
from trader.model.intents import Place
from trader.model.orders import ZERO, Order
from trader.model.values import Instrument, OrderKind, Quote, Side
from trader.orders.admission import Admission
from trader.orders.manager import OrderManager
from trader.reconcile import Report
from trader.service.kill import KillSwitch
from trader.venue.interface import VenueError

FILL_SECONDS = 2.0  # a market order's fills come with its answer or right after it
PAUSE_SECONDS = 0.02


class Flattener:
    """One run after each kill.

    Args:
        compare: journal with venue; raises VenueError or JournalError.
    """

    def __init__(
        self,
        manager: OrderManager,
        admission: Admission,
        kill_switch: KillSwitch,
        compare: Callable[[], Awaitable[Report]],
    ) -> None:
        self._manager = manager
        self._admission = admission
        self._kill_switch = kill_switch
        self._compare = compare

    async def run(self) -> str:
        """Reduce every position of ours to zero, or as far as it can be.

        Returns:
            One line: what was done, and what is left and why.
        """
        try:
            report = await self._compare()
        except (VenueError, JournalError) as error:
            return f"positions are left alone: not compared with the venue: {error}"
        if not report.clean:
            return "positions are left alone: journal and venue do not agree"
        book = self._manager.book
        if list(book.live()):
            return "positions are left alone: an order of ours has no proven end"
        done: list[str] = []
        left: list[str] = []
        for symbol, position in list(book.positions.items()):
            if not position:
                continue
            why = await self._flatten(symbol)
            (left if why else done).append(f"{symbol} {why}".strip())
        return "; ".join([*(f"{symbol} flat" for symbol in done), *left]) or "nothing was held"

    async def _flatten(self, symbol: str) -> str:
        """One symbol; the text says what kept it from zero."""
        limits = self._admission.limits
        for step in range(limits.max_repeated_executions):
            instrument = self._manager.instruments.get(symbol)
            quote = self._admission.quotes.get(symbol)
            position = self._manager.book.positions.get(symbol, ZERO)
            if instrument is None or quote is None:
                return f"{position} left: no instrument or no quote"
            intent = self._next(instrument, quote, position, f"flatten {step}")
            if intent is None:
                return f"{position} left: less than the venue's smallest order" if position else ""
            if not self._kill_switch.look():
                return f"{position} left: re-armed meanwhile"
            order = await self._manager.close_out(intent)
            if order is None:
                return f"{position} left: refused by the risk checks"
            if not await self._settled(order):
                return f"{position} left: {order.client_id} is {order.state} {order.reason}".rstrip()
            await asyncio.sleep(1 / limits.max_orders_per_second)
        position = self._manager.book.positions.get(symbol, ZERO)
        return f"{position} left: more orders than risk.max_repeated_executions" if position else ""

    def _next(self, instrument: Instrument, quote: Quote, position: Decimal, slot: str) -> Place | None:
        """The next order towards zero; None = nothing that the venue would take is left."""
        side = Side.SELL if position > 0 else Side.BUY
        touch = quote.bid if side is Side.SELL else quote.ask
        unit_usd = touch * (self._admission.valuation.usd(instrument.quote) or ZERO)
        wanted = abs(position)
        if unit_usd > 0:
            wanted = min(wanted, self._admission.limits.max_order_notional_usd / unit_usd)
        quantity = instrument.quantity(wanted)
        if quantity < max(instrument.min_quantity, instrument.step_size):
            return None
        if quantity * touch < instrument.min_notional:
            return None
        # A spot venue has no reduce-only order; there the quantity itself, checked against the book, must do.
        return Place(
            instrument.symbol, side, OrderKind.MARKET, quantity, None, time.monotonic_ns(),
            slot=slot, reduce_only=instrument.settle is not None,
        )  # fmt: skip

    async def _settled(self, order: Order) -> bool:
        """Wait until it has ended and all its fills are booked; whether it brought any."""
        until = time.monotonic() + FILL_SECONDS
        while not order.final or order.lacks_fills:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(PAUSE_SECONDS)
        return order.filled > 0
