"""The real `trader run`, and everything that pulls its kill switch without a person."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trader.killing import RESTS, by_hand, killed, resting
from tests.trader.live import LIMITS, MakeTrader, open_orders
from tests.trader.support import APP, RunningTrader, until
from tests.venue_sim.clients import ccxt_client
from tests.venue_sim.support import RunningVenue

Cause = Callable[[RunningTrader, RunningVenue], object]
PATIENT = {"latency_ms": 60_000, "heartbeat_seconds": 600, "rejects": 10_000, "cancelled_elsewhere": 10_000}


def fault(**fields: Any) -> Cause:
    return lambda trader, venue: venue.fault(**fields)


def sleep_over(trader: RunningTrader, venue: RunningVenue) -> None:
    """Stop the process for longer than its heartbeat may be late."""
    os.kill(trader.pid(), signal.SIGSTOP)
    wakes = time.monotonic() + 2.5
    until(lambda: time.monotonic() > wakes, "the sleep")
    os.kill(trader.pid(), signal.SIGCONT)


def trade_by_hand(trader: RunningTrader, venue: RunningVenue) -> None:
    by_hand(venue, ("BTC/USDT", "market", "sell", 0.01, None))  # about 600 USD that no journal explains


def cancel_by_hand(trader: RunningTrader, venue: RunningVenue) -> None:
    async def cancel() -> None:
        async with ccxt_client(venue) as person:
            for _ in range(20):
                await asyncio.sleep(0.1)
                if any(event["event"] == "latch_tripped" for event in list(trader.events)):
                    return
                if open_orders(venue):
                    await person.cancel_all_orders("BTC/USDT")

    asyncio.run(cancel())


CASES: dict[str, tuple[str, dict[str, Any], Cause, str]] = {
    "late answers": (
        "latency",
        {"latency_ms": 1_000},
        fault(kind="latency", latency_ms=1_800, endpoint="order.place", account="trader-01"),
        "the venue has not answered a new order for 1.",
    ),
    "quotes stay away": (
        "latency",
        {"latency_ms": 1_000},
        fault(kind="silence", stream="market"),
        "quotes are 1.",
    ),
    "the account's stream stays silent": (
        "latency",
        {"latency_ms": 1_000},
        fault(kind="drop", stream="user", account="trader-01"),
        "the account's data is 1.",
    ),
    "the process was stopped": (
        "heartbeat",
        {"heartbeat_seconds": 2},
        sleep_over,
        "no heartbeat of the event loop",
    ),
    "differences": (
        "drift",
        {"drift_usd": 100, "drift_times": 2},
        trade_by_hand,
        "in 2 comparisons in a row",
    ),
    "refusals": (
        "rejects",
        {"rejects": 5},
        fault(kind="error", code=-2010, http_status=400, endpoint="order.place", account="trader-01"),
        "5 orders refused within 60 s",
    ),
    "somebody cancels": (
        "cancelled_elsewhere",
        {"cancelled_elsewhere": 2},
        cancel_by_hand,
        "2 orders cancelled by others within 30 s",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_pulled_by(venue: RunningVenue, make_trader: MakeTrader, case: str) -> None:
    trigger, settings, cause, text = CASES[case]
    trader = make_trader(
        venue,
        strategy=RESTS,
        risk=LIMITS,
        kill_switch=PATIENT | settings,
        streams={"stale_seconds": 0.5},
        reconcile={"interval_seconds": 1},
    ).start()
    resting(trader, venue)
    cause(trader, venue)
    killed(trader, venue, trigger)
    assert text in trader.event("latch_tripped")["message"]
    assert trader.event("latch_tripped")["by"] == "trader"
    assert trader.terminate() == 0
    assert open_orders(venue) == set()


PLUGIN = """
import time
from pathlib import Path

from trader.journal.writer import Writer
from trader.strategy.quoter import make as quoter

FLAG = Path({flag!r})
commit = Writer._commit


def hung(self, *items):
    while FLAG.exists() and {hang!r} == "journal":
        time.sleep(0.01)
    return commit(self, *items)


Writer._commit = hung


class Hanging:
    def __init__(self, inner):
        self.inner, self.interval_seconds = inner, inner.interval_seconds

    def on_book(self, view, quote):
        return []

    def on_fill(self, view, fill):
        return []

    def on_timer(self, view, now_ns):
        if FLAG.exists() and {hang!r} == "strategy":
            time.sleep(2.5)
        return self.inner.on_timer(view, now_ns)


def make(parameters, symbols):
    return Hanging(quoter(parameters, symbols))
"""


def installed(folder: Path, hang: str) -> tuple[Path, dict[str, str]]:
    """A strategy by somebody else that hangs, or makes the journal hang as a disk would.

    Returns:
        The file that makes it so while it is there, and the environment that finds the strategy.
    """
    flag = folder / "hang"
    (folder / "hanging.py").write_text(PLUGIN.format(flag=str(flag), hang=hang))
    about = folder / "hanging-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[trader.strategies]\nhanging = hanging:make\n")
    return flag, {"PYTHONPATH": os.pathsep.join([str(APP), str(folder)])}


@pytest.mark.parametrize(
    ("hang", "what"),
    [("strategy", "the event loop"), ("journal", "the journal")],
    ids=["strategy", "journal"],
)
def test_it_is_pulled_by_a_part_that_hangs(
    venue: RunningVenue, make_trader: MakeTrader, tmp_path: Path, hang: str, what: str
) -> None:
    """Orders that wait for the journal have passed the gate: when it moves again they must not leave."""
    flag, environment = installed(tmp_path, hang)
    strategy = {"name": "hanging", "parameters": RESTS["parameters"]}
    trader = make_trader(
        venue, strategy=strategy, risk=LIMITS, kill_switch=PATIENT | {"heartbeat_seconds": 2}
    ).start(**environment)
    resting(trader, venue)
    flag.touch()
    finished = trader.event("kill_finished")
    waiting = trader.health()["in_flight_orders"]
    flag.unlink()
    assert f"no heartbeat of {what} for 2." in trader.event("latch_tripped")["message"]
    until(lambda: trader.health()["in_flight_orders"] == 0, "the end of what waited")
    if hang == "journal":
        assert waiting > 0, "nothing waited for the journal, so nothing is shown"
    assert killed(trader, venue, "heartbeat") == finished
    assert trader.terminate() == 0
