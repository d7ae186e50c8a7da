"""Turns the strategy's wishes into orders while the gate is open, and pulls them back when it closes."""

import asyncio
import random
import time
from collections.abc import Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

from trader.model.intents import Cancel, Intent, Place
from trader.model.orders import ZERO, Order
from trader.model.transitions import OrderState
from trader.model.values import Fill, Instrument, Quote, TradingState
from trader.orders.gate import LATCH, Gate
from trader.orders.manager import OrderManager
from trader.strategy import Strategy
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics


class Trading:
    """One strategy on one account. It is also the `View` that the strategy looks through."""

    def __init__(
        self,
        strategy: Strategy,
        manager: OrderManager,
        quotes: Mapping[str, Quote],
        gate: Gate,
        metrics: Metrics,
        events: Events,
    ) -> None:
        self._strategy = strategy
        self._manager = manager
        self._quotes = quotes
        self._gate = gate
        self._metrics = metrics
        self._events = events
        self._tasks: set[asyncio.Task[Any]] = set()
        self._traded = False
        self._due = self.beat = time.monotonic()

    # -- what the strategy sees

    def quote(self, symbol: str) -> Quote | None:
        return self._quotes.get(symbol)

    def instrument(self, symbol: str) -> Instrument:
        return self._manager.instruments[symbol]

    def orders(self, symbol: str) -> Sequence[Order]:
        return [order for order in self._manager.book.live() if order.symbol == symbol]

    def position(self, symbol: str) -> Decimal:
        return self._manager.book.positions.get(symbol, ZERO)

    # -- what happens

    def on_quote(self, quote: Quote) -> None:
        """Decide by a new quote, which is among `quotes` already."""
        self._decide(lambda: self._strategy.on_book(self, quote))

    def on_fill(self, fill: Fill) -> None:
        """Take a new fill."""
        self._decide(lambda: self._strategy.on_fill(self, fill))

    async def run(self) -> None:
        """Call the strategy's timer until cancelled."""
        interval = self._strategy.interval_seconds
        self._due = time.monotonic()
        while True:
            self.beat = time.monotonic()
            # A late beat is not made up for: a burst of orders after a stall would be worse than the gap.
            # Hosts that one playbook started together would otherwise act at the same instant for ever.
            self._due = max(self._due + interval * random.uniform(0.8, 1.2), self.beat)  # noqa: S311
            state = self._gate.state
            if state is not TradingState.HALTED:
                self._traded = True
                self._decide(lambda: self._strategy.on_timer(self, time.monotonic_ns()))
            # After a trip the killer cancels everything, by fewer requests; two at once would be in each
            # other's way.
            if self._traded and state is not TradingState.ACTIVE and LATCH not in self._gate.reasons:
                self.pull(all_of_them=state is TradingState.HALTED)
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))

    @property
    def late_seconds(self) -> float:
        """For how long the timer has been due; 0 = it is not yet."""
        return max(0.0, time.monotonic() - self._due)

    def pull(self, *, all_of_them: bool = True) -> None:
        """Ask for the cancel of every order that rests, or of those alone that may enlarge a position."""
        for order in self._manager.book.working():
            enlarging = order.side.sign * self.position(order.symbol) >= 0
            if order.state is not OrderState.CANCEL_PENDING and (all_of_them or enlarging):
                self._spawn(self._manager.cancel(order.client_id))

    @property
    def busy(self) -> bool:
        """Whether a request is on its way."""
        return bool(self._tasks)

    async def stop(self) -> None:
        """Give up requests that are on their way: the journal says SENT, and the next start asks."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _decide(self, decide: Any) -> None:
        if self._gate.halted:
            return
        try:
            intents: list[Intent] = decide()
        except Exception as error:  # noqa: BLE001 - a strategy may fail in any way, and only trading may end by it
            self._failed("strategy_failed", error)
            return
        for intent in intents:
            match intent:
                case Place():
                    self._spawn(self._manager.place(intent))
                case Cancel(client_id):
                    self._spawn(self._manager.cancel(client_id))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed("order_path_failed", error)

    def _failed(self, event: str, error: BaseException) -> None:
        self._metrics.count("trader_errors_total", **{"class": "strategy"})
        self._events.error(event, error)
        self._gate.halt("strategy", f"{type(error).__name__}: {error}")
