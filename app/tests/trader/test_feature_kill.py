"""The real `trader run` and `trader kill`, with a venue that fails and with a service that hangs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.trader.killing import (
    REARM,
    RESTS,
    SPOT_LIST,
    SPOT_PLACE,
    by_hand,
    killed,
    latch_file,
    resting,
    signed_after,
)
from tests.trader.live import LIMITS, OURS, MakeTrader, after, command, command_line, open_orders, requests
from tests.trader.panic_support import open_at_venue
from tests.trader.support import RunningTrader, until
from tests.venue_sim.clients import usdm_client
from tests.venue_sim.support import USDM, RunningVenue
from trader.service.control_client import ControlClient

KILL = ("kill", "--by", "ann", "--reason", "quotes look wrong", "--json")
FOREIGN: tuple[Any, ...] = ("ETH/USDT", "limit", "sell", 0.01, 5_000)  # no symbol of the settings
CANCELS = ("openOrders.cancelAll", "order.cancel")


def prepared(make_trader: MakeTrader, venue: RunningVenue, **changes: Any) -> RunningTrader:
    trader = make_trader(venue, **{"strategy": RESTS, "risk": LIMITS, **changes})
    key = venue.accounts[f"{OURS}/panic"]
    pair = {"api_key": key.api_key, "api_secret": key.api_secret}
    (trader.folder / "credentials" / "panic").write_text(json.dumps(pair))
    return trader


def pull(trader: RunningTrader) -> dict[str, Any]:
    """`trader kill`, to its good end."""
    done = command(trader, *KILL)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def asked(trader: RunningTrader) -> dict[str, Any]:
    """How far the kill is, as its service says."""
    return ControlClient(trader.folder / "control").call("kill_progress")


def test_by_hand_it_takes_all_and_stays_until_a_person_rearms(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    by_hand(venue, FOREIGN)
    answer = pull(trader)
    finished = killed(trader, venue, "manual")
    assert answer.keys() == {
        "open_orders", "cancelled", "already_gone", "failed", "seconds", "verified_twice", "latch"
    }  # fmt: skip
    assert (answer["open_orders"], answer["failed"], answer["verified_twice"]) == (0, [], True)
    assert answer["cancelled"] == finished["cancelled"] >= 4
    file = latch_file(trader)
    assert answer["latch"] == {name: file[name] for name in answer["latch"]}
    assert (file["by"], file["reason"]) == ("ann", "quotes look wrong")

    again = pull(trader)
    assert (again["verified_twice"], again["cancelled"], again["latch"]) == (True, 0, answer["latch"])
    # The person whose order it was goes on: whatever is open while the latch is down is cancelled.
    by_hand(venue, FOREIGN)
    until(lambda: not open_orders(venue), "its cancel")
    killed(trader, venue, "manual", name="kill_cleared_again")

    assert command(trader, *REARM).returncode == 0
    assert trader.event("latch_rearmed")["by"] == "ann"
    until(lambda: len(open_orders(venue)) >= 2, "it trades again")
    assert latch_file(trader)["state"] == "armed"
    assert trader.terminate() == 0


async def _conditional(venue: RunningVenue) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01"}
    async with usdm_client(venue) as person:
        for symbol, price in (("BTCUSDT", "40000"), ("ETHUSDT", "2000")):
            stop = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "90000"}
            limit = {"type": "LIMIT", "timeInForce": "GTC", "price": price}
            await person.fapiPrivatePostAlgoOrder(order | stop | {"symbol": symbol})
            await person.fapiPrivatePostOrder(order | limit | {"symbol": symbol})


def test_conditional_orders_go_too(make_venue: Callable[..., RunningVenue], make_trader: MakeTrader) -> None:
    venue = make_venue(usdm=USDM)
    trader = prepared(
        make_trader,
        venue,
        at={"id": "binanceusdm"},
        symbols=["BTC/USDT:USDT"],
        strategy={"name": "quoter", "parameters": RESTS["parameters"] | {"order_size": "0.002"}},  # type: ignore[operator]
    ).start()
    resting(trader, venue)
    asyncio.run(_conditional(venue))
    assert len(open_at_venue(venue, "usdm")) >= 5
    answer = pull(trader)
    # Those on a symbol that is not ours are listed before they are cancelled; of ours the book knows.
    assert answer["cancelled"] >= 3
    killed(trader, venue, "manual", "usdm")
    assert open_at_venue(venue, "usdm") == set()


# -- a venue that fails while everything must be cancelled

BUSY = {"kind": "error", "code": -1000, "http_status": 503}
STORM = {"kind": "error", "code": -1003, "http_status": 429, "retry_after_seconds": 1}
SECONDS = {"duration_seconds": 1.5}
BAD: dict[str, dict[str, Any]] = {
    "cancels are ignored": {"kind": "ignore_cancel", "account": OURS} | SECONDS,
    "all is refused for its rate": STORM | SECONDS | {"account": OURS},
    "rest is down": BUSY | SECONDS | {"transport": "rest", "account": OURS},
    "our clock is wrong": {"kind": "clock_skew", "offset_ms": 60_000},
}


@pytest.mark.parametrize("case", BAD)
def test_it_goes_on_until_the_venue_has_let_go(
    venue: RunningVenue, make_trader: MakeTrader, case: str
) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    by_hand(venue, FOREIGN)
    venue.fault(**BAD[case])
    killing = subprocess.Popen(
        command_line(trader, *KILL), env=trader.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    trader.event("latch_tripped")
    while killing.poll() is None:
        progress, there = asked(trader), open_orders(venue)
        assert not (progress["verified_twice"] and there), "it says zero, and the venue has orders"
    out, errors = killing.communicate()
    assert (killing.returncode, errors) == (0, b""), errors
    assert json.loads(out)["verified_twice"]
    killed(trader, venue, "manual")
    assert not [event for event in trader.events if event["event"] == "contradiction"]
    if case == "rest is down":
        singles = [entry for entry in requests(venue, "order.cancel") if entry["code"] == 0]
        assert {entry["transport"] for entry in singles} >= {"ws"}, (
            "ours go by name over the other connection"
        )


def test_the_end_of_a_service_waits_for_its_kill(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    for endpoint in CANCELS:
        venue.fault(**BUSY, **SECONDS, endpoint=endpoint, account=OURS)
    started_at = time.monotonic()
    ControlClient(trader.folder / "control").call("kill", by="ann", reason="looks wrong")
    assert trader.terminate() == 0
    assert open_orders(venue) == set()
    assert trader.event("kill_finished")["verified_twice"]
    assert time.monotonic() - started_at >= 1.5


def test_a_service_that_ends_before_its_kill_is_done_says_so(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, venue, drain={"open_orders": "keep", "deadline_seconds": 1}).start()
    resting(trader, venue)
    venue.fault(kind="ignore_cancel", account=OURS)
    ControlClient(trader.folder / "control").call("kill", by="ann", reason="looks wrong")
    assert trader.terminate() == 1
    assert open_orders(venue)
    told = [event["message"] for event in trader.events if event["event"] == "not_clean"]
    assert "the kill was not done: the venue has not said twice that nothing is open" in told


# -- a service that hangs, or was away


@contextmanager
def stopped(trader: RunningTrader) -> Iterator[None]:
    os.kill(trader.pid(), signal.SIGSTOP)
    yield
    os.kill(trader.pid(), signal.SIGCONT)


def test_a_service_that_hangs_is_passed_by(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    by_hand(venue, FOREIGN)
    with stopped(trader):
        done = command(trader, *KILL)
        assert done.returncode == 0, done.stderr
        assert "not by the service: " in done.stderr
        assert "latch: tripped" in done.stderr
        answer = json.loads(done.stdout)
        assert (answer["open_orders"], answer["verified_twice"]) == (0, True)
        assert answer["latch"]["by"] == "ann"
        assert open_orders(venue) == set()
    killed(trader, venue, "manual")
    keys = {e["key"] for e in venue.record(kind="request") if e["endpoint"] == "openOrders.cancelAll"}
    assert "panic" in keys
    assert trader.terminate() == 0


def test_after_a_restart_everything_is_cancelled_again_first(
    venue: RunningVenue, make_trader: MakeTrader
) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    pull(trader)
    finished = killed(trader, venue, "manual")
    after(trader, finished["at_ns"], "reconciled")  # at once: what was filled meanwhile is booked
    trader.kill()
    by_hand(venue, FOREIGN, ("BTC/USDT", "limit", "buy", 0.001, 30_000))
    before = venue.record()[-1]["seq"]
    started_ns = time.time_ns()
    trader.start()
    finished = trader.event("kill_finished")
    assert (finished["open_orders"], finished["verified_twice"]) == (0, True)
    assert open_orders(venue) == set()
    ours = [e for e in venue.record(before, "request") if e["account"] == OURS and e["key"] == ""]
    # The stream is opened beside it, on a connection of its own: that asks nothing of the account.
    asked = [entry["endpoint"] for entry in ours if not entry["endpoint"].startswith("userDataStream.")]
    assert set(asked[:2]) <= {SPOT_LIST, *CANCELS}, "before anything else"
    trader.event("reconciled")
    assert trader.health()["reasons"].keys() >= {"latch"}
    assert signed_after(venue, started_ns, SPOT_PLACE) == []
    assert latch_file(trader)["reason"] == "quotes look wrong"
    assert trader.terminate() == 0


def test_a_rearm_is_refused_while_an_order_is_open(venue: RunningVenue, make_trader: MakeTrader) -> None:
    trader = prepared(make_trader, venue).start()
    resting(trader, venue)
    fault = venue.fault(kind="ignore_cancel", account=OURS)
    ControlClient(trader.folder / "control").call("kill", by="ann", reason="looks wrong")
    refused = command(trader, *REARM)
    assert refused.returncode == 2
    assert "orders are open at the venue" in refused.stderr
    lists = venue.fault(**BUSY, endpoint=SPOT_LIST, account=OURS)
    refused = command(trader, *REARM)
    assert refused.returncode == 2
    assert "the venue does not say what is open" in refused.stderr
    assert latch_file(trader)["state"] == "tripped"
    for number in (fault, lists):
        venue.admin("DELETE", f"/faults/{number}")
    killed(trader, venue, "manual")
    assert command(trader, *REARM).returncode == 0
