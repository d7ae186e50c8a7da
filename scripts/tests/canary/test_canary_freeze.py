from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ops.canary.freeze import frozen, read_windows

ZURICH = ZoneInfo("Europe/Zurich")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def name(window: dict[str, Any], moment: float, lead: float = 0.0) -> str | None:
    return frozen(read_windows({"windows": [{"name": "w"} | window]}), moment, lead)


@pytest.mark.parametrize(
    ("moment", "covered"),
    [
        ("2026-11-27T23:54:59", False),
        ("2026-11-27T23:55:00", True),
        ("2026-11-28T00:04:59", True),
        ("2026-11-28T00:05:00", False),
    ],
)
def test_a_window_over_midnight(moment: str, covered: bool) -> None:
    assert (name({"from": "23:55", "until": "00:05"}, at(moment)) == "w") is covered


def test_a_window_of_a_day_that_began_yesterday() -> None:
    night = {"from": "22:00", "until": "06:00", "days": ["fri"]}
    assert name(night, at("2026-11-27T23:00:00"))  # a Friday
    assert name(night, at("2026-11-28T05:00:00"))
    assert not name(night, at("2026-11-28T23:00:00"))
    assert not name(night, at("2026-11-27T05:00:00"))


def test_a_whole_day_and_one_date() -> None:
    assert name({"days": ["sat", "sun"]}, at("2026-11-28T12:00:00"))
    assert not name({"days": ["sat", "sun"]}, at("2026-11-27T23:59:59"))
    assert name({"dates": ["2026-12-25"]}, at("2026-12-25T00:00:00"))
    assert not name({"dates": ["2026-12-25"]}, at("2026-12-26T00:00:00"))


def test_local_time_follows_the_clocks_of_its_place() -> None:
    window = {"from": "08:00", "until": "09:00", "time_zone": "Europe/Zurich"}
    assert name(window, at("2026-07-01T06:30:00"))
    assert not name(window, at("2026-07-01T07:30:00"))
    assert name(window, at("2026-12-01T07:30:00"))
    # 2026-10-25 02:30 is there twice; both are within.
    over = {"from": "02:00", "until": "03:30", "time_zone": "Europe/Zurich"}
    assert name(over, at("2026-10-25T00:30:00"))
    assert name(over, at("2026-10-25T01:30:00"))


def test_a_window_holds_before_it_begins_as_long_as_a_batch_takes() -> None:
    window = {"from": "08:00", "until": "09:00"}
    assert not name(window, at("2026-11-28T07:54:00"), lead=5)
    assert name(window, at("2026-11-28T07:56:00"), lead=5)


def test_the_first_that_holds_is_named_and_none_is_none() -> None:
    windows = read_windows(
        {"windows": [{"name": "a", "dates": ["2020-01-01"]}, {"name": "b"}, {"name": "c"}]}
    )
    assert frozen(windows, at("2026-11-28T12:00:00"), 0) == "b"
    assert frozen((), at("2026-11-28T12:00:00"), 0) is None
