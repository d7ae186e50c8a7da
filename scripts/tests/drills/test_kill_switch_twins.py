"""The sabotaged twins: what a kill switch must not do, done; each must turn the verdict of a good drill."""

from typing import Any

import pytest

from ops.evidence.catalogue import catalogue
from tests.drill_helpers import LATCH, figures, judged
from tests.venue_script import ACCOUNT, TRIP_NS, Script, at, good

DRILLS = [name for name in catalogue().entries if name.startswith("kill_switch.")]
KEPT = ["kill_switch.restart", "kill_switch.reboot", "kill_switch.redeploy", "kill_switch.old_backup"]


def test_a_cancel_that_the_venue_ignored_turns_it_red() -> None:
    script = Script()
    script.place(f"{ACCOUNT}-1-1", -1000)
    script.place(f"{ACCOUNT}-1-2", -900)
    script.cancel(f"{ACCOUNT}-1-1", 40)
    script.cancel(f"{ACCOUNT}-1-2", 50, ignored=True)
    record = judged(script, venue_open=1)
    assert record["verdict"] == "fail"
    assert record["reasons"] == [
        "orders_left: 1 orders, must be <= 0 (trader-01-1-2 on BTCUSDT); "
        "cancels answered as done that cancelled nothing: 1",
        "cancel_all_seconds: no data",
    ]


def test_one_order_left_turns_it_red() -> None:
    script = Script()
    for number in range(3):
        script.place(f"{ACCOUNT}-1-{number}", -1000)
    script.cancel_all(100, spare=f"{ACCOUNT}-1-1")
    record = judged(script, venue_open=1)
    assert record["verdict"] == "fail"
    assert figures(record)["orders_left"] == 1
    assert figures(record)["cancel_all_seconds"] is None


def test_an_order_placed_after_the_trip_turns_it_red() -> None:
    script = good()
    script.place(f"{ACCOUNT}-1-9", 2500)
    script.cancel(f"{ACCOUNT}-1-9", 2600)  # that it was cancelled again is no excuse
    record = judged(script)
    assert record["verdict"] == "fail"
    assert figures(record)["orders_after_trip"] == 1


@pytest.mark.parametrize("drill", DRILLS)
def test_no_data_is_never_a_pass(drill: str) -> None:
    for changes in ({}, {"latch_before": LATCH}, {"rearm_refused": True, "rearm_ns": TRIP_NS, "latch": None}):
        record = judged(Script(), drill, **changes)
        assert record["verdict"] in ("inconclusive", "fail")
        assert record["reasons"]


@pytest.mark.parametrize("difference", [0.15, -0.15, 3600.0, None])
def test_clocks_that_differ_turn_it_inconclusive(difference: float | None) -> None:
    record = judged(good(), clock_difference_seconds=difference)
    assert record["verdict"] == "inconclusive"
    if difference is not None:
        assert f"the clocks of host and venue differ by {difference:.3g} s" in record["reasons"]
        assert figures(record)["activation_seconds"] is None


@pytest.mark.parametrize("off_ms", [-400, 400, 5000])
def test_a_service_whose_own_clock_is_wrong_turns_it_inconclusive(off_ms: float) -> None:
    script = good()
    for entry in script.entries:
        if entry["kind"] == "request":
            signed = int(entry["params"]["timestamp"]) - off_ms
            entry["params"]["timestamp"] = str(int(signed))
    record = judged(script)
    assert record["verdict"] == "inconclusive"
    assert "after they were signed: clocks differ" in record["reasons"][0]


@pytest.mark.parametrize("changes", [{"act_ns": at(1000)}, {"until_ns": at(-1000)}])
def test_a_trip_outside_of_the_drill_turns_it_inconclusive(changes: dict[str, Any]) -> None:
    record = judged(good(), **changes)
    assert record["verdict"] == "inconclusive"
    assert "clocks differ, or something else tripped" in record["reasons"][0]


def test_clocks_that_differ_do_not_hide_an_order_that_is_left() -> None:
    script = Script()
    script.place("a", -1000)
    assert judged(script, clock_difference_seconds=9.0, venue_open=1)["verdict"] == "fail"


@pytest.mark.parametrize("latch", [None, {}, {"state": "armed"}])
def test_a_missing_latch_turns_it_red(latch: dict[str, Any] | None) -> None:
    record = judged(good(), latch=latch)
    assert record["verdict"] == "fail"
    assert record["reasons"][0].startswith("latch_tripped: no, must be yes")
    assert (" (there is no latch file)" in record["reasons"][0]) == (latch is None)


