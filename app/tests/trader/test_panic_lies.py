"""A venue that says "cancelled" and does not cancel, and orders that come when all seemed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.trader.panic_support import ACCOUNT, open_at_venue, requests_of
from tests.trader.test_panic_storm import CANCEL_ALL, LIST, Lines, place, run, well_done
from tests.venue_sim.clients import ccxt_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually


@pytest.fixture
def lines() -> Lines:
    return Lines()


async def test_every_cancel_is_ignored(quiet_venue: RunningVenue, lines: Lines) -> None:
    async with ccxt_client(quiet_venue) as client:
        for number in range(25):
            await place(client, f"o-{number}")
        quiet_venue.fault(kind="ignore_cancel", account=ACCOUNT)
        outcome = await run(quiet_venue, lines, deadline_seconds=2)
    assert not outcome.good
    assert len(outcome.left or ()) == len(open_at_venue(quiet_venue)) == 25
    fields = outcome.fields()
    assert (fields["open_orders"], fields["cancelled"], fields["verified_twice"]) == (25, 0, False)
    assert fields["failed"][0].startswith("BTCUSDT ")
    [complaint] = outcome.complaints()
    assert complaint.startswith("25 ORDERS ARE STILL OPEN: BTCUSDT ")
    assert "(o-0)" in complaint
    assert "and 5 more; gave up after 2 s" in complaint
    tried = [entry["endpoint"] for entry in requests_of(quiet_venue)]
    assert "order.cancel" in tried, "each one was tried by its own id as well"
    assert 4 <= tried.count(LIST) <= 14, "it goes on, and does not hammer"


async def test_one_order_is_left(quiet_venue: RunningVenue, lines: Lines) -> None:
    async with ccxt_client(quiet_venue) as client:
        for name in ("a", "b", "c"):
            await place(client, name)
        quiet_venue.fault(kind="ignore_cancel", client_order_id="b")
        outcome = await run(quiet_venue, lines, deadline_seconds=1)
    assert not outcome.good
    [complaint] = outcome.complaints()
    assert complaint.startswith("1 ORDERS ARE STILL OPEN: BTCUSDT ")
    assert "(b)" in complaint
    assert outcome.cancelled == 2


async def test_cancel_all_is_ignored_and_single_cancels_are_not(
    quiet_venue: RunningVenue, lines: Lines
) -> None:
    async with ccxt_client(quiet_venue) as client:
        await place(client, "a")
        quiet_venue.fault(kind="ignore_cancel", endpoint=CANCEL_ALL)
        well_done(await run(quiet_venue, lines), quiet_venue, cancelled=1)


async def test_who_cancelled_it_is_not_mistaken(quiet_venue: RunningVenue, lines: Lines) -> None:
    """The third sweep cancels by symbol and by id: one comes too late, and it was us all the same."""
    async with ccxt_client(quiet_venue) as client:
        await place(client, "a")
        quiet_venue.fault(kind="ignore_cancel", endpoint=CANCEL_ALL, count=2)
        outcome = await run(quiet_venue, lines)
    assert (outcome.good, outcome.cancelled, outcome.already_gone) == (True, 1, 0)


@pytest.mark.parametrize("kind", ["usdm.allOpenOrders.cancel", "usdm.algoOpenOrders.cancel"])
async def test_the_same_at_the_futures(
    make_venue: Callable[..., RunningVenue], lines: Lines, kind: str
) -> None:
    venue = make_venue(background={"events_per_second": 0}, usdm=USDM)
    order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01"}
    async with usdm_client(venue) as client:
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "59000"}
        await client.fapiPrivatePostOrder(order | limit)
        stop = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "70000"}
        await client.fapiPrivatePostAlgoOrder(order | stop)
    venue.fault(kind="ignore_cancel", endpoint=kind)
    outcome = await run(venue, lines, market="binanceusdm")
    assert (outcome.good, outcome.cancelled) == (True, 2), outcome.complaints()
    assert open_at_venue(venue, "usdm") == set()


async def test_an_order_in_flight_arrives_after_the_first_zero(
    quiet_venue: RunningVenue, lines: Lines
) -> None:
    """It was signed before, and reaches the market when the account already looked empty."""
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        quiet_venue.fault(kind="latency", latency_ms=700, stage="before", endpoint="order.place", count=1)
        late: asyncio.Future[Any] = asyncio.ensure_future(place(client, "late"))
        await asyncio.sleep(0)
        outcome = await run(quiet_venue, lines)
        await late
    well_done(outcome, quiet_venue, cancelled=1)
    lists = [e for e in requests_of(quiet_venue) if e["endpoint"] == LIST]
    placed = next(e for e in quiet_venue.record(kind="order") if e["client_order_id"] == "late")
    zeros_before = [e for e in lists if e["arrival_wall_ns"] < placed["wall_ns"]]
    assert zeros_before, "the first zero was there already"
    zeros_after = [e["arrival_monotonic_ns"] for e in lists[-2:]]
    assert zeros_after[1] - zeros_after[0] >= 0


async def test_somebody_goes_on_placing(quiet_venue: RunningVenue, lines: Lines) -> None:
    """It never ends well while orders keep coming, and cancels each."""

    async def place_on(client: Any) -> None:
        number = 0
        while True:
            number += 1
            await place(client, f"again-{number}")
            await asyncio.sleep(0.3)

    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        placing = asyncio.ensure_future(place_on(client))
        outcome = await run(quiet_venue, lines, deadline_seconds=3)
        placing.cancel()
    assert not outcome.good
    assert outcome.cancelled >= 2


async def test_orders_that_were_gone_before(quiet_venue: RunningVenue, lines: Lines) -> None:
    """Another stops us too: what the venue does not know any more is not counted as cancelled by us."""
    async with ccxt_client(quiet_venue) as client:
        await place(client, "a")
        quiet_venue.fault(
            kind="latency", latency_ms=400, stage="before", endpoint=CANCEL_ALL, account=ACCOUNT
        )
        running = asyncio.ensure_future(run(quiet_venue, lines))
        await eventually(lambda: lines.of("orders_found"), "it has listed it")
        await client.privateDeleteOrder({"symbol": "BTCUSDT", "origClientOrderId": "a"})
        outcome = await running
    assert (outcome.good, outcome.cancelled, outcome.already_gone) == (True, 0, 1)
