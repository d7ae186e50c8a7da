"""Is the price near the market: only a fresh quote can tell."""

from decimal import Decimal
from typing import Final

from trader.model.intents import Place
from trader.model.values import Quote, Side
from trader.risk.codes import RejectCode, Rejection, above
from trader.risk.limits import Limits

BASIS_POINTS: Final = Decimal(10_000)


def check_quote(symbol: str, quote: Quote | None, limits: Limits, now_ns: int) -> Rejection | None:
    """There is a quote, it makes sense, it is fresh."""
    if quote is None:
        return Rejection(RejectCode.NO_QUOTE, f"{symbol}: no quote yet")
    if not 0 < quote.bid <= quote.ask:
        return Rejection(RejectCode.BAD_QUOTE, f"{symbol}: bid {quote.bid}, ask {quote.ask}")
    age_ms = (now_ns - quote.received_ns) // 1_000_000
    if age_ms > limits.max_quote_age_ms:
        return above(
            RejectCode.STALE_QUOTE,
            "max_quote_age_ms",
            f"{symbol}: age of the quote in ms",
            age_ms,
            limits.max_quote_age_ms,
        )
    return None


def effective_price(intent: Place, quote: Quote) -> Decimal:
    """The limit; for a market order, the price it will find: the touch."""
    if intent.price is not None:
        return intent.price
    return quote.ask if intent.side is Side.BUY else quote.bid


def check_collar(intent: Place, price: Decimal, quote: Quote, limits: Limits) -> Rejection | None:
    """Not too aggressive, and not absurdly passive, measured from the mid price.

    From the mid, not from the touch: in a book that is all but empty the touch itself is a bad price, and a
    market order must not take it.
    """
    mid = quote.mid
    beyond_bps = intent.side.sign * (price - mid) * BASIS_POINTS
    if beyond_bps > limits.price_collar_bps * mid:
        return above(
            RejectCode.PRICE_COLLAR,
            "price_collar_bps",
            f"{intent.symbol}: {intent.side} at {price}, beyond the mid {mid} by bps",
            beyond_bps / mid,
            limits.price_collar_bps,
        )
    if -beyond_bps > limits.passive_collar_bps * mid:
        return above(
            RejectCode.PRICE_FAR,
            "passive_collar_bps",
            f"{intent.symbol}: {intent.side} at {price}, short of the mid {mid} by bps",
            -beyond_bps / mid,
            limits.passive_collar_bps,
        )
    return None
