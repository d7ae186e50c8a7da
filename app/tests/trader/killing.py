"""Judging a kill of the running service by the emulator's record."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.trader.live import OURS, Entry, open_orders, orders, requests
from tests.trader.support import RunningTrader, until
from tests.venue_sim.clients import ccxt_client
from tests.venue_sim.support import RunningVenue

SPOT_LIST, SPOT_PLACE = "openOrders.status", "order.place"
ENDED = ("CANCELED", "FILLED", "EXPIRED", "REJECTED")
# Two levels on each side, replaced slowly, far from the market: several rest at any time, and none is filled.
RESTS = {
    "name": "quoter",
    "parameters": {
        "order_size": "0.001", "spread_bps": "100", "requote_interval_ms": 60, "take_interval_seconds": 0,
        "seed": 1,
    },
}  # fmt: skip
REARM = ("rearm", "--by", "ann", "--reason", "looked at it", "--yes")


def resting(trader: RunningTrader, venue: RunningVenue, count: int = 3) -> None:
    """Wait until it trades, and so many orders rest."""
    trader.event("trading_started")
    until(lambda: len(open_orders(venue)) >= count, "orders that rest")


def by_hand(venue: RunningVenue, *orders: tuple[Any, ...]) -> None:
    """A person at the venue's page, with the account of the service."""

    async def place() -> None:
        async with ccxt_client(venue) as person:
            for number, order in enumerate(orders):
                await person.create_order(*order, {"newClientOrderId": f"by-hand-{number}"})

    asyncio.run(place())


def latch_file(trader: RunningTrader) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(trader.journal_path.with_name("latch.json").read_text())
    return content


def signed_after(venue: RunningVenue, at_ns: int, place: str = SPOT_PLACE) -> list[Entry]:
    """Requests for new orders that the service made after a moment (UTC), whatever came of them."""
    return [
        entry
        for entry in requests(venue, place)
        if int(entry["params"]["timestamp"]) > at_ns // 1_000_000 + 1
        and str(entry["params"].get("newClientOrderId", "")).startswith(OURS)
    ]


def killed(
    trader: RunningTrader,
    venue: RunningVenue,
    trigger: str,
    market: str = "spot",
    name: str = "kill_finished",
) -> Entry:
    """Wait for the end of a kill, and judge it: nothing new, nothing open, said twice, and told.

    Returns:
        The event that reports it.
    """
    tripped = trader.event("latch_tripped")
    assert tripped["trigger"] == trigger, tripped
    finished = trader.event(name)
    assert (finished["open_orders"], finished["failed"], finished["verified_twice"]) == (0, [], True)
    prefix = "" if market == "spot" else "usdm."
    assert open_orders(venue) == set()
    assert signed_after(venue, tripped["at_ns"], f"{prefix}order.place") == []
    ends = [e["wall_ns"] for e in orders(venue) if e["status"] in ENDED and e["wall_ns"] < finished["at_ns"]]
    lists = [
        entry["arrival_wall_ns"]
        for entry in requests(venue, f"{prefix}{SPOT_LIST}")
        if "symbol" not in entry["params"] and entry["arrival_wall_ns"] < finished["at_ns"]
    ]
    assert len([at_ns for at_ns in lists if at_ns >= max(ends, default=0)]) >= 2, "zero was seen twice"
    file = latch_file(trader)
    assert (file["state"], file["trigger"]) == ("tripped", trigger)
    assert trader.metric("trader_latch_tripped") == 1
    assert trader.metric(f'trader_kills_total{{trigger="{trigger}"}}') == 1
    assert trader.health()["reasons"]["latch"] == f"kill switch tripped by {file['by']}: {file['reason']}"
    return finished
