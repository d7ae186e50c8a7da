"""The API key of an account: disabling it is the fence that a restore relies on; and what it may do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import ccxt
import pytest

from tests.venue_sim.clients import ccxt_client, frames, raw_client
from tests.venue_sim.support import RunningVenue

ORDER: tuple[Any, ...] = ("BTC/USDT", "limit", "buy", "0.001", "50000")
SUBSCRIBE = "userDataStream.subscribe.signature"


def set_key(venue: RunningVenue, enabled: bool) -> None:
    answer = venue.admin("PUT", "/accounts/trader-01/key", {"enabled": enabled})
    assert answer == (200, {"account": "trader-01", "key": "", "enabled": enabled})


async def refused(venue: RunningVenue) -> None:
    """Every signed call of trader-01 is refused, over both transports; what is public is not."""
    async with raw_client(venue) as client, frames(venue) as connection:
        for method, path in (
            ("GET", "/api/v3/account"),
            ("POST", "/api/v3/order"),
            ("DELETE", "/api/v3/openOrders"),
            ("GET", "/sapi/v1/account/apiRestrictions"),
        ):
            status, body, _ = await client.signed(method, path, "symbol=BTCUSDT")
            assert (status, body["code"]) == (401, -2015)
        for method in ("order.place", SUBSCRIBE):
            answer = await connection.signed(method)
            assert (answer["status"], answer["error"]["code"]) == (401, -2015)
        assert (await client.send("GET", "/api/v3/time"))[0] == 200
    last = [entry for entry in venue.record(kind="request") if entry["code"] == -2015]
    assert {entry["account"] for entry in last} == {"trader-01"}, "who tried is in the record"


async def test_a_disabled_key_is_a_fence(quiet_venue: RunningVenue) -> None:
    async with (
        ccxt_client(quiet_venue) as mine,
        ccxt_client(quiet_venue, "trader-02") as theirs,
        frames(quiet_venue) as stream,
    ):
        order = await mine.create_order(*ORDER, {"clientOrderId": "t-1"})
        await stream.signed(SUBSCRIBE)
        set_key(quiet_venue, False)
        assert (await stream.event())["event"]["e"] == "eventStreamTerminated"
        # After a first success ccxt takes -2015 for a ban, and not for a refused key.
        with pytest.raises(ccxt.DDoSProtection, match="-2015"):
            await mine.create_order(*ORDER)
        async with ccxt_client(quiet_venue) as fresh:
            with pytest.raises(ccxt.AuthenticationError, match="-2015"):
                await fresh.fetch_balance()
        await refused(quiet_venue)
        await theirs.create_order("BTC/USDT", "market", "sell", "0.0004")
        assert (await stream.ask("ping"))["status"] == 200
        assert stream.events == [], "a fill of the account was told to its disabled key"
        # The fence holds over a restart of the venue, and what the account has is still there.
        await asyncio.to_thread(quiet_venue.stop)
        await asyncio.to_thread(quiet_venue.start)
        await refused(quiet_venue)
        set_key(quiet_venue, True)
        assert (await mine.fetch_order(order["id"], "BTC/USDT"))["filled"] == 0.0004
    states = [(entry["account"], entry["enabled"]) for entry in quiet_venue.record(kind="key")]
    assert states == [("trader-01", False), ("trader-01", True)]
    await asyncio.to_thread(quiet_venue.stop)
    await asyncio.to_thread(quiet_venue.start)
    async with ccxt_client(quiet_venue) as mine:
        assert await mine.fetch_open_orders("BTC/USDT")


@pytest.mark.parametrize(
    ("path", "body", "status", "complaint"),
    [
        ("nobody", {"enabled": False}, 404, "account 'nobody' is unknown"),
        ("trader-01", {"enabled": "no"}, 400, "enabled: must be true or false"),
        ("trader-01", {}, 400, "the body must be"),
        ("trader-01", {"enabled": False, "more": 1}, 400, "the body must be"),
        ("trader-01", [False], 400, "the body must be"),
    ],
)
async def test_bad_requests_change_nothing(
    quiet_venue: RunningVenue, path: str, body: Any, status: int, complaint: str
) -> None:
    answered, answer = quiet_venue.admin("PUT", f"/accounts/{path}/key", body)
    assert (answered, complaint in answer["error"]) == (status, True)
    assert quiet_venue.record(kind="key") == []


@pytest.mark.parametrize("withdrawals", [False, True])
async def test_what_a_key_may_do(quiet_venue: RunningVenue, withdrawals: bool) -> None:
    accounts_file = quiet_venue.folder / "accounts.json"
    accounts = json.loads(accounts_file.read_text())
    if withdrawals:
        await asyncio.to_thread(quiet_venue.stop)
        accounts_file.write_text(json.dumps([entry | {"withdrawals": True} for entry in accounts]))
        await asyncio.to_thread(quiet_venue.start)
    async with ccxt_client(quiet_venue) as client:
        allowed = await client.sapiGetAccountApiRestrictions()
        assert allowed["enableWithdrawals"] is withdrawals
        assert allowed["enableReading"] is allowed["enableSpotAndMarginTrading"] is True
        assert {name for name, value in allowed.items() if value is True} == {
            "enableReading",
            "enableSpotAndMarginTrading",
        } | ({"enableWithdrawals"} if withdrawals else set())
        assert allowed["createTime"] > 1_600_000_000_000
        assert allowed["ipRestrict"] is False
    async with frames(quiet_venue) as connection:
        answer = await connection.signed("account.apiRestrictions")
        assert answer["error"]["code"] == -1020, "the WebSocket API has no such operation"
