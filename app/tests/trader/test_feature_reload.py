"""The real `trader run` and its desk: limits and trading state that change while it runs, questions to it."""

from __future__ import annotations

import json
import signal
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.live import (
    BUSY,
    LIMITS,
    MakeTrader,
    after,
    change_settings,
    command,
    fills,
    open_orders,
    orders,
    position,
    requests,
    stopped_in_agreement,
    traded,
)
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue


@pytest.fixture
def trader(venue: RunningVenue, make_trader: MakeTrader) -> RunningTrader:
    running = make_trader(venue, strategy=BUSY, risk=LIMITS).start()
    traded(running, venue)
    return running


def hang_up(trader: RunningTrader) -> int:
    """SIGHUP; returns when (UTC, ns)."""
    at_ns = time.time_ns()
    trader.process.send_signal(signal.SIGHUP)
    return at_ns


def placed_since(venue: RunningVenue, at_ns: int) -> int:
    return sum(entry["arrival_wall_ns"] > at_ns for entry in requests(venue, "order.place"))


def test_limits_are_taken_over_at_once(trader: RunningTrader, venue: RunningVenue) -> None:
    change_settings(trader, risk={"max_order_notional_usd": 20})
    at_ns = hang_up(trader)
    told = after(trader, at_ns, "limit_tightened")
    assert (told["key"], told["before"], told["after"]) == ("risk.max_order_notional_usd", "500", "20")
    assert after(trader, at_ns, "reloaded")["changes"] == 1
    refused = after(trader, told["at_ns"], "order_refused", code="order_notional")
    # An order that was checked before may still have been on its way.
    checked_ns = refused["at_ns"] + 200_000_000
    until(
        lambda: trader.metric('trader_risk_rejections_total{code="order_notional"}') >= 10,
        "refusals of orders",
    )
    assert placed_since(venue, checked_ns) == 0

    change_settings(trader, risk={"max_order_notional_usd": 400})
    done = command(trader, "reload")
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.splitlines()
    assert head.split("\t") == ["key", "before", "after", "note"]
    assert row.split("\t") == ["risk.max_order_notional_usd", "20", "400", "looser"]
    loosened = after(trader, checked_ns, "limit_loosened")
    assert (loosened["level"], loosened["after"]) == ("warning", "400")
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"risk": {"max_order_notional_usd": -1}}, "risk.max_order_notional_usd"),
        ({"risk": {"max_position_usd": 100_000}}, "max_gross_exposure_usd"),
        ({"risk": {"no_such_limit": 1}}, "risk.no_such_limit: unknown key, remove it"),
        ({"trading_state": "resting"}, "trading_state"),
        ({"epoch": 2}, "epoch: only risk and trading_state reload; restart the service for it"),
        ({"symbols": ["ETH/USDT"]}, "symbols: only risk and trading_state reload"),
    ],
    ids=["value", "nesting", "key", "state", "epoch", "symbols"],
)
def test_a_file_that_may_not_be_reloaded_changes_nothing(
    trader: RunningTrader, venue: RunningVenue, change: dict[str, Any], why: str
) -> None:
    change_settings(trader, **{"risk": {"max_order_notional_usd": 20}, **change})
    if "risk" in change:
        change_settings(trader, risk={"max_order_notional_usd": 20} | change["risk"])
    at_ns = hang_up(trader)
    assert why in after(trader, at_ns, "reload_refused")["message"]
    done = command(trader, "reload")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert why in line
    assert "reloaded" not in [event["event"] for event in trader.events]
    traded(trader, venue)  # by the old limits: the new ones would take no order
    assert json.loads(command(trader, "status", "--json").stdout)["state"] == "active"
    stopped_in_agreement(trader, venue)


