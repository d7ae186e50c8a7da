"""The real `trader run` when it must wait: clocks that differ, a venue that wants fewer requests or none."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from tests.trader.live import (
    BUSY,
    LIMITS,
    OURS,
    Entry,
    MakeTrader,
    after,
    nothing_placed_between,
    open_orders,
    requests,
    stopped_in_agreement,
    traded,
)
from tests.trader.support import RunningTrader, until
from tests.venue_sim.support import RunningVenue

BAN_SECONDS = 4
MOMENT_NS = 20_000_000  # between reading the venue's answer and telling of it


def started(make_trader: MakeTrader, venue: RunningVenue, **changes: Any) -> RunningTrader:
    trader = make_trader(venue, **{"strategy": BUSY, "risk": LIMITS, **changes}).start()
    traded(trader, venue)
    return trader


@pytest.mark.parametrize("offset_ms", [2_000, -700, -2_000])
def test_a_clock_that_is_off_pauses_trading(
    venue: RunningVenue, make_trader: MakeTrader, offset_ms: int
) -> None:
    trader = started(make_trader, venue, clock={"interval_seconds": 0.5, "limit_ms": 500})
    since_ns = time.time_ns()
    number = venue.fault(kind="clock_skew", offset_ms=offset_ms)
    halted = after(trader, since_ns, "trading_halted")
    assert "our clock is off" in halted["reasons"]["clock"]
    until(lambda: abs(trader.metric("trader_clock_offset_seconds") - offset_ms / 1e3) < 0.1, "the offset")
    off_ns = time.time_ns()
    time.sleep(1.0)  # long enough for many orders, if any were sent
    venue.admin("DELETE", f"/faults/{number}")
    resumed = after(trader, off_ns, "trading_resumed")
    until(lambda: abs(trader.metric("trader_clock_offset_seconds")) < 0.1, "the offset to be gone")
    nothing_placed_between(venue, halted, resumed)
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


def banned(venue: RunningVenue, trader: RunningTrader, way: str, status: int) -> list[Entry]:
    """Let the venue answer one order with a limit or a ban, and trading go on after it.

    Returns:
        All requests that were sent while it lasted.
    """
    since_ns = time.time_ns()
    number = venue.fault(
        kind="error",
        code=-1003,
        http_status=status,
        retry_after_seconds=BAN_SECONDS,
        endpoint="order.place",
        transport=way,
        account=OURS,
        count=1,
    )
    halted = after(trader, since_ns, "trading_halted")
    assert "rate_limit" in halted["reasons"]
    resumed = after(trader, since_ns, "trading_resumed")
    [heard] = [entry for entry in requests(venue) if entry["fault"] == number]
    lasted = range(halted["at_ns"] + MOMENT_NS, heard["wall_ns"] + BAN_SECONDS * 1_000_000_000)
    assert resumed["at_ns"] >= lasted.stop
    whole = range(lasted.start, lasted.stop - 1_000_000)  # a request is stamped with a millisecond that began
    return [entry for entry in requests(venue) if sent_ns(entry) in whole]


def sent_ns(entry: Entry) -> int:
    """When we signed a request (UTC): what arrives later may have been on its way before."""
    signed_ms = entry["params"].get("timestamp")
    return int(entry["arrival_wall_ns"]) if signed_ms is None else int(signed_ms) * 1_000_000


@pytest.mark.parametrize("way", ["rest", "ws"])
def test_when_limited_only_cancels_go_out_slowly(
    venue: RunningVenue, make_trader: MakeTrader, way: str
) -> None:
    at = {"order_entry": "rest" if way == "rest" else "websocket"}
    parameters = {**BUSY["parameters"], "levels": 4}  # type: ignore[dict-item]
    trader = started(make_trader, venue, at=at, strategy={**BUSY, "parameters": parameters})
    until(lambda: len(open_orders(venue)) >= 5, "resting orders")
    during = banned(venue, trader, way, 429)
    assert {entry["endpoint"] for entry in during} == {"order.cancel"}, "resting orders are pulled"
    arrivals = [entry["arrival_wall_ns"] for entry in during]
    assert len(arrivals) >= 2
    gaps = [(late - early) / 1e9 for early, late in pairwise(arrivals)]
    assert all(gap > 0.9 for gap in gaps), f"faster than one a second: {gaps}"
    traded(trader, venue)
    stopped_in_agreement(trader, venue)


@pytest.mark.parametrize("way", ["rest", "ws"])
def test_when_banned_nothing_at_all_goes_out(venue: RunningVenue, make_trader: MakeTrader, way: str) -> None:
    at = {"order_entry": "rest" if way == "rest" else "websocket"}
    trader = started(make_trader, venue, at=at)
    during = banned(venue, trader, way, 418)
    assert during == [], "every request makes the ban longer"
    traded(trader, venue)
    stopped_in_agreement(trader, venue)
