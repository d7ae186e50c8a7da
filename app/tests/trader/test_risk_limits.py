"""The settings section: bounds, units, and the direction of each change."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from trader.risk import Direction, Limits
from trader.risk.limits import changes

UNITS = ("_bps", "_ms", "_usd", "_seconds")
COUNTS = {
    "max_open_orders",
    "max_open_orders_per_symbol",
    "max_orders_per_second",
    "max_repeated_executions",
}
LOOSENS_WHEN_LOWERED = {"repeated_execution_window_seconds", "identical_intent_window_ms"}


@pytest.mark.parametrize("name", list(Limits.model_fields))
def test_every_limit_has_a_text_a_unit_and_a_direction(name: str) -> None:
    field = Limits.model_fields[name]
    assert field.description
    assert name.endswith(UNITS) or name in COUNTS
    assert name not in COUNTS or "count" in field.description
    old = Limits()
    new = old.model_copy(update={name: getattr(old, name) + 1})
    [up], [down] = changes(old, new), changes(new, old)
    expected = Direction.TIGHTENED if name in LOOSENS_WHEN_LOWERED else Direction.LOOSENED
    assert (up.key, up.old, up.new, up.direction) == (f"risk.{name}", down.new, down.old, expected)
    assert down.direction is not expected


def test_the_same_limits_are_no_change() -> None:
    assert changes(Limits(), Limits(max_order_notional_usd=Decimal("500.00"))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_position": 1},
        {"max_daily_loss_usd": 0},
        {"max_daily_loss_usd": "NaN"},
        {"max_orders_per_second": 0},
        {"price_collar_bps": -1},
        {"max_order_notional_usd": "Infinity"},
        {"identical_intent_window_ms": -1},
    ],
    ids=str,
)
def test_wrong_limits_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(wrong)


def test_a_pointless_limit_is_named() -> None:
    with pytest.raises(ValidationError, match="max_order_notional_usd 3000 is above max_position_usd 2000"):
        Limits(max_order_notional_usd=Decimal(3_000))


def test_limits_do_not_change_by_themselves() -> None:
    with pytest.raises(ValidationError):
        Limits().max_open_orders = 1_000
