"""The settings section `risk`: every limit, its default for small size, and which way it loosens."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Direction(StrEnum):
    LOOSENED = "loosened"
    TIGHTENED = "tightened"


@dataclass(frozen=True, slots=True)
class Change:
    """One limit that a reload changed; `key` as in the settings, with its section."""

    key: str
    old: Decimal | int
    new: Decimal | int
    direction: Direction


def _ceiling(default: object, description: str, **bounds: Any) -> Any:
    """A limit that loosens when it is raised."""
    extra: dict[str, Any] = {"loosens_when": "raised"}
    return Field(default=default, description=description, gt=0, json_schema_extra=extra, **bounds)


def _window(default: int, description: str, **bounds: Any) -> Any:
    """A time over which something is counted: it loosens when it is lowered."""
    extra: dict[str, Any] = {"loosens_when": "lowered"}
    return Field(default=default, description=description, ge=0, json_schema_extra=extra, **bounds)


class Limits(BaseModel):
    """Limits of one host. Amounts in USD are valued at the mid price (see `valuation`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    price_collar_bps: Decimal = _ceiling(
        Decimal(100),
        "How far beyond the mid price an order may reach, in 1/100 %; for a market order, how far the touch"
        " may be from it.",
        le=5_000,
    )
    passive_collar_bps: Decimal = _ceiling(
        Decimal(1_000),
        "How far on the passive side of the mid price a limit order may rest, in 1/100 %; farther is a typing"
        " mistake.",
        le=9_999,
    )
    max_quote_age_ms: int = _ceiling(
        5_000,
        "Age of the symbol's last quote, in milliseconds, up to which an order may rely on it.",
        le=60_000,
    )
    max_order_notional_usd: Decimal = _ceiling(Decimal(500), "Value of one order, in USD.")
    max_position_usd: Decimal = _ceiling(
        Decimal(2_000),
        "Value of one symbol's position, in USD, long or short, if every order that is out were filled.",
    )
    max_gross_exposure_usd: Decimal = _ceiling(
        Decimal(5_000),
        "Sum over all symbols of the position's value, in USD, if every order that is out were filled the"
        " worse way.",
    )
    max_open_orders_per_symbol: int = _ceiling(
        25, "Orders of one symbol that are open or have no answer yet, as a count."
    )
    max_open_orders: int = _ceiling(
        100, "Orders of all symbols that are open or have no answer yet, as a count."
    )
    max_orders_per_second: int = _ceiling(10, "New orders within any one second, as a count.", le=1_000)
    max_repeated_executions: int = _ceiling(
        60,
        "New orders of one symbol, side, price and quantity within repeated_execution_window_seconds, as a"
        " count.",
    )
    repeated_execution_window_seconds: int = _window(
        60, "Time, in seconds, over which max_repeated_executions counts.", le=86_400
    )
    identical_intent_window_ms: int = _window(
        100, "Time, in milliseconds, in which the same intent of a strategy may not come again.", le=60_000
    )
    max_daily_loss_usd: Decimal = _ceiling(
        Decimal(200),
        "Loss since midnight UTC, in USD, realised and unrealised with fees, at which trading ends for the"
        " day; warnings come at 50 % and 80 % of it.",
    )

    @model_validator(mode="after")
    def _nested(self) -> "Limits":
        """A limit that another one makes pointless is a mistake in one of them."""
        for inner, outer in (
            ("max_order_notional_usd", "max_position_usd"),
            ("max_position_usd", "max_gross_exposure_usd"),
            ("max_open_orders_per_symbol", "max_open_orders"),
        ):
            small, large = getattr(self, inner), getattr(self, outer)
            if small > large:
                raise ValueError(f"{inner} {small} is above {outer} {large}; correct one of them")
        return self


def changes(old: Limits, new: Limits) -> list[Change]:
    """What differs between two sets of limits, in the order of the fields."""
    found = []
    for name, field in Limits.model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            assert isinstance(field.json_schema_extra, dict)
            looser = (after > before) == (field.json_schema_extra["loosens_when"] == "raised")
            direction = Direction.LOOSENED if looser else Direction.TIGHTENED
            found.append(Change(f"risk.{name}", before, after, direction))
    return found