def test_halted_by_the_desk(trader: RunningTrader, venue: RunningVenue) -> None:
    until(lambda: open_orders(venue), "resting orders")
    change_settings(trader, trading_state="halted")
    at_ns = hang_up(trader)
    halted = after(trader, at_ns, "trading_halted")
    assert halted["reasons"] == {"desk": "the settings say trading_state: halted"}
    until(lambda: not open_orders(venue), "its orders to be pulled")
    assert trader.get("/readyz")[0] == 503
    quiet_ns = time.time_ns()
    change_settings(trader, trading_state="active")
    time.sleep(0.5)  # many turns of the strategy
    assert placed_since(venue, quiet_ns) == 0, "the file alone changes nothing"
    at_ns = hang_up(trader)
    after(trader, at_ns, "trading_resumed")
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


def test_only_orders_that_reduce(trader: RunningTrader, venue: RunningVenue) -> None:
    until(lambda: abs(position(venue)) >= Decimal("0.002"), "a position")
    change_settings(trader, trading_state="reduce_only")
    at_ns = hang_up(trader)
    reduced = after(trader, at_ns, "trading_reduce_only")

    def enlarging() -> list[dict[str, Any]]:
        held = position(venue)
        last = {entry["client_order_id"]: entry for entry in orders(venue)}
        names = open_orders(venue)
        side = "BUY" if held >= 0 else "SELL"
        return [entry for name, entry in last.items() if name in names and entry["side"] == side]

    until(lambda: not enlarging(), "what may enlarge the position to be pulled")
    settled_ns = max(time.time_ns(), reduced["at_ns"])
    held = abs(position(venue))
    after(trader, at_ns, "order_refused", code="reduce_only")
    until(lambda: trader.metric('trader_risk_rejections_total{code="reduce_only"}') >= 10, "refusals")
    assert not enlarging()
    assert abs(position(venue)) <= held
    since = [entry for entry in venue.record(kind="fill") if entry["wall_ns"] > settled_ns]
    mine = [entry for entry in since if entry["account"] == "trader-01"]
    assert len({entry["side"] for entry in mine}) <= 1, "it went through zero, or away from it"
    stopped_in_agreement(trader, venue)


def test_repeated_executions_halt_until_a_person_reloads(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    parameters = {**BUSY["parameters"], "take_interval_seconds": 0.15}  # type: ignore[dict-item]
    limits = {**LIMITS, "max_repeated_executions": 6}
    trader = make_trader(venue, strategy={**BUSY, "parameters": parameters}, risk=limits).start()
    trader.event("trading_started")
    refused = trader.event("order_refused", code="repeated_execution")
    halted = after(trader, refused["at_ns"] - 1_000_000_000, "trading_halted")
    assert "repeated_execution" in halted["reasons"]
    until(lambda: not open_orders(venue), "its orders to be pulled")
    quiet_ns = time.time_ns()
    done = command(trader, "reconcile")
    assert (done.returncode, done.stdout[:25]) == (0, "journal and venue agree (")
    assert placed_since(venue, quiet_ns) == 0, "a clean comparison is no reason to go on"
    assert command(trader, "status").stdout.count("reason repeated_execution") == 1
    done = command(trader, "reload")
    assert (done.returncode, done.stdout) == (0, "nothing changed\n")
    after(trader, quiet_ns, "trading_resumed")
    assert trader.terminate() == 0
    assert open_orders(venue) == set()


def test_the_desk_is_told_what_there_is(trader: RunningTrader, venue: RunningVenue) -> None:
    done = command(trader, "status")
    assert done.returncode == 0, done.stderr
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    assert fields["state"] == "active"
    assert fields["latch"].startswith("armed by trader")
    assert {"stream quotes", "stream orders", "stream fills", "rate budget", "pnl"} <= set(fields)
    venue.fault(kind="hang", endpoint="order.place")  # what is open now stays
    change_settings(trader, trading_state="halted")
    venue.fault(kind="error", endpoint="order.cancel")
    assert command(trader, "reload").returncode == 0
    until(lambda: trader.health()["in_flight_orders"] == 0, "nothing in flight")

    def agreed() -> bool:
        """The market may fill one between the two looks."""
        shown = json.loads(command(trader, "orders", "--json").stdout)
        return {order["client_id"] for order in shown} == open_orders(venue)

    until(agreed, "the orders that the venue has open, and no other")
    assert len(fills(venue)) >= 3
