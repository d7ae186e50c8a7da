"""The WebSocket API as frames."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.venue_sim.clients import frames
from tests.venue_sim.support import RunningVenue

ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.001",
    "price": "50000",
}


async def test_requests_and_rate_limits(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as connection:
        answer = await connection.ask("time")
        assert answer["status"] == 200
        assert answer["rateLimits"][0]["count"] == 1
        assert "rateLimits" not in await connection.ask("ping", returnRateLimits=False)
        assert (await connection.ask("v3/ping"))["result"] == {}
        placed = await connection.signed("order.place", **ORDER)
        assert [row["rateLimitType"] for row in placed["rateLimits"]] == [
            "ORDERS",
            "ORDERS",
            "REQUEST_WEIGHT",
        ]
        assert placed["result"]["status"] == "NEW"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", -1135),
        ("[]", -1135),
        ('{"id": 1}', -1135),
        ('{"id": 1, "method": "ping", "params": []}', None),
        ('{"id": 1, "method": "ping", "params": [1]}', -1135),
        ('{"id": 1, "method": "order.destroy"}', -1020),
        ('{"id": 1, "method": "depth", "params": {"symbol": "BTCUSDT", "limit": 1.5}}', -1102),
        ('{"id": 1, "method": "order.place", "params": {}}', -2014),
    ],
)
async def test_bad_frames(quiet_venue: RunningVenue, text: str, code: int | None) -> None:
    async with frames(quiet_venue) as connection:
        await connection.send(text)
        answer = await connection.receive()
        assert answer.get("error", {}).get("code") == code
        assert (await connection.ask("ping"))["status"] == 200, "the connection goes on"


async def test_both_ways_to_sign(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as connection:
        placed = await connection.signed("order.place", **ORDER, newClientOrderId="a/b:c")
        assert placed["result"]["clientOrderId"] == "a/b:c"
        refused = await connection.ask(
            "account.status", apiKey=quiet_venue.accounts["trader-01"].api_key,
            timestamp=int(time.time() * 1000), signature="00",
        )  # fmt: skip
        assert (refused["status"], refused["error"]["code"]) == (400, -1022)


async def test_user_stream_events_in_order(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as connection, frames(quiet_venue) as other:
        subscribed = await connection.signed("userDataStream.subscribe.signature")
        assert subscribed["result"] == {"subscriptionId": 0}
        await other.signed("order.place", **ORDER, newClientOrderId="t-1")
        await other.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="t-1", newClientOrderId="t-c")
        events = [await connection.event() for _ in range(4)]
        assert {frame["subscriptionId"] for frame in events} == {0}
        kinds = [frame["event"]["e"] for frame in events]
        assert kinds == ["executionReport", "outboundAccountPosition"] * 2
        new, locked, cancelled, freed = (frame["event"] for frame in events)
        assert (new["c"], new["C"], new["x"], new["X"], new["w"]) == ("t-1", "", "NEW", "NEW", True)
        assert locked["B"] == [{"a": "USDT", "f": "99950.00000000", "l": "50.00000000"}]
        assert (cancelled["c"], cancelled["C"], cancelled["x"]) == ("t-c", "t-1", "CANCELED")
        assert freed["B"][0]["l"] == "0.00000000"
        await connection.ask("userDataStream.unsubscribe", subscriptionId=0)
        await other.signed("order.place", **ORDER)
        assert (await connection.ask("session.subscriptions"))["result"] == []
        assert connection.events == []


async def test_two_subscriptions_on_one_connection(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as connection:
        for number in range(2):
            answer = await connection.signed("userDataStream.subscribe.signature")
            assert answer["result"]["subscriptionId"] == number
        await connection.signed("order.place", **ORDER)
        events = [await connection.event() for _ in range(4)]
        assert sorted(frame["subscriptionId"] for frame in events) == [0, 0, 1, 1]


async def test_a_fault_holds_up_its_own_request_only(quiet_venue: RunningVenue) -> None:
    quiet_venue.fault(kind="hang", endpoint="order.place")
    async with frames(quiet_venue) as connection:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.signed("order.place", **ORDER, newClientOrderId="t-1"), 0.2)
        found = await connection.signed("order.status", symbol="BTCUSDT", origClientOrderId="t-1")
        assert found["result"]["status"] == "NEW", "a hang is after the venue has acted"
