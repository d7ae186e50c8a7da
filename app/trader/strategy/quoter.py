"""A quoter: keeps small limit orders around the mid price, and now and then takes.

One order is replaced per interval, slot by slot, so that orders leave at an even pace instead of in bursts.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from trader.model.intents import Cancel, Intent, Place
from trader.model.transitions import OrderState
from trader.model.values import Fill, OrderKind, Quote, Side
from trader.strategy.base import StrategyError, View

BASIS_POINTS = Decimal(10_000)
REPLACEABLE = (OrderState.OPEN, OrderState.PARTIALLY_FILLED)


class Parameters(BaseModel):
    """Settings under strategy.parameters.

    Args:
        order_size: in base units.
        levels: orders on each side of each symbol.
        spread_bps: distance of the first bid from the first ask, and of each further level, in 1/100 % of
            the mid price.
        requote_interval_ms: one slot is replaced per interval.
        take_interval_seconds: a market order is sent this often; 0 = never.
        max_inventory: bound of the position (sum of fills) to each side, in base units; absent = 5 order
            sizes.
        seed: of the random choices.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_size: Decimal = Field(default=Decimal("0.001"), gt=0)
    levels: int = Field(default=2, ge=1, le=10)
    spread_bps: Decimal = Field(default=Decimal(10), gt=0, le=1_000)
    requote_interval_ms: int = Field(default=220, ge=10, le=60_000)
    take_interval_seconds: float = Field(default=5.0, ge=0, le=86_400)
    max_inventory: Decimal | None = Field(default=None, gt=0)
    seed: int = 0

    @property
    def inventory_bound(self) -> Decimal:
        return 5 * self.order_size if self.max_inventory is None else self.max_inventory


@dataclass(frozen=True, slots=True)
class Slot:
    symbol: str
    side: Side
    level: int

    def __str__(self) -> str:
        return f"{self.symbol} {self.side} {self.level}"


class Quoter:
    """See the module's text; the methods are those of `Strategy`."""

    def __init__(self, parameters: Parameters, symbols: list[str]) -> None:
        self._parameters = parameters
        self._symbols = symbols
        self._slots = [
            Slot(symbol, side, level)
            for level in range(1, parameters.levels + 1)
            for symbol in symbols
            for side in Side
        ]
        self._names = {str(slot) for slot in self._slots}
        self._turn = 0
        self._last_take_ns: int | None = None
        self._random = random.Random(parameters.seed)  # noqa: S311

    @property
    def interval_seconds(self) -> float:
        return self._parameters.requote_interval_ms / 1_000

    def on_book(self, view: View, quote: Quote) -> list[Intent]:
        return []

    def on_fill(self, view: View, fill: Fill) -> list[Intent]:
        return []

    def on_timer(self, view: View, now_ns: int) -> list[Intent]:
        slot = self._slots[self._turn % len(self._slots)]
        self._turn += 1
        return [*self._adopted(view), *self._replace(view, slot, now_ns), *self._take(view, now_ns)]

    def _adopted(self, view: View) -> list[Intent]:
        """Orders that an earlier process left open are not in a slot: away with them."""
        return [
            Cancel(order.client_id)
            for symbol in self._symbols
            for order in view.orders(symbol)
            if order.slot not in self._names and order.kind is OrderKind.LIMIT and order.state in REPLACEABLE
        ]

    def _replace(self, view: View, slot: Slot, now_ns: int) -> list[Intent]:
        ours = [order for order in view.orders(slot.symbol) if order.slot == str(slot)]
        cancels: list[Intent] = [Cancel(order.client_id) for order in ours if order.state in REPLACEABLE]
        price = self._price(view, slot)
        # An order without an answer keeps its slot, so a slow venue is never given more and more orders.
        waiting = len(cancels) < len(ours)
        full = slot.side.sign * view.position(slot.symbol) >= self._parameters.inventory_bound
        if price is None or waiting or full:
            return cancels
        quantity = self._quantity(view, slot.symbol, price)
        place = Place(slot.symbol, slot.side, OrderKind.LIMIT, quantity, price, now_ns, str(slot))
        return [place, *cancels]

    def _price(self, view: View, slot: Slot) -> Decimal | None:
        quote = view.quote(slot.symbol)
        if quote is None:
            return None
        # Half the spread to the first level, a whole one to each further; a little chance keeps prices from
        # piling up.
        away = self._parameters.spread_bps * (slot.level - Decimal("0.5")) / BASIS_POINTS
        away *= 1 + Decimal(self._random.randrange(0, 50)) / 1_000
        return view.instrument(slot.symbol).passive_price(quote.mid * (1 - slot.side.sign * away), slot.side)

    def _take(self, view: View, now_ns: int) -> list[Intent]:
        interval_ns = int(self._parameters.take_interval_seconds * 1e9)
        if self._last_take_ns is None:
            self._last_take_ns = now_ns
        if interval_ns == 0 or now_ns - self._last_take_ns < interval_ns:
            return []
        self._last_take_ns = now_ns
        symbol = self._random.choice(self._symbols)
        quote = view.quote(symbol)
        if quote is None or any(order.kind is OrderKind.MARKET for order in view.orders(symbol)):
            return []
        position = view.position(symbol)
        side = self._random.choice(list(Side)) if position == 0 else Side.SELL if position > 0 else Side.BUY
        quantity = self._quantity(view, symbol, quote.bid)
        return [Place(symbol, side, OrderKind.MARKET, quantity, None, now_ns, f"{symbol} take")]

    def _quantity(self, view: View, symbol: str, price: Decimal) -> Decimal:
        instrument = view.instrument(symbol)
        quantity = instrument.quantity(self._parameters.order_size)
        if quantity * price < instrument.min_notional or quantity == 0:
            raise StrategyError(
                f"strategy.parameters.order_size: {self._parameters.order_size} {instrument.base} is less"
                f" than {symbol} takes (at least {instrument.min_notional} {instrument.quote}); raise it"
            )
        return quantity


def make(parameters: dict[str, Any], symbols: list[str]) -> Quoter:
    """The entry point.

    Raises:
        pydantic.ValidationError: the parameters are wrong.
    """
    return Quoter(Parameters.model_validate(parameters), symbols)
