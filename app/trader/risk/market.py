"""Does the venue take such an order at all: the instrument, the numbers, the venue's own steps and minima."""

from decimal import Context, Decimal
from typing import Final

from trader.model.intents import Place
from trader.model.values import Instrument, OrderKind
from trader.risk.codes import RejectCode, Rejection, show
from trader.risk.valuation import is_linear

DIGITS: Final = 18  # before and after the point; more than any market has, so that products stay exact
_EXACT: Final = Context(prec=3 * DIGITS)


def check_instrument(symbol: str, instrument: Instrument | None) -> Rejection | None:
    """Known, trading now, and of a kind that can be valued."""
    if instrument is None:
        return Rejection(RejectCode.UNKNOWN_INSTRUMENT, f"{symbol}: not an instrument of this host")
    if not is_linear(instrument):
        text = f"{symbol}: priced in {instrument.quote}, but it pays in {instrument.settle}; not valued here"
        return Rejection(RejectCode.INVERSE_INSTRUMENT, text)
    if not instrument.trading:
        return Rejection(RejectCode.NOT_TRADING, f"{symbol}: the venue takes no orders for it now")
    return None


def check_numbers(intent: Place) -> Rejection | None:
    """A limit order has a price, a market order has none; numbers are positive and of sane length."""
    if not _sane(intent.quantity):
        return Rejection(RejectCode.BAD_NUMBER, f"{intent.symbol}: quantity {intent.quantity}")
    if (intent.kind is OrderKind.LIMIT) != (intent.price is not None):
        text = f"{intent.symbol}: {intent.kind} order with price {intent.price}"
        return Rejection(RejectCode.BAD_NUMBER, text)
    if intent.price is not None and not _sane(intent.price):
        return Rejection(RejectCode.BAD_NUMBER, f"{intent.symbol}: price {intent.price}")
    return None


def check_steps(intent: Place, instrument: Instrument) -> Rejection | None:
    """The venue's tick, lot and smallest quantity."""
    symbol, quantity, price = intent.symbol, intent.quantity, intent.price
    if price is not None and _EXACT.remainder(price, instrument.tick_size) != 0:
        text = f"{symbol}: price {price} is not on the tick of {show(instrument.tick_size)}"
        return Rejection(RejectCode.OFF_TICK, text)
    if _EXACT.remainder(quantity, instrument.step_size) != 0:
        text = f"{symbol}: quantity {quantity} is not on the lot of {show(instrument.step_size)}"
        return Rejection(RejectCode.OFF_LOT, text)
    if quantity < instrument.min_quantity:
        text = f"{symbol}: quantity {quantity} is below the venue's {show(instrument.min_quantity)}"
        return Rejection(RejectCode.MIN_QUANTITY, text)
    return None


def check_min_notional(intent: Place, instrument: Instrument, price: Decimal) -> Rejection | None:
    """The venue's smallest order by value, in units of quote.

    Args:
        price: the limit, or the touch for a market order.
    """
    notional = intent.quantity * price
    if notional < instrument.min_notional:
        text = (
            f"{intent.symbol}: order of {show(notional)} {instrument.quote} is below the venue's"
            f" {show(instrument.min_notional)}"
        )
        return Rejection(RejectCode.MIN_NOTIONAL, text)
    return None


def _sane(number: Decimal) -> bool:
    if not number.is_finite() or number <= 0 or number.adjusted() >= DIGITS:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DIGITS
