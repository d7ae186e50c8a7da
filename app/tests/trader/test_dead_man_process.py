"""The venue's dead man's timer and the real `trader run`, judged by the emulator's record."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.trader.live import after
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import USDM, RunningVenue
from trader.kill_switch import Latch
from trader.kill_switch.latch import FILE_NAME

OURS, PERPETUAL, CONTRACT = "trader-01", "BTC/USDT:USDT", "BTCUSDT"
PLACE = "usdm.order.place"
CANCELS = (
    "usdm.order.cancel",
    "usdm.allOpenOrders.cancel",
    "usdm.algoOrder.cancel",
    "usdm.algoOpenOrders.cancel",
)
TIMEOUT, REFRESH = 6, 2
MakeTrader = Callable[..., RunningTrader]
Entry = dict[str, Any]


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(usdm={**USDM, "fees": {"maker": "0.0002", "taker": "0.0005"}})


def prepared(make_trader: MakeTrader, venue: RunningVenue, **changes: Any) -> RunningTrader:
    parameters = {
        "order_size": "0.002",
        "take_interval_seconds": 0,
        "spread_bps": "20",
        "requote_interval_ms": 100,
        "seed": 1,
    }
    return make_trader(
        venue,
        at={"id": "binanceusdm"},
        symbols=[PERPETUAL],
        strategy={"name": "quoter", "parameters": parameters},
        dead_man={"timeout_seconds": TIMEOUT, "refresh_seconds": REFRESH},
        # A sleep of ours ages the quotes too; here it is to end as the timer has it.
        kill_switch={"latency_ms": 60_000},
        **changes,
    )


def timer(venue: RunningVenue) -> list[Entry]:
    return [entry for entry in venue.record(kind="countdown") if entry["account"] == OURS]


def actions(venue: RunningVenue) -> list[str]:
    return [entry["action"] for entry in timer(venue)]


def orders(venue: RunningVenue) -> list[Entry]:
    return [entry for entry in venue.record(kind="order") if entry["account"] == OURS]


def open_orders(venue: RunningVenue) -> set[str]:
    last = {entry["client_order_id"]: entry["status"] for entry in orders(venue)}
    return {name for name, status in last.items() if status in ("NEW", "PARTIALLY_FILLED")}


def placed_ns(venue: RunningVenue) -> list[int]:
    """When each request for a new order arrived (UTC)."""
    requests = venue.record(kind="request")
    return [entry["arrival_wall_ns"] for entry in requests if entry["endpoint"] == PLACE]


def resting(trader: RunningTrader, venue: RunningVenue) -> None:
    """Wait until it trades, and something of it is open."""
    trader.event("trading_started")
    until(lambda: open_orders(venue), "an order that rests")


def cancelled_by_timer(venue: RunningVenue) -> set[str]:
    return {entry["client_order_id"] for entry in orders(venue) if entry.get("cause") == "countdown"}


def fired(venue: RunningVenue, times: int = 1) -> Entry:
    """Wait until the timer has cancelled on its own."""
    until(lambda: actions(venue).count("fired") == times, "the venue's timer", 60)
    return [entry for entry in timer(venue) if entry["action"] == "fired"][-1]


def test_it_runs_before_the_first_order_and_never_fires_while_we_live(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, futures).start()
    resting(trader, futures)
    until(lambda: actions(futures).count("armed") >= 5, "it being set again and again")
    assert timer(futures)[0]["seq"] < orders(futures)[0]["seq"], "an order before the timer"
    assert set(actions(futures)) == {"armed"}
    assert trader.metric("trader_dead_man_armed") == 1
    assert 0 < trader.metric("trader_dead_man_seconds_left") <= TIMEOUT
    assert trader.terminate() == 0
    assert set(actions(futures)) == {"armed"}, "with nothing left open it may run out"

    before = len(actions(futures))
    trader.start()  # an orderly restart
    trader.event("trading_started")
    until(lambda: len(actions(futures)) >= before + 4, "it being kept by the next process")
    assert set(actions(futures)) == {"armed"}
    assert trader.terminate() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_without_us_the_venue_cancels_in_time(
    futures: RunningVenue, make_trader: MakeTrader, number: signal.Signals
) -> None:
    trader = prepared(make_trader, futures).start()
    resting(trader, futures)
    os.kill(trader.pid(), number)
    last = timer(futures)[-1]
    was_open = open_orders(futures)
    assert fired(futures)["due_ms"] <= last["due_ms"] + REFRESH * 1_000
    until(lambda: not open_orders(futures), "no open order")
    assert cancelled_by_timer(futures) >= was_open


def test_after_a_sleep_it_compares_before_it_trades(futures: RunningVenue, make_trader: MakeTrader) -> None:
    trader = prepared(make_trader, futures).start()
    resting(trader, futures)
    os.kill(trader.pid(), signal.SIGSTOP)
    fired(futures)
    before = len(placed_ns(futures))
    woken_ns = time.time_ns()
    os.kill(trader.pid(), signal.SIGCONT)
    # Not those of a start at which the venue was slow to set the timer.
    told = after(trader, woken_ns, "dead_man_may_have_fired")
    compared = after(trader, told["at_ns"], "dead_man_compared")
    # What the process had written before it was stopped may arrive only now: it was signed before.
    early = [
        entry
        for entry in futures.record(kind="request")[-200:]
        if entry["endpoint"] == PLACE
        and told["at_ns"] // 1_000_000 - 1_000 < int(entry["params"]["timestamp"])
        and entry["arrival_wall_ns"] < compared["at_ns"]
    ]
    assert early == [], f"an order before the comparison; {before} before the sleep"
    assert actions(futures)[-1] == "armed"
    reconciled = after(trader, told["at_ns"], "reconciled")
    assert reconciled["at_ns"] <= compared["at_ns"]
    until(lambda: "dead_man" not in trader.health()["reasons"], "the reason being gone")


def countdowns(futures: RunningVenue) -> dict[object, object]:
    market = futures.call(lambda server: server.usdm)
    assert market is not None
    return dict(market.countdowns.due)


def test_orders_that_are_kept_are_not_cancelled_by_it(futures: RunningVenue, make_trader: MakeTrader) -> None:
    keep = {"open_orders": "keep", "deadline_seconds": 10}
    trader = prepared(make_trader, futures, drain=keep).start()
    resting(trader, futures)
    assert trader.terminate() == 0
    kept = open_orders(futures)
    assert kept
    assert actions(futures)[-1] == "disarmed"
    assert countdowns(futures) == {}


def test_kept_orders_that_it_will_cancel_are_told(futures: RunningVenue, make_trader: MakeTrader) -> None:
    keep = {"open_orders": "keep", "deadline_seconds": 10}
    trader = prepared(make_trader, futures, drain=keep).start()
    resting(trader, futures)
    futures.fault(kind="error", code=-1000, http_status=500, endpoint="usdm.countdownCancelAll", account=OURS)
    assert trader.terminate() == 1
    assert "will cancel the orders that stay" in trader.event("not_clean")["message"]
    fired(futures)


def test_a_refresh_that_fails_twice_is_told_and_a_lapse_halts(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, futures).start()
    resting(trader, futures)
    fault = futures.fault(
        kind="error", code=-1000, http_status=500, endpoint="usdm.countdownCancelAll", account=OURS
    )
    told = trader.event("dead_man_not_set", failures=2)
    assert 0 < told["seconds_left"] < TIMEOUT - REFRESH
    trader.event("dead_man_may_have_fired")
    until(lambda: "dead_man" in trader.health()["reasons"], "the halt")
    assert trader.metric("trader_dead_man_armed") == 0
    assert trader.metric("trader_dead_man_seconds_left") == 0
    assert trader.metric('trader_errors_total{class="dead_man"}') >= 2
    until(lambda: not open_orders(futures), "its orders being gone")
    futures.admin("DELETE", f"/faults/{fault}")
    trader.event("dead_man_compared")
    assert trader.metric("trader_dead_man_armed") == 1
    assert trader.terminate() == 0


def test_after_the_kill_switch_it_is_left_to_fire(futures: RunningVenue, make_trader: MakeTrader) -> None:
    trader = prepared(make_trader, futures).start()
    resting(trader, futures)
    for endpoint in CANCELS:
        futures.fault(kind="error", code=-1000, http_status=500, endpoint=endpoint, account=OURS)
    latch = Latch.load(trader.journal_path.with_name(FILE_NAME), has_traded=True)
    latch.trip("somebody", "a test of the last fence", "manual")
    fired(futures)
    until(lambda: not open_orders(futures), "no open order, though our own cancels fail")
    assert cancelled_by_timer(futures)


def test_while_nothing_is_open_and_trading_is_off_it_is_stopped(
    futures: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, futures, trading_state="halted").start()
    trader.event("reconciled")
    until(lambda: "disarmed" in actions(futures), "the timer being stopped")
    assert "fired" not in actions(futures)
    assert trader.terminate() == 0
