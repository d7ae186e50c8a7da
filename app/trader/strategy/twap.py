"""TWAP: buys or sells one quantity in equal slices over a time, and never more than that quantity.

The slice number k is due k intervals after trading began. What is then missing to k slices goes out as one
order: the slice itself and, up to a bound, what earlier slices left (refused, unfilled, or not sent while
trading was halted). At the end what rests is cancelled and nothing more is sent, filled or not.

How it never sends too much: what has been executed is `position - start_position`, the sum of our fills. To
that comes whatever is still out, and the whole of every order of ours that ended, or was never seen, within
SETTLE_SECONDS: its fills may be on their way. Some are counted twice by that, and the slice waits a little.

After a restart the position, which is rebuilt from the journal and compared with the venue before trading
begins, says how much was executed, and orders that are still out are seen as well. The time that had passed
is not known: the schedule goes on with the first slice that is not whole yet, at the same pace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from trader.model.intents import Cancel, Intent, Place
from trader.model.orders import ZERO, Order
from trader.model.transitions import OrderState
from trader.model.values import Fill, Instrument, OrderKind, Quote, Side
from trader.strategy.base import StrategyError, View

BASIS_POINTS = Decimal(10_000)
REPLACEABLE = (OrderState.OPEN, OrderState.PARTIALLY_FILLED)
# The trades of an order come with its end, on one connection. Should that connection be dead, trading is
# halted within 5 s, and goes on only after the venue was asked for every trade.
SETTLE_SECONDS = 6
SHORTEST_INTERVAL_SECONDS = 10  # so that a slice that waits for that is still sent in its own time


class Parameters(BaseModel):
    """Settings under strategy.parameters.

    Args:
        quantity: the whole, in base units.
        duration_seconds: of the whole.
        limit_bps: how far beyond the mid price an order may reach, in 1/100 %; negative = rests on the
            passive side; absent = market orders.
        catch_up_slices: one order carries at most this many slices in addition to its own.
        start_position: position of the symbol before the first slice was sent, in base units. It stays as
            it is when the service starts again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: str
    side: Side
    quantity: Decimal = Field(gt=0)
    duration_seconds: int = Field(ge=1, le=7 * 86_400)
    slices: int = Field(ge=1, le=10_000)
    limit_bps: Decimal | None = Field(default=None, ge=-1_000, le=1_000)
    catch_up_slices: int = Field(default=1, ge=0, le=100)
    start_position: Decimal = ZERO

    @field_validator("symbol")
    @classmethod
    def _traded(cls, value: str, info: ValidationInfo) -> str:
        symbols = (info.context or {}).get("symbols", [value])
        if value not in symbols:
            raise ValueError(f"{value!r} is not traded; symbols: {', '.join(symbols)}")
        return value

    @model_validator(mode="after")
    def _slow(self) -> "Parameters":
        if self.duration_seconds < SHORTEST_INTERVAL_SECONDS * self.slices:
            raise ValueError(
                f"slices: {self.slices} in {self.duration_seconds} s are too many; one takes at least"
                f" {SHORTEST_INTERVAL_SECONDS} s"
            )
        return self


@dataclass(slots=True)
class Sent:
    """One order of this process, and when it was sent or last seen alive (monotonic)."""

    quantity: Decimal
    seen_ns: int


