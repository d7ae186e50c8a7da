"""The real `trader run` with streams that fail: trading halts, is compared by REST, and goes on, complete."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from tests.trader.live import (
    BUSY,
    LIMITS,
    OURS,
    MakeTrader,
    after,
    booked,
    command_line,
    fault_set_ns,
    fills,
    nothing_placed_between,
    orders,
    requests,
    stopped_in_agreement,
    traded,
)
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue

FOUND_SECONDS = 5.0  # an objective: a stream that is silent where it should speak is found within this
HARNESS_SECONDS = (
    1.5  # what a busy machine may add to it: the emulator's ticks, our own wake-ups, the event's way
)


def started(make_trader: MakeTrader, venue: RunningVenue, **changes: Any) -> RunningTrader:
    trader = make_trader(venue, **{"strategy": BUSY, "risk": LIMITS, **changes}).start()
    traded(trader, venue)
    return trader


def found_in_time(since_ns: int, lost: dict[str, Any]) -> None:
    seconds = (lost["at_ns"] - since_ns) / 1e9
    assert seconds <= FOUND_SECONDS + HARNESS_SECONDS, f"found after {seconds:.1f} s"


def first_unheard_ns(venue: RunningVenue, number: int) -> int:
    """When the first event happened that the stream should have told and did not (UTC)."""
    set_ns = fault_set_ns(venue, number)
    return next(int(entry["wall_ns"]) for entry in orders(venue) if entry["wall_ns"] > set_ns)


BROKEN = [
    {"kind": "disconnect"},
    {"kind": "disconnect", "close_code": 1001},
    {"kind": "terminate"},
    {"kind": "server_shutdown"},
    {"kind": "silence"},
]


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: "-".join(map(str, fault.values())))
def test_the_accounts_stream_breaks(
    venue: RunningVenue, make_trader: MakeTrader, fault: dict[str, Any]
) -> None:
    trader = started(make_trader, venue)
    since_ns = time.time_ns()
    number = venue.fault(**fault, stream="user", account=OURS, count=1)
    lost = after(trader, since_ns, "stream_lost", stream="orders")
    halted = after(trader, since_ns, "trading_halted")
    if fault["kind"] == "silence":
        found_in_time(first_unheard_ns(venue, number), lost)
    resumed = after(trader, lost["at_ns"], "trading_resumed")
    compared = after(trader, lost["at_ns"], "reconciled")
    assert compared["at_ns"] <= resumed["at_ns"], "it trades before it has compared"
    nothing_placed_between(venue, halted, resumed)
    assert trader.metric('trader_ws_reconnects_total{stream="orders"}') == 1
    # One connection carries both: a watcher that was not waiting when it closed goes over to the new one.
    assert trader.metric('trader_ws_reconnects_total{stream="fills"}') <= 1
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


def test_a_comparison_that_began_before_the_break_opens_nothing(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    """It has not seen what the stream missed: the next one, begun with the stream up again, is waited for."""
    trader = started(make_trader, venue)
    venue.fault(kind="latency", latency_ms=1_000, stage="before", endpoint="account.status", account=OURS)
    since_ns = time.time_ns()
    asked = subprocess.Popen(command_line(trader, "reconcile"), env=trader.environment)

    def began() -> bool:
        there = [*requests(venue, "openOrders.status"), *requests(venue, "openOrders")]
        return any(entry["wall_ns"] > since_ns for entry in there)

    until(began, "the comparison to begin")
    venue.fault(kind="disconnect", stream="user", account=OURS, count=1)
    lost = after(trader, since_ns, "stream_lost", stream="orders")
    resumed = after(trader, lost["at_ns"], "trading_resumed")
    compared = [e["at_ns"] for e in trader.events if e["event"] == "reconciled"]
    assert sum(lost["at_ns"] < at_ns <= resumed["at_ns"] for at_ns in compared) >= 2
    assert asked.wait(20) == 0
    venue.admin("DELETE", "/faults")
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


def test_a_connection_that_lives_and_tells_nothing_is_found(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    """Pings are answered, only the events do not come: what is missing must be known from the answers."""
    trader = started(make_trader, venue)
    since_ns = time.time_ns()
    number = venue.fault(kind="drop", account=OURS)
    silent = after(trader, since_ns, "stream_silent", stream="orders")
    found_in_time(first_unheard_ns(venue, number), silent)
    lost = after(trader, since_ns, "stream_lost", stream="orders")
    halted = after(trader, lost["at_ns"], "trading_halted")
    venue.admin("DELETE", f"/faults/{number}")
    resumed = after(trader, halted["at_ns"], "trading_resumed")
    nothing_placed_between(venue, halted, resumed)
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


@pytest.mark.parametrize(
    "fault",
    [{"kind": "disconnect"}, {"kind": "server_shutdown"}, {"kind": "silence"}],
    ids=lambda fault: fault["kind"],
)
def test_the_market_stream_breaks(
    venue: RunningVenue, make_trader: MakeTrader, fault: dict[str, Any]
) -> None:
    trader = started(make_trader, venue)
    since_ns = time.time_ns()
    venue.fault(**fault, stream="market", count=1)
    lost = after(trader, since_ns, "stream_lost", stream="quotes")
    found_in_time(since_ns, lost)
    halted = after(trader, since_ns, "trading_halted")
    resumed = after(trader, lost["at_ns"], "trading_resumed")
    nothing_placed_between(venue, halted, resumed)
    assert trader.metric('trader_ws_reconnects_total{stream="quotes"}') == 1
    assert trader.metric('trader_ws_reconnects_total{stream="orders"}') == 0
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "duplicate"},
        {"kind": "duplicate", "share": 0.5},
        {"kind": "reorder"},
        {"kind": "reorder", "share": 0.5},
        {"kind": "late", "latency_ms": 800, "share": 0.5},
        {"kind": "late", "latency_ms": 800, "event": "TRADE"},
        {"kind": "late", "latency_ms": 800, "event": "NEW"},
        {"kind": "drop", "share": 0.3},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_events_that_come_in_any_way_change_nothing(
    venue: RunningVenue, make_trader: MakeTrader, fault: dict[str, Any]
) -> None:
    trader = started(make_trader, venue)
    number = venue.fault(**fault, account=OURS)
    traded(trader, venue, 8)
    venue.admin("DELETE", f"/faults/{number}")
    assert [e for e in venue.record(kind="stream") if e["action"] == fault["kind"]], "nothing was hit"
    until(lambda: set(booked(trader)) == set(fills(venue)), "every fill to be booked, while it trades")
    stopped_in_agreement(trader, venue)


def test_a_fill_that_no_event_tells_is_found(venue: RunningVenue, make_trader: MakeTrader) -> None:
    """A resting order is hit, and the stream loses just that: the next answer or comparison tells of it."""
    quiet = {**BUSY["parameters"], "take_interval_seconds": 0}  # type: ignore[dict-item]
    trader = started(make_trader, venue, strategy={**BUSY, "parameters": quiet})
    venue.fault(kind="drop", event="TRADE", account=OURS, count=3)

    def dropped() -> list[dict[str, Any]]:
        return [e for e in venue.record(kind="stream") if e["action"] == "drop"]

    until(lambda: len(dropped()) >= 3, "three lost events")
    lost = {("BTCUSDT", str(entry["trade_id"]), entry["client_order_id"]) for entry in dropped()}
    until(lambda: lost <= set(booked(trader)), "the lost fills to be booked")
    assert "stream_lost" not in [e["event"] for e in trader.events], "no connection was lost"
    stopped_in_agreement(trader, venue)