def test_nothing_that_tripped_turns_it_red() -> None:
    record = judged(good(), trip_ns=None, latch={"state": "armed"})
    assert record["verdict"] == "fail"
    assert "nothing tripped the kill switch" in record["reasons"]


@pytest.mark.parametrize("drill", KEPT)
def test_a_latch_that_fell_turns_it_red(drill: str) -> None:
    assert judged(good(), drill, latch_before=LATCH)["verdict"] == "pass"
    assert judged(good(), drill, latch_before=LATCH, latch={"state": "armed"})["verdict"] == "fail"
    assert judged(good(), drill, latch_before=LATCH, latch=None)["verdict"] == "fail"
    assert judged(good(), drill, latch_before={})["verdict"] == "inconclusive"
    script = good()
    script.place(f"{ACCOUNT}-1-9", 4000)
    assert judged(script, drill, latch_before=LATCH, venue_open=1)["verdict"] == "fail"


@pytest.mark.parametrize(
    "changes",
    [
        {"rearm_refused": False},
        {"rearm_refused": None},
        {"latch_before": {"state": "armed"}},
        {"latch": LATCH},
        {"rearm_ns": at(2000)},
        {"rearm_ns": None},
    ],
)
def test_an_early_rearm_turns_it_red(changes: dict[str, Any]) -> None:
    script = good()
    script.place(f"{ACCOUNT}-1-20", 1500)
    known = {
        "latch": {"state": "armed"},
        "latch_before": LATCH,
        "rearm_ns": at(1000),
        "rearm_refused": True,
        "venue_open": 1,
    }
    assert judged(script, "kill_switch.off", **known)["verdict"] == "pass"
    assert judged(script, "kill_switch.off", **known | changes)["verdict"] != "pass"


@pytest.mark.parametrize("cancelled_ms", [None, 45_000])
def test_a_timer_that_never_fired_turns_it_red(cancelled_ms: float | None) -> None:
    script = Script()
    script.place("a", -1000)
    if cancelled_ms is not None:
        script.final("a", cancelled_ms, "CANCELED")
    record = judged(
        script,
        "kill_switch.dead_man",
        until_ns=at(60_000),
        latch=None,
        act_ns=TRIP_NS,
        venue_open=int(cancelled_ms is None),
    )
    assert record["verdict"] == "fail"


def test_a_slow_kill_turns_it_red() -> None:
    for late in ("activation", "cancel all"):
        script = Script()
        script.place("a", -1000)
        script.place("b", -1000)
        script.cancel("a", 2001 if late == "activation" else 10)
        script.cancel("b", 2010)
        record = judged(script)
        assert record["verdict"] == "fail"
        assert "cancel_all_seconds: 2.01 s, must be < 2 s" in record["reasons"]


def test_too_short_a_watch_turns_it_inconclusive() -> None:
    assert judged(good(), until_ns=at(2000))["verdict"] == "inconclusive"


def test_a_venue_that_lists_other_orders_than_its_record_turns_it_red() -> None:
    record = judged(good(), venue_open=1)
    assert record["verdict"] == "fail"
    assert "the venue lists 1 open orders, its record 0" in record["reasons"]
    assert figures(record)["orders_left"] == 1


def test_another_trigger_that_was_quicker_turns_it_inconclusive() -> None:
    assert judged(good(), triggers=("pnl", "manual"))["verdict"] == "pass"
    record = judged(good(), triggers=("pnl", "heartbeat"))
    assert record["verdict"] == "inconclusive"
    assert record["reasons"] == ["it was tripped by 'manual', not by pnl or heartbeat"]
    assert figures(record)["activation_seconds"] == 0.04


def test_an_act_that_failed_half_way_turns_it_red() -> None:
    record = judged(good(), problem="Kill | Pull it: trader-01: NOT stopped\n  Traceback")
    assert record["verdict"] == "fail"
    assert record["reasons"] == ["the act failed: Kill | Pull it: trader-01: NOT stopped Traceback"]


def test_an_order_that_came_back_to_life_turns_it_red() -> None:
    script = good()
    script.final(f"{ACCOUNT}-1-1", 900, "NEW")
    record = judged(script, venue_open=None)
    assert record["verdict"] == "fail"
    assert figures(record)["orders_left"] == 1
