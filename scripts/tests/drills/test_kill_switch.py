"""What the judge measures, on records of which the figures are known."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.drills.venue_record import look, part
from tests.drill_helpers import LATCH, figures, judged
from tests.venue_script import ACCOUNT, TRIP_NS, Script, at, good


def test_the_figures_of_a_good_drill() -> None:
    record = judged(good())
    assert record["reasons"] == []
    assert record["verdict"] == "pass"
    assert figures(record) == {
        "activation_seconds": 0.04,
        "cancel_all_seconds": 0.3,
        "orders_at_trip": 4,
        "orders_left": 0,
        "orders_after_trip": 0,
        "watched_seconds": 5.75,
        "clock_difference_seconds": 0.002,
        "latch_tripped": 1.0,
        "detection_seconds": 0.05,
        "symbols_at_trip": 1,
        "foreign_orders_at_trip": 1,
        "orders_on_the_wire": 0,
        "refusals": 0,
        "cancels_sent": 2,
        "cancels_ignored": 0,
    }


def test_the_steps_are_a_line_without_gaps() -> None:
    steps = judged(good())["steps"]
    assert [step["name"] for step in steps] == [
        "steady state",
        "until the trip",
        "until the first cancel",
        "until the last cancel",
        "watch",
    ]
    assert all(one["ended_at"] == two["started_at"] for one, two in pairwise(steps))
    assert {step["result"] for step in steps} == {"pass"}


def test_an_order_that_had_left_before_the_trip_is_on_the_wire_and_must_be_cancelled_too() -> None:
    script = good()
    script.place(f"{ACCOUNT}-1-9", 30, signed_ms=-3)
    script.place(f"{ACCOUNT}-1-10", -20, held_ms=400)
    assert look(script.entries, ACCOUNT, TRIP_NS).late == ()
    record = judged(script, venue_open=2)
    assert figures(record)["orders_on_the_wire"] == 2
    assert figures(record)["orders_left"] == 2
    assert record["verdict"] == "fail"
    script.cancel(f"{ACCOUNT}-1-9", 500)
    script.cancel(f"{ACCOUNT}-1-10", 600)
    record = judged(script)
    assert figures(record)["cancel_all_seconds"] == 0.602
    assert record["verdict"] == "pass"


@pytest.mark.parametrize(("signed_ms", "arrived_ms"), [(5, 30), (-3, 1200)])
def test_an_order_signed_or_arriving_later_was_not_on_the_wire(signed_ms: float, arrived_ms: float) -> None:
    script = good()
    script.place(f"{ACCOUNT}-1-9", arrived_ms, signed_ms=signed_ms)
    script.cancel(f"{ACCOUNT}-1-9", arrived_ms + 100)
    record = judged(script)
    assert figures(record)["orders_after_trip"] == 1
    assert record["verdict"] == "fail"
    assert "orders_after_trip: 1 orders, must be <= 0 (trader-01-1-9 on BTCUSDT)" in record["reasons"]


def test_a_cancel_of_the_strategy_does_not_count_as_the_first_of_the_kill_switch() -> None:
    script = Script()
    script.place("a", -1000)
    script.place("b", -900)
    script.place("c", -800)
    script.cancel("a", 5, signed_ms=-2)
    script.cancel("c", -1, signed_ms=3)  # by a clock that is a little ahead
    script.cancel("b", 800)
    assert figures(judged(script))["activation_seconds"] == 0.8


def test_a_fill_ends_an_order_too_and_a_late_one_is_waited_for() -> None:
    script = good()
    script.place("resting", -100)
    script.final("resting", 900, "FILLED")
    record = judged(script)
    assert figures(record)["cancel_all_seconds"] == 0.9
    assert record["verdict"] == "pass"


def test_what_a_cancel_that_nobody_was_told_of_took_is_counted_from_the_venue_s_deed() -> None:
    script = good()
    script.entries[-1] |= {"outcome": "hang", "http_status": None, "code": None}
    assert figures(judged(script))["cancel_all_seconds"] == 0.25


def test_conditional_orders_are_orders() -> None:
    script = good()
    script.algo("stop-1", -3000, "NEW")
    record = judged(script, venue_open=1)
    assert figures(record)["orders_left"] == 1
    assert "stop-1 on BTCUSDT" in record["reasons"][0]
    script.algo("stop-1", 700, "CANCELED")
    record = judged(script)
    assert figures(record)["cancel_all_seconds"] == 0.7
    assert figures(record)["orders_at_trip"] == 5


def test_a_storm_needs_refusals() -> None:
    script = good()
    assert "refusals: 0 requests, must be >= 5" in judged(script, "kill_switch.storm")["reasons"]
    for number in range(5):
        script.refused(10 + number)
    assert judged(script, "kill_switch.storm")["verdict"] == "pass"


def test_many_orders_are_as_many_as_the_drill_says() -> None:
    script = Script()
    for number in range(200):
        script.place(f"x-{number}", -3000 + number, symbol=f"S{number % 10}")
    for symbol in range(10):
        script.cancel_all(100 + symbol, symbol=f"S{symbol}")
    record = judged(script, "kill_switch.many_orders")
    assert record["verdict"] == "pass"
    assert figures(record)["symbols_at_trip"] == 10
    few = judged(good(), "kill_switch.many_orders")
    assert few["verdict"] == "inconclusive"
    assert "orders_at_trip: 4 orders, must be >= 200" in few["reasons"]


def test_a_timer_of_the_venue_cancels_without_a_request() -> None:
    script = Script()
    script.place("a", -1000)
    script.final("a", 30_500, "CANCELED")
    record = judged(script, "kill_switch.dead_man", until_ns=at(40_000), latch=None, act_ns=TRIP_NS)
    assert record["verdict"] == "pass"
    assert figures(record)["activation_seconds"] == 30.5
    assert figures(record)["cancel_all_seconds"] == 30.5


def test_re_arming_is_judged_by_what_is_placed_afterwards() -> None:
    script = good()
    changes: dict[str, Any] = {
        "latch": {"state": "armed"},
        "latch_before": LATCH,
        "rearm_ns": at(1000),
        "rearm_refused": True,
    }
    assert judged(script, "kill_switch.off", **changes)["verdict"] == "fail"  # armed, and nothing was placed
    script.place(f"{ACCOUNT}-1-20", 1500)
    record = judged(script, "kill_switch.off", **changes | {"venue_open": 3})  # it trades meanwhile
    assert record["verdict"] == "pass"
    assert "orders_left" not in figures(record)


def test_other_accounts_do_not_matter() -> None:
    script = good()
    other = Script("trader-02")
    other.place("trader-02-1-1", 500)
    other.entries[0]["seq"] = len(script.entries) + 1
    script.entries += other.entries
    assert judged(script)["verdict"] == "pass"


def test_the_part_that_is_kept_tells_the_same() -> None:
    script = Script()
    script.place("old and open", -900_000)
    script.place("old and gone", -900_000)
    script.cancel("old and gone", -800_000)
    script.place("new", -1000)
    script.cancel_all(50)
    kept = part(script.entries, ACCOUNT, at(-6000))
    names = {entry.get("client_order_id") for entry in kept} - {None}
    assert names == {"old and open", "new"}
    assert look(kept, ACCOUNT, TRIP_NS) == look(script.entries, ACCOUNT, TRIP_NS)


moments = st.integers(-5000, 5000)


@given(
    st.lists(st.tuples(moments, moments, st.none() | moments, st.booleans()), max_size=8),
    st.lists(moments, max_size=3),
)
def test_a_pass_always_means_flat_and_silent(
    orders: list[tuple[int, int, int | None, bool]], sweeps: list[int]
) -> None:
    """A pass has open orders at the trip, none at the end, and none that was signed after the trip."""
    script = Script()
    for number, (arrived, signed, cancelled, ignored) in enumerate(orders):
        script.place(f"o-{number}", arrived, signed_ms=signed)
        if cancelled is not None:
            script.cancel(f"o-{number}", max(arrived, cancelled) + 1, ignored=ignored)
    for ms in sweeps:
        script.refused(ms)
    script.entries.sort(key=lambda entry: entry["wall_ns"])
    record = judged(script, venue_open=None)
    open_at_end = [one for one in orders if one[2] is None or one[3]]
    signed_late = [one for one in orders if one[0] > 0 and one[1] > 0]
    before = [one for one in orders if one[0] <= 0]
    if open_at_end:
        assert record["verdict"] == "fail"
    if signed_late or not before:
        assert record["verdict"] != "pass"
