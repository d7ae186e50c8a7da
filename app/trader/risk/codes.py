"""Why an order was not let through: one code per check."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class RejectCode(StrEnum):
    """The values are those of the metric's label."""

    HALTED = "halted"
    REDUCE_ONLY = "reduce_only"  # would open, enlarge or turn a position

    UNKNOWN_INSTRUMENT = "unknown_instrument"
    INVERSE_INSTRUMENT = "inverse_instrument"  # pays in another asset than it is priced in: not valued here
    NOT_TRADING = "not_trading"
    BAD_NUMBER = (
        "bad_number"  # a price or quantity that is missing, not finite, not positive or absurdly long
    )
    OFF_TICK = "off_tick"
    OFF_LOT = "off_lot"
    MIN_QUANTITY = "min_quantity"
    MIN_NOTIONAL = "min_notional"

    NO_QUOTE = "no_quote"
    BAD_QUOTE = "bad_quote"  # bid above ask, or not positive
    STALE_QUOTE = "stale_quote"
    PRICE_COLLAR = "price_collar"  # too aggressive
    PRICE_FAR = "price_far"  # so passive that it must be a mistake

    NO_MARK = "no_mark"  # something cannot be valued in USD
    ORDER_NOTIONAL = "order_notional"
    POSITION = "position"
    GROSS_EXPOSURE = "gross_exposure"
    OPEN_ORDERS_SYMBOL = "open_orders_symbol"
    OPEN_ORDERS = "open_orders"

    NO_PNL = "no_pnl"
    DAILY_LOSS = "daily_loss"

    ORDER_RATE = "order_rate"
    REPEATED_EXECUTION = "repeated_execution"
    SLOT_IN_FLIGHT = "slot_in_flight"
    DUPLICATE_INTENT = "duplicate_intent"
    SELF_CROSS = "self_cross"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal.

    Args:
        text: one line with the numbers, for people.
        key: name of the limit in the settings; "" when the rule is not ours to set.
    """

    code: RejectCode
    text: str
    key: str = ""


def above(code: RejectCode, key: str, what: str, value: Decimal | int, limit: Decimal | int) -> Rejection:
    """A value that is above its limit."""
    return Rejection(code, f"{what} {show(value)} is above risk.{key} {show(limit)}", f"risk.{key}")


def show(value: Decimal | int) -> str:
    """A number for people: eight digits after the point, without zeros at the end."""
    text = f"{value:.8f}"
    return text.rstrip("0").rstrip(".")
