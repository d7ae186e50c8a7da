"""The admin port, and what its faults do to clients."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.venue_sim.clients import ccxt_client, raw_client
from tests.venue_sim.support import RunningVenue, eventually

SYMBOL = "BTC/USDT"
BUY: tuple[Any, ...] = (SYMBOL, "limit", "buy", 0.001, 50_000)


async def test_what_the_venue_holds_of_an_account(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as mine, ccxt_client(quiet_venue, "trader-02") as theirs:
        await mine.create_order(*BUY, {"clientOrderId": "t-1"})
        await theirs.create_order(SYMBOL, "market", "sell", 0.0004)
    status, orders = quiet_venue.admin("GET", "/accounts/trader-01/orders")
    assert status == 200
    assert [(o["clientOrderId"], o["executedQty"]) for o in orders] == [("t-1", "0.00040000")]
    _, fills = quiet_venue.admin("GET", "/accounts/trader-01/fills")
    assert [(f["clientOrderId"], f["quoteQty"]) for f in fills] == [("t-1", "20.00000000")]
    _, balances = quiet_venue.admin("GET", "/accounts/trader-01/balances")
    assert balances["USDT"] == {"free": "99950.00000000", "locked": "30.00000000"}
    assert balances["BTC"] == {"free": "2.00040000", "locked": "0.00000000"}


def test_health_and_errors(quiet_venue: RunningVenue) -> None:
    status, health = quiet_venue.admin("GET", "/health")
    assert (status, health["status"], health["symbols"]) == (200, "ok", ["BTCUSDT", "ETHUSDT"])
    assert quiet_venue.admin("GET", "/accounts/nobody/orders")[0] == 404
    assert quiet_venue.admin("GET", "/record?after=x")[0] == 400
    assert quiet_venue.admin("DELETE", "/faults/77")[0] == 404
    status, answer = quiet_venue.admin("POST", "/faults", {"kind": "rain", "duration_seconds": 1})
    assert (status, "kind" in answer["error"]) == (400, True)
    assert quiet_venue.admin("POST", "/faults", [1])[0] == 400


async def test_a_market_jumps_when_it_is_told_to(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        before = (await client.fetch_ticker(SYMBOL))["bid"]
        assert venue.admin("POST", "/markets/spot/BTCUSDT/jump", {"bps": 300}) == (200, {"jumped_bps": 300})
        after = (await client.fetch_ticker(SYMBOL))["bid"]
    assert 1.02 < after / before < 1.04
    assert [entry["bps"] for entry in venue.record(kind="jump")] == [300]


@pytest.mark.parametrize("body", [{}, {"bps": 0}, {"bps": 2_001}, {"bps": True}, {"bps": "9"}, [1]])
def test_a_jump_that_makes_no_sense_is_refused(venue: RunningVenue, body: Any) -> None:
    status, answer = venue.admin("POST", "/markets/spot/BTCUSDT/jump", body)
    assert (status, "the body must be" in answer["error"]) == (400, True)
    assert venue.admin("POST", "/markets/spot/NONE/jump", {"bps": 1})[0] == 404
    assert venue.record(kind="jump") == []


async def test_faults_are_listed_end_by_themselves_and_are_recorded(quiet_venue: RunningVenue) -> None:
    short = quiet_venue.fault(kind="error", name="short", duration_seconds=0.05)
    long = quiet_venue.fault(kind="error", name="long")
    removed = quiet_venue.fault(kind="error", name="removed")
    assert quiet_venue.admin("DELETE", f"/faults/{removed}") == (200, {"removed": 1})

    def notes() -> list[tuple[int, str]]:
        return [(entry["fault"]["id"], entry["action"]) for entry in quiet_venue.record(kind="fault")]

    await eventually(lambda: (short, "ended") in notes(), "the short fault's end")
    assert [fault["id"] for fault in quiet_venue.admin("GET", "/faults")[1]] == [long]
    assert quiet_venue.admin("DELETE", "/faults") == (200, {"removed": 1})
    assert {action for number, action in notes() if number == long} == {"set", "removed"}


async def test_error_before_and_after(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client, ccxt_client(quiet_venue, "trader-02") as other:
        await client.load_markets()
        fault = quiet_venue.fault(
            kind="error", code=-1008, http_status=503, endpoint="order.place", account="trader-01"
        )
        with pytest.raises(ccxt.OperationFailed):
            await client.create_order(*BUY)
        await other.create_order(*BUY)
        assert await client.fetch_open_orders(SYMBOL) == [], "an error before the venue acts places nothing"
        quiet_venue.admin("DELETE", f"/faults/{fault}")
        quiet_venue.fault(kind="error", code=-1007, http_status=504, endpoint="order.place", stage="after")
        with pytest.raises(ccxt.RequestTimeout):
            await client.create_order(*BUY, {"clientOrderId": "t-1"})
        assert (await client.fetch_order(None, SYMBOL, {"origClientOrderId": "t-1"}))["status"] == "open"
        failed = [e for e in quiet_venue.record(kind="request") if e["fault"]]
        assert [(e["code"], e["http_status"]) for e in failed] == [(-1008, 503), (-1007, 504)]


async def test_hang_ends_with_its_fault_and_the_order_is_live(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        quiet_venue.fault(kind="hang", endpoint="order.place")
        client.timeout = 200
        with pytest.raises(ccxt.RequestTimeout):
            await client.create_order(*BUY, {"clientOrderId": "t-1"})
        client.timeout = 10_000
        waiting = asyncio.create_task(client.create_order(*BUY, {"clientOrderId": "t-2"}))
        hung = await eventually(
            lambda: [e for e in quiet_venue.record(kind="request") if e["outcome"] == "hang"][1:], "a hang"
        )
        assert (hung[0]["http_status"], hung[0]["code"]) == (None, None)
        quiet_venue.admin("DELETE", "/faults")
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await waiting
        assert len(await client.fetch_open_orders(SYMBOL)) == 2


async def test_latency_delays_before_the_venue_acts(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        quiet_venue.fault(kind="latency", latency_ms=150, endpoint="order.place")
        started = time.monotonic()
        order = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"
        status, _, _ = await client.signed("POST", "/api/v3/order", order)
        assert status == 200
        assert time.monotonic() - started >= 0.15
        # held back longer than its receive window: refused, as on a slow route
        status, body, _ = await client.signed("POST", "/api/v3/order", f"{order}&recvWindow=100")
        assert (status, body["code"]) == (400, -1021)


async def test_a_share_of_the_requests_fails(quiet_venue: RunningVenue) -> None:
    quiet_venue.fault(kind="error", code=-1001, http_status=500, endpoint="time", share=0.5)
    async with raw_client(quiet_venue) as client:
        statuses = [(await client.send("GET", "/api/v3/time", key=None))[0] for _ in range(100)]
    assert 25 < statuses.count(500) < 75
    assert set(statuses) == {200, 500}


async def test_stop_does_not_wait_for_a_hang(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        quiet_venue.fault(kind="hang", endpoint="time", duration_seconds=3600)
        waiting = asyncio.create_task(client.send("GET", "/api/v3/time", key=None))
        await eventually(lambda: quiet_venue.record(kind="request"), "the request")
        await asyncio.to_thread(quiet_venue.stop)
        with pytest.raises(aiohttp.ClientError):
            await waiting
