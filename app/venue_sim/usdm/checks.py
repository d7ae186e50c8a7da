"""A contract's filters, as its exchangeInfo lists them."""

from __future__ import annotations

from decimal import Decimal

from venue_sim.model import BUY, Rules
from venue_sim.usdm import errors

MULTIPLIER_UP = Decimal("1.05")
MULTIPLIER_DOWN = Decimal("0.95")


def decimals(step: Decimal) -> int:
    """Decimals of a tick or a step."""
    exponent = step.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def check_price(rules: Rules, price: Decimal) -> None:
    """PRICE_FILTER.

    Raises:
        VenueError: -1111, -4001, -4002 or -4014.
    """
    if not price:
        raise errors.price_not_positive()
    if price > rules.max_price:
        raise errors.price_too_high()
    if decimals(price) > decimals(rules.tick_size):
        raise errors.too_precise()
    if price % rules.tick_size:
        raise errors.price_off_tick()


def check_percent_price(side: str, price: Decimal, mark: Decimal) -> None:
    """PERCENT_PRICE: a limit order may not be much worse for its owner than the mark price.

    Raises:
        VenueError: -4016 or -4024.
    """
    limit = mark * (MULTIPLIER_UP if side == BUY else MULTIPLIER_DOWN)
    if side == BUY and price > limit:
        raise errors.price_above_limit(limit)
    if side != BUY and price < limit:
        raise errors.price_below_limit(limit)


def check_quantity(rules: Rules, quantity: Decimal) -> None:
    """LOT_SIZE and MARKET_LOT_SIZE, which are the same here.

    Raises:
        VenueError: -1111, -4003, -4005 or -4023.
    """
    if not quantity:
        raise errors.quantity_not_positive()
    if quantity > rules.max_quantity:
        raise errors.quantity_too_high()
    if decimals(quantity) > decimals(rules.step_size):
        raise errors.too_precise()
    if quantity % rules.step_size:
        raise errors.quantity_off_step()


def check_notional(rules: Rules, quantity: Decimal, price: Decimal) -> None:
    """MIN_NOTIONAL; a market order counts at the mark price.

    Raises:
        VenueError: -4164.
    """
    if quantity * price < rules.min_notional:
        raise errors.notional_too_low(rules.min_notional)