class Twap:
    """See the module's text; the methods are those of `Strategy`.

    Attributes:
        ended: nothing more will be sent.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._interval_ns = parameters.duration_seconds * 1_000_000_000 // parameters.slices
        self._began_ns: int | None = None
        self._first = 0  # slices that were whole when this process began
        self._last_sent = 0
        self._sent: dict[str, Sent] = {}  # by slot; what is settled is forgotten
        self.ended = False

    @property
    def interval_seconds(self) -> float:
        return min(1.0, self._interval_ns / 5e9)

    def on_book(self, view: View, quote: Quote) -> list[Intent]:
        return []

    def on_fill(self, view: View, fill: Fill) -> list[Intent]:
        return []

    def on_timer(self, view: View, now_ns: int) -> list[Intent]:
        orders = view.orders(self._parameters.symbol)
        self._settle(orders, now_ns)
        executed = self._executed(view)
        if self._began_ns is None:
            self._begin(view, executed, now_ns)
        due = self._due(now_ns)
        self.ended = self.ended or due is None or executed >= self._parameters.quantity
        current = None if self.ended else self._slot(due or 0)
        # Those of an earlier process have another slot or none, and go as well.
        cancels: list[Intent] = [
            Cancel(order.client_id)
            for order in orders
            if order.state in REPLACEABLE and order.slot != current
        ]
        if self.ended or due is None or due <= self._last_sent:
            return cancels
        return [*cancels, *self._slice(view, orders, executed, due, now_ns)]

    @property
    def _side(self) -> Side:
        return self._parameters.side

    def _slot(self, number: int) -> str:
        return f"{self._parameters.symbol} twap {number}"

    def _executed(self, view: View) -> Decimal:
        position, start = view.position(self._parameters.symbol), self._parameters.start_position
        executed = self._side.sign * (position - start)
        if executed < 0:
            raise StrategyError(
                f"strategy.parameters.start_position: {start}, but the position is {position}, which a"
                f" {self._side} cannot have led to; correct it"
            )
        return executed

    def _begin(self, view: View, executed: Decimal, now_ns: int) -> None:
        instrument = view.instrument(self._parameters.symbol)
        quantity = self._parameters.quantity
        if instrument.quantity(quantity) != quantity:
            raise StrategyError(
                f"strategy.parameters.quantity: {quantity} is no multiple of {instrument.symbol}'s lot,"
                f" {instrument.step_size}; correct it"
            )
        self._began_ns = now_ns
        self._first = int(executed * self._parameters.slices / quantity)
        if executed >= self._target(instrument, self._first + 1):  # a slice is whole when its lots are
            self._first += 1

    def _due(self, now_ns: int) -> int | None:
        """The number of the present slice, from 1; None = all had their time."""
        assert self._began_ns is not None
        number = self._first + 1 + (now_ns - self._began_ns) // self._interval_ns
        return number if number <= self._parameters.slices else None

    def _slice(
        self, view: View, orders: Sequence[Order], executed: Decimal, due: int, now_ns: int
    ) -> list[Intent]:
        quote = view.quote(self._parameters.symbol)
        if quote is None:
            return []
        instrument = view.instrument(self._parameters.symbol)
        price = self._price(instrument, quote)
        at = quote.bid if price is None else price
        if not self._last_sent:
            self._check_size(instrument, at)
        out = [_left(order) for order in orders if order.side is self._side]
        ended = [sent.quantity for slot, sent in self._sent.items() if slot not in {o.slot for o in orders}]
        taken = executed + sum(out, ZERO) + sum(ended, ZERO)
        missing = self._target(instrument, due) - taken
        quantity = min(instrument.quantity(missing), self._most(instrument))
        if not _is_taken(instrument, quantity, at):
            return []  # it joins the next slice
        self._last_sent = due
        self._sent[self._slot(due)] = Sent(quantity, now_ns)
        kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
        return [Place(self._parameters.symbol, self._side, kind, quantity, price, now_ns, self._slot(due))]

    def _target(self, instrument: Instrument, due: int) -> Decimal:
        """What should have been sent with this slice; the last one makes it whole."""
        return instrument.quantity(self._parameters.quantity * due / self._parameters.slices)

    def _most(self, instrument: Instrument) -> Decimal:
        """The largest order, with one lot more: slices are not all of the same number of lots."""
        slices = 1 + self._parameters.catch_up_slices
        return self._target(instrument, slices) + instrument.step_size

    def _settle(self, orders: Sequence[Order], now_ns: int) -> None:
        """Forget the orders that ended so long ago that the position shows all their fills."""
        live = {order.slot for order in orders}
        for slot, sent in list(self._sent.items()):
            if slot in live:
                sent.seen_ns = now_ns
            elif now_ns - sent.seen_ns > SETTLE_SECONDS * 1_000_000_000:
                del self._sent[slot]

    def _price(self, instrument: Instrument, quote: Quote) -> Decimal | None:
        if self._parameters.limit_bps is None:
            return None
        away = self._side.sign * self._parameters.limit_bps / BASIS_POINTS
        return instrument.passive_price(quote.mid * (1 + away), self._side)

    def _check_size(self, instrument: Instrument, price: Decimal) -> None:
        slices, symbol = self._parameters.slices, instrument.symbol
        size = instrument.quantity(self._parameters.quantity / slices)
        if not _is_taken(instrument, size, price):
            raise StrategyError(
                f"strategy.parameters.slices: one of {slices} is {size} {instrument.base}, less than {symbol}"
                f" takes (at least {instrument.min_notional} {instrument.quote}); lower it"
            )


def _left(order: Order) -> Decimal:
    return order.quantity - order.filled


def _is_taken(instrument: Instrument, quantity: Decimal, price: Decimal) -> bool:
    """Whether the venue takes an order of this size."""
    notional = quantity * price
    return quantity > 0 and quantity >= instrument.min_quantity and notional >= instrument.min_notional


def make(parameters: dict[str, Any], symbols: list[str]) -> Twap:
    """The entry point.

    Raises:
        pydantic.ValidationError: the parameters are wrong.
    """
    return Twap(Parameters.model_validate(parameters, context={"symbols": symbols}))
