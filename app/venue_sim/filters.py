"""A symbol's filters, as exchangeInfo lists them. Source: filters.md of the venue's documentation."""

from __future__ import annotations

from decimal import Decimal

from venue_sim import errors
from venue_sim.model import Rules


def check_price(rules: Rules, price: Decimal) -> None:
    """PRICE_FILTER.

    Raises:
        VenueError: -1013.
    """
    if not price:
        raise errors.VenueError(-1013, "Invalid price.")
    if price > rules.max_price or price % rules.tick_size:
        raise errors.filter_failure("PRICE_FILTER")


def check_quantity(rules: Rules, quantity: Decimal) -> None:
    """LOT_SIZE.

    Raises:
        VenueError: -1013.
    """
    if not quantity:
        raise errors.VenueError(-1013, "Invalid quantity.")
    if quantity > rules.max_quantity or quantity % rules.step_size:
        raise errors.filter_failure("LOT_SIZE")


def check_notional(rules: Rules, quantity: Decimal, price: Decimal) -> None:
    """NOTIONAL; a market order counts at the last price.

    Raises:
        VenueError: -1013.
    """
    if quantity * price < rules.min_notional:
        raise errors.filter_failure("NOTIONAL")
