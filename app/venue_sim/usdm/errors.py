"""The refusals that USDM has of its own. Those that it shares with spot are in venue_sim.errors."""

from __future__ import annotations

from decimal import Decimal

from venue_sim.errors import VenueError


def no_such_listen_key() -> VenueError:
    """-1125: no valid listenKey."""
    return VenueError(-1125, "This listenKey does not exist.")


def too_precise() -> VenueError:
    """-1111: more decimals than the contract's price or quantity has."""
    return VenueError(-1111, "Precision is over the maximum defined for this asset.")


def margin_insufficient() -> VenueError:
    """-2019: the order needs more margin than is left."""
    return VenueError(-2019, "Margin is insufficient.")


def would_trigger() -> VenueError:
    """-2021: a conditional order whose condition is met already."""
    return VenueError(-2021, "Order would immediately trigger.")


def reduce_only_rejected() -> VenueError:
    """-2022: a reduce-only order that would open, add to or turn the position."""
    return VenueError(-2022, "ReduceOnly Order is rejected.")


def too_many_open_orders() -> VenueError:
    """-2025: the limit of open orders."""
    return VenueError(-2025, "Reach max open order limit.")


def price_not_positive() -> VenueError:
    """-4001: a price of zero."""
    return VenueError(-4001, "Price less than or equal to zero.")


def price_too_high() -> VenueError:
    """-4002: above PRICE_FILTER's maxPrice."""
    return VenueError(-4002, "Price greater than max price.")


def quantity_not_positive() -> VenueError:
    """-4003: a quantity of zero."""
    return VenueError(-4003, "Quantity less than or equal to zero.")


def quantity_too_high() -> VenueError:
    """-4005: above LOT_SIZE's maxQty."""
    return VenueError(-4005, "Quantity greater than max quantity.")


def price_off_tick() -> VenueError:
    """-4014: not a multiple of tickSize."""
    return VenueError(-4014, "Price not increased by tick size.")


def price_above_limit(limit: Decimal) -> VenueError:
    """-4016: a buy above PERCENT_PRICE."""
    return VenueError(-4016, f"Limit price can't be higher than {limit}.")


def quantity_off_step() -> VenueError:
    """-4023: not a multiple of stepSize."""
    return VenueError(-4023, "Qty not increased by step size.")


def price_below_limit(limit: Decimal) -> VenueError:
    """-4024: a sell below PERCENT_PRICE."""
    return VenueError(-4024, f"Limit price can't be lower than {limit}.")


def leverage_invalid(leverage: int) -> VenueError:
    """-4028: a leverage that the contract does not allow."""
    return VenueError(-4028, f"Leverage {leverage} is not valid")


def side_unchanged() -> VenueError:
    """-4059: the position mode is that already."""
    return VenueError(-4059, "No need to change position side.")


def position_side_mismatch() -> VenueError:
    """-4061: LONG or SHORT in one-way mode."""
    return VenueError(-4061, "Order's position side does not match user's setting.")


def method_not_allowed() -> VenueError:
    """-4084: what the emulator has not."""
    return VenueError(-4084, "Method is not allowed currently. Coming soon.")


def duplicate_client_id() -> VenueError:
    """-4116: the client order id is that of another order, open or not."""
    return VenueError(-4116, "ClientOrderId is duplicated.")


def use_algo_api() -> VenueError:
    """-4120: conditional orders have an API of their own."""
    return VenueError(
        -4120,
        "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    )


def close_with_quantity() -> VenueError:
    """-4137: closePosition closes all, it takes no quantity."""
    return VenueError(-4137, "Quantity must be zero with closePosition equals true.")


def close_with_reduce_only() -> VenueError:
    """-4138: closePosition implies reduceOnly, sending both is refused."""
    return VenueError(-4138, "Reduce only must be true with closePosition equals true.")


def notional_too_low(lowest: Decimal) -> VenueError:
    """-4164: below MIN_NOTIONAL."""
    return VenueError(
        -4164,
        f"Order's notional must be no smaller than {lowest.normalize():f} (unless you choose reduce only).",
    )


def fok_rejected() -> VenueError:
    """-5021: a FOK order that cannot be filled at once; it is not recorded in the order history."""
    return VenueError(
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    )


def post_only_rejected() -> VenueError:
    """-5022: a GTX order that would take; it is not recorded in the order history."""
    return VenueError(
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    )
