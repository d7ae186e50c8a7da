"""Conditional orders, which the venue keeps on its algo service: they wait for a price, then become orders.

They need no margin while they wait; what the market refuses when they trigger is REJECTED then.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from venue_sim.errors import VenueError
from venue_sim.exchange import LIMIT, MARKET, Market, NewOrder
from venue_sim.model import BUY, CANCELED, NEW, ZERO, Account, Order
from venue_sim.usdm import errors

if TYPE_CHECKING:
    from venue_sim.usdm.exchange import FuturesExchange

STOPS = ("STOP", "STOP_MARKET")
TAKE_PROFITS = ("TAKE_PROFIT", "TAKE_PROFIT_MARKET")
TYPES = (*STOPS, *TAKE_PROFITS)
MARKET_TYPES = ("STOP_MARKET", "TAKE_PROFIT_MARKET")
MARK_PRICE = "MARK_PRICE"
CONTRACT_PRICE = "CONTRACT_PRICE"

TRIGGERING = "TRIGGERING"
TRIGGERED = "TRIGGERED"
FINISHED = "FINISHED"
REJECTED = "REJECTED"

ALGO_ID = "algoId"
MOST_KEPT = 20_000


@dataclass(slots=True, eq=False)
class AlgoOrder:
    """A conditional order; `order_id` is that of the order it became, `reason` why that was refused."""

    algo_id: int
    account: Account
    symbol: str
    client_algo_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    trigger_price: Decimal
    working_type: str
    reduce_only: bool
    close_position: bool
    created_ms: int
    updated_ms: int
    triggered_ms: int = 0
    status: str = NEW
    order_id: int | None = None
    reason: str = ""

    def reached(self, last: Decimal, mark: Decimal) -> bool:
        """Whether the price that it watches is at its trigger or beyond."""
        price = mark if self.working_type == MARK_PRICE else last
        rising = (self.side == BUY) == (self.type in STOPS)
        return price >= self.trigger_price if rising else price <= self.trigger_price


class AlgoDesk:
    """Keeps the conditional orders of an exchange and places them when their price is reached."""

    def __init__(self, exchange: FuturesExchange) -> None:
        self._exchange = exchange
        self.next_id = 1
        self.orders: dict[int, AlgoOrder] = {}
        self.by_client_id: dict[tuple[str, str], AlgoOrder] = {}
        self._waiting: dict[str, dict[int, AlgoOrder]] = {}
        self._busy = False

    def waiting(self, account: Account, symbol: str | None = None) -> list[AlgoOrder]:
        """An account's conditional orders that still wait, oldest first."""
        found = [a for held in self._waiting.values() for a in held.values() if a.account is account]
        return sorted((a for a in found if symbol in (None, a.symbol)), key=lambda a: a.algo_id)

    def place(self, algo: AlgoOrder, now_ms: int) -> None:
        """Let a conditional order wait.

        Raises:
            VenueError: -2021 when its price is reached already, -4116 for a client id that was used.
        """
        market = self._exchange.market(algo.symbol)
        if (algo.account.name, algo.client_algo_id) in self.by_client_id:
            raise errors.duplicate_client_id()
        if algo.reached(market.last_price, self._exchange.mark(market)):
            raise errors.would_trigger()
        self.next_id += 1
        self.remember(algo)
        self._tell(algo, now_ms)

    def remember(self, algo: AlgoOrder) -> None:
        """File a conditional order; the oldest that ended are forgotten when there are too many."""
        self.orders[algo.algo_id] = algo
        self.by_client_id[algo.account.name, algo.client_algo_id] = algo
        if algo.status == NEW:
            self._waiting.setdefault(algo.symbol, {})[algo.algo_id] = algo
        else:
            self._stop_waiting(algo)
        if len(self.orders) > MOST_KEPT:
            self._forget_oldest()

    def cancel(self, algo: AlgoOrder, now_ms: int) -> None:
        """Cancel a conditional order that waits."""
        if self._exchange.spares(algo.client_algo_id):
            return
        self._stop_waiting(algo)
        self._change(algo, CANCELED, now_ms)

    def watch(self, market: Market, now_ms: int) -> None:
        """Trigger what the market's price has reached, one after the other: each may move the price again."""
        if self._busy or market.rules.symbol not in self._waiting:
            return
        self._busy = True
        try:
            while (algo := self._next_reached(market)) is not None:
                self._trigger(market, algo, now_ms)
        finally:
            self._busy = False

    def order_ended(self, order: Order, now_ms: int) -> None:
        """An order is over: if it was a conditional one, that is over too."""
        algo = self.orders.get((order.extra or {}).get(ALGO_ID, 0))
        if algo is not None and algo.status == TRIGGERED:
            self._change(algo, FINISHED, now_ms)

    def _next_reached(self, market: Market) -> AlgoOrder | None:
        last, mark = market.last_price, self._exchange.mark(market)
        waiting = self._waiting.get(market.rules.symbol, {})
        return next((algo for algo in waiting.values() if algo.reached(last, mark)), None)

    def _trigger(self, market: Market, algo: AlgoOrder, now_ms: int) -> None:
        self._stop_waiting(algo)
        algo.triggered_ms = now_ms
        self._change(algo, TRIGGERING, now_ms)
        held = self._exchange.position(algo.account, algo.symbol).amount
        flags: dict[str, int] = {ALGO_ID: algo.algo_id}
        if algo.reduce_only or algo.close_position:
            flags["reduceOnly"] = True
        if algo.close_position:
            flags["closePosition"] = True
        is_market = algo.type in MARKET_TYPES
        new = NewOrder(
            symbol=algo.symbol,
            side=algo.side,
            type=MARKET if is_market else LIMIT,
            client_order_id=algo.client_algo_id,
            time_in_force="GTC" if is_market else algo.time_in_force,
            quantity=abs(held) if algo.close_position else algo.quantity,
            price=ZERO if is_market else algo.price,
            extra=flags,
        )
        try:
            order, _ = self._exchange.place(algo.account, new, now_ms)
        except VenueError as refusal:
            algo.reason = refusal.message
            self._change(algo, REJECTED, now_ms)
            return
        algo.order_id = order.order_id
        self._change(algo, TRIGGERED, now_ms)
        if not order.is_open:
            self._change(algo, FINISHED, now_ms)

    def _stop_waiting(self, algo: AlgoOrder) -> None:
        waiting = self._waiting.get(algo.symbol, {})
        waiting.pop(algo.algo_id, None)
        if not waiting:
            self._waiting.pop(algo.symbol, None)

    def _change(self, algo: AlgoOrder, status: str, now_ms: int) -> None:
        algo.status = status
        algo.updated_ms = now_ms
        self._tell(algo, now_ms)

    def _tell(self, algo: AlgoOrder, now_ms: int) -> None:
        for sink in self._exchange.account_sinks:
            sink.algo(algo, now_ms)

    def _forget_oldest(self) -> None:
        ended = next((a for a in self.orders.values() if a.status not in (NEW, TRIGGERED)), None)
        if ended is not None:
            del self.orders[ended.algo_id]
            del self.by_client_id[ended.account.name, ended.client_algo_id]
