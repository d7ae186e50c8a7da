"""Further API keys of an account: each signs with its own secret, is disabled by itself, and is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.venue_sim.clients import RawClient, frames, raw_client, usdm_client
from tests.venue_sim.support import USDM, RunningVenue
from venue_sim.model import USDM as USDM_MARKET

FIRST, PANIC = "trader-01", "trader-01/panic"
ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"
FUTURES = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=59000"
SUBSCRIBE = "userDataStream.subscribe.signature"


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(background={"events_per_second": 20}, usdm=USDM)


def disable(venue: RunningVenue, key: str, enabled: bool = False) -> None:
    path = f"/accounts/trader-01/keys/{key}" if key else "/accounts/trader-01/key"
    answer = venue.admin("PUT", path, {"enabled": enabled})
    assert answer == (200, {"account": "trader-01", "key": key, "enabled": enabled})


async def code(client: RawClient, method: str, path: str, query: str = "") -> int:
    """The venue's code for a signed request, 0 when it was served."""
    _, body, _ = await client.signed(method, path, query)
    return int(body.get("code", 0)) if isinstance(body, dict) else 0


async def test_every_key_reaches_the_same_account(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as first, raw_client(quiet_venue, PANIC) as panic:
        assert await code(first, "POST", "/api/v3/order", ORDER) == 0
        _, cancelled, _ = await panic.signed("DELETE", "/api/v3/openOrders", "symbol=BTCUSDT")
        assert [row["status"] for row in cancelled] == ["CANCELED"]
    async with frames(quiet_venue, PANIC) as connection:
        assert (await connection.signed("openOrders.status"))["result"] == []
    kept = [(e["account"], e["key"], e["endpoint"]) for e in quiet_venue.record(kind="request")]
    assert kept == [
        ("trader-01", "", "order.place"),
        ("trader-01", "panic", "openOrders.cancelAll"),
        ("trader-01", "panic", "openOrders.status"),
    ]


async def test_it_does_so_at_the_futures_too(futures: RunningVenue) -> None:
    async with usdm_client(futures, PANIC) as panic:
        await panic.fapiPrivatePostOrder({
            "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
            "quantity": "0.01", "price": "59000",
        })  # fmt: skip
    async with usdm_client(futures) as first:
        assert len(await first.fapiPrivateGetOpenOrders()) == 1
    async with frames(futures, PANIC, USDM_MARKET) as connection:
        answer = await connection.signed("account.status")
        assert answer["status"] == 200, answer
    signed = [e for e in futures.record(kind="request") if e["account"] is not None]
    assert [(e["key"], e["market"]) for e in signed] == [
        ("panic", "usdm"), ("", "usdm"), ("panic", "usdm"),
    ]  # fmt: skip


async def test_each_key_signs_with_its_own_secret(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as first, raw_client(quiet_venue, PANIC) as panic:
        for client, key in ((first, PANIC), (panic, FIRST)):
            payload = f"timestamp={(await client.send('GET', '/api/v3/time'))[1]['serverTime']}"
            query = f"{payload}&signature={client.sign(payload)}"
            other = quiet_venue.accounts[key].api_key
            _, body, _ = await client.send("GET", "/api/v3/account", query, key=other)
            assert body["code"] == -1022


async def test_a_key_is_disabled_by_itself(futures: RunningVenue) -> None:
    async with (
        raw_client(futures) as first,
        raw_client(futures, PANIC) as panic,
        usdm_client(futures) as first_futures,
        usdm_client(futures, PANIC) as panic_futures,
        frames(futures) as first_stream,
        frames(futures, PANIC) as panic_stream,
    ):
        await first_stream.signed(SUBSCRIBE)
        await panic_stream.signed(SUBSCRIBE)
        listen_key = (await first_futures.fapiPrivatePostListenKey())["listenKey"]
        disable(futures, "panic")
        assert (await panic_stream.event())["event"]["e"] == "eventStreamTerminated"
        assert await code(panic, "GET", "/api/v3/account") == -2015
        with pytest.raises(Exception, match="-2015"):
            await panic_futures.fapiPrivateGetOpenOrders()
        assert (await panic_stream.signed(SUBSCRIBE))["error"]["code"] == -2015
        # The other one trades on, and hears of it; what it started lives.
        assert await code(first, "POST", "/api/v3/order", ORDER) == 0
        assert (await first_stream.event())["event"]["e"] == "executionReport"
        assert (await first_futures.fapiPrivatePostListenKey())["listenKey"] == listen_key
        await asyncio.to_thread(futures.stop)
        await asyncio.to_thread(futures.start)
    async with raw_client(futures) as first, raw_client(futures, PANIC) as panic:
        assert await code(panic, "GET", "/api/v3/account") == -2015, "it stays disabled over a restart"
        assert await code(first, "GET", "/api/v3/account") == 0
        disable(futures, "panic", True)
        disable(futures, "")
        assert await code(panic, "DELETE", "/api/v3/openOrders", "symbol=BTCUSDT") == 0
        assert await code(first, "GET", "/api/v3/account") == -2015
    states = [(entry["key"], entry["enabled"]) for entry in futures.record(kind="key")]
    assert states == [("panic", False), ("panic", True), ("", False)]


async def test_a_listen_key_ends_with_the_key_that_made_it(futures: RunningVenue) -> None:
    async with usdm_client(futures, PANIC) as panic:
        await panic.fapiPrivatePostListenKey()
        await asyncio.to_thread(futures.stop)
        await asyncio.to_thread(futures.start)
        disable(futures, "")
        assert futures.record(kind="listen_key")[-1]["action"] == "valid"
        disable(futures, "panic")
        ended = futures.record(kind="listen_key")[-1]
        assert (ended["action"], ended["key"]) == ("expired", "panic")


@pytest.mark.parametrize("key", ["", "panic"])
async def test_only_the_first_key_may_withdraw(make_venue: Callable[..., RunningVenue], key: str) -> None:
    venue = make_venue(background={"events_per_second": 0})
    venue.call(lambda server: _let_withdraw(server.exchange.accounts["trader-01"]))
    async with raw_client(venue, f"{FIRST}/{key}" if key else FIRST) as client:
        _, allowed, _ = await client.signed("GET", "/sapi/v1/account/apiRestrictions")
    assert allowed["enableWithdrawals"] is (key == "")


def _let_withdraw(account: Any) -> None:
    account.keys[""].withdrawals = True


async def test_a_key_that_is_not_there(quiet_venue: RunningVenue) -> None:
    status, answer = quiet_venue.admin("PUT", "/accounts/trader-01/keys/none", {"enabled": False})
    assert (status, answer["error"]) == (404, "account 'trader-01' has no key 'none'")
    assert quiet_venue.record(kind="key") == []
