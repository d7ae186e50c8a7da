"""What our orders and positions could become: counts, notional, position, gross exposure.

An order that is out, whatever its state, may still be filled to its last unit. So a limit on positions
holds for the worst of all outcomes, and no order of fills can break it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from trader.model.intents import Place
from trader.model.orders import ZERO, Order
from trader.model.values import Instrument, Side
from trader.risk.codes import RejectCode, Rejection, above
from trader.risk.inputs import RiskInput
from trader.risk.limits import Limits
from trader.risk.valuation import holding


@dataclass(slots=True)
class Outstanding:
    """Orders of one symbol that are out; what of them is not filled yet, by side, in base units."""

    count: int = 0
    buys: Decimal = ZERO
    sells: Decimal = ZERO

    def side(self, side: Side) -> Decimal:
        return self.buys if side is Side.BUY else self.sells


NOTHING: Final = Outstanding()


def outstanding(orders: Iterable[Order]) -> dict[str, Outstanding]:
    """The sums by symbol."""
    sums: dict[str, Outstanding] = {}
    for order in orders:
        of_symbol = sums.get(order.symbol) or sums.setdefault(order.symbol, Outstanding())
        of_symbol.count += 1
        left = order.quantity - order.filled if order.filled else order.quantity
        if order.side is Side.BUY:
            of_symbol.buys += left
        else:
            of_symbol.sells += left
    return sums


def worst(position: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    """The largest position, long or short, that any part of these orders being filled can lead to."""
    return max(position + buys, sells - position)


def reached(intent: Place, position: Decimal, out: Outstanding) -> Decimal:
    """The position in the order's direction if all that is out on its side is filled, and it as well.

    At most 0 = the order can only bring the position nearer to zero, never through it.
    """
    return intent.side.sign * position + out.side(intent.side) + intent.quantity


def check_counts(sums: Mapping[str, Outstanding], symbol: str, limits: Limits) -> Rejection | None:
    """Open orders, those without an answer included."""
    in_symbol = 1 + (sums[symbol].count if symbol in sums else 0)
    if in_symbol > limits.max_open_orders_per_symbol:
        return above(
            RejectCode.OPEN_ORDERS_SYMBOL,
            "max_open_orders_per_symbol",
            f"{symbol}: open orders",
            in_symbol,
            limits.max_open_orders_per_symbol,
        )
    total = 1 + sum(one.count for one in sums.values())
    if total > limits.max_open_orders:
        return above(RejectCode.OPEN_ORDERS, "max_open_orders", "open orders", total, limits.max_open_orders)
    return None


def check_notional(
    intent: Place, instrument: Instrument, price: Decimal, view: RiskInput, limits: Limits
) -> Rejection | None:
    """One order's value.

    Args:
        price: the limit, or the touch for a market order.
    """
    unit = view.usd(instrument.quote)
    if unit is None:
        return _no_mark(instrument.quote)
    notional = intent.quantity * price * unit
    if notional > limits.max_order_notional_usd:
        return above(
            RejectCode.ORDER_NOTIONAL,
            "max_order_notional_usd",
            f"{intent.symbol}: order of USD",
            notional,
            limits.max_order_notional_usd,
        )
    return None


def check_position(
    intent: Place, instrument: Instrument, reached: Decimal, view: RiskInput, limits: Limits
) -> Rejection | None:
    """One symbol's position in the order's direction, in the worst case (`reached`)."""
    unit = view.usd(holding(instrument))
    if unit is None:
        return _no_mark(holding(instrument))
    value = reached * unit
    if value > limits.max_position_usd:
        return above(
            RejectCode.POSITION,
            "max_position_usd",
            f"{intent.symbol}: position of USD",
            value,
            limits.max_position_usd,
        )
    return None


def check_gross(
    intent: Place, sums: Mapping[str, Outstanding], view: RiskInput, limits: Limits
) -> Rejection | None:
    """The sum over all symbols, each in its own worst case. An order that adds nothing to it passes."""
    out = sums.get(intent.symbol, NOTHING)
    position = view.positions.get(intent.symbol, ZERO)
    buys = out.buys + (intent.quantity if intent.side is Side.BUY else ZERO)
    sells = out.sells + (intent.quantity if intent.side is Side.SELL else ZERO)
    after = worst(position, buys, sells)
    if after <= worst(position, out.buys, out.sells):
        return None
    gross = ZERO
    for symbol in sums.keys() | view.positions.keys() | {intent.symbol}:
        out = sums.get(symbol, NOTHING)
        size = worst(view.positions.get(symbol, ZERO), out.buys, out.sells)
        size = after if symbol == intent.symbol else size
        if size == 0:
            continue
        instrument = view.instruments.get(symbol)
        unit = None if instrument is None else view.usd(holding(instrument))
        if instrument is None or unit is None:
            return _no_mark(symbol)
        gross += size * unit
    if gross > limits.max_gross_exposure_usd:
        return above(
            RejectCode.GROSS_EXPOSURE,
            "max_gross_exposure_usd",
            "gross exposure of USD",
            gross,
            limits.max_gross_exposure_usd,
        )
    return None


def _no_mark(what: str) -> Rejection:
    return Rejection(RejectCode.NO_MARK, f"{what}: its value in USD is not known")
