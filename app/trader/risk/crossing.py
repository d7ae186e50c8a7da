"""Never trade with ourselves."""

from collections.abc import Collection
from decimal import Decimal

from trader.model.intents import Place
from trader.model.orders import Order
from trader.risk.codes import RejectCode, Rejection


def check_self_cross(intent: Place, price: Decimal, orders: Collection[Order]) -> Rejection | None:
    """No order of ours on the other side may be at this price or better.

    One that is being cancelled, or whose outcome is unknown, may be at the venue and counts.

    Args:
        price: the limit; for a market order the touch, behind which the venue's other orders stand first.
    """
    symbol, side, sign = intent.symbol, intent.side, intent.side.sign
    for order in orders:
        if order.side is side or order.symbol != symbol or order.price is None:
            continue  # a market order, which has no price, never rests
        if sign * (price - order.price) >= 0:
            own = f"our own {order.client_id} at {order.price}"
            text = f"{intent.symbol}: {intent.side} at {price} would meet {own}"
            return Rejection(RejectCode.SELF_CROSS, text)
    return None
