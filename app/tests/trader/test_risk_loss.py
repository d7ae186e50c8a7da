"""Each level is told once; what swings around a level tells nothing."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trader.risk import DailyLoss, LossLevel
from trader.risk.loss import SHARES

DAY = date(2026, 3, 1)
LIMIT = Decimal(100)


def levels(*pnl: int | None) -> list[LossLevel | None]:
    loss = DailyLoss()
    return [loss.update(DAY, None if value is None else Decimal(value), LIMIT) for value in pnl]


@pytest.mark.parametrize(
    ("pnl", "expected"),
    [
        ((10, 0, -49, -50, -51), [None, None, None, LossLevel.WARN_50, None]),
        (
            (-50, -79, -80, -99, -100, -200),
            [LossLevel.WARN_50, None, LossLevel.WARN_80, None, LossLevel.TRIP, None],
        ),
        ((-250,), [LossLevel.TRIP]),
        ((-85, -50), [LossLevel.WARN_80, None]),
        # Around a level: once. Only a real recovery, by a tenth of the limit, lets it be told again.
        ((-50, -45, -50, -41, -50), [LossLevel.WARN_50, None, None, None, None]),
        ((-50, -39, -50), [LossLevel.WARN_50, None, LossLevel.WARN_50]),
        ((-80, -71, -80, -69, -80), [LossLevel.WARN_80, None, None, None, LossLevel.WARN_80]),
        ((-80, -69, -60), [LossLevel.WARN_80, None, None]),
        ((-80, -10, -60), [LossLevel.WARN_80, None, LossLevel.WARN_50]),
        ((-50, None, -50), [LossLevel.WARN_50, None, None]),
        ((None,), [None]),
        # Back in profit, and still ended for the day.
        ((-100, 500, -100), [LossLevel.TRIP, None, None]),
    ],
)
def test_levels(pnl: tuple[int | None, ...], expected: list[LossLevel | None]) -> None:
    assert levels(*pnl) == expected


def test_a_new_day_begins_anew() -> None:
    loss = DailyLoss()
    assert loss.update(DAY, Decimal(-100), LIMIT) is LossLevel.TRIP
    assert loss.tripped
    assert loss.update(DAY + timedelta(days=1), None, LIMIT) is None
    assert not loss.tripped
    assert loss.update(DAY + timedelta(days=1), Decimal(-100), LIMIT) is LossLevel.TRIP


def test_a_tighter_limit_trips_at_once() -> None:
    loss = DailyLoss()
    assert loss.update(DAY, Decimal(-60), LIMIT) is LossLevel.WARN_50
    assert loss.update(DAY, Decimal(-60), Decimal(60)) is LossLevel.TRIP


@given(st.lists(st.integers(min_value=-130, max_value=50), max_size=60))
def test_between_two_tellings_of_a_level_lies_a_recovery(pnl: list[int]) -> None:
    loss = DailyLoss()
    last_told: dict[LossLevel, int] = {}
    for index, value in enumerate(pnl):
        level = loss.update(DAY, Decimal(value), LIMIT)
        if level is None:
            continue
        assert -value >= SHARES[level] * LIMIT
        if level in last_told:
            assert level is not LossLevel.TRIP
            between = pnl[last_told[level] + 1 : index]
            assert any(-one < (SHARES[level] - Decimal("0.1")) * LIMIT for one in between)
        last_told[level] = index
    assert loss.tripped == any(-value >= LIMIT for value in pnl)
