"""The fault that answers cancels well and leaves the orders open: what sabotages a kill switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.venue_sim.clients import ccxt_client, frames, usdm_client
from tests.venue_sim.support import USDM, RunningVenue, eventually


@pytest.fixture
def futures(make_venue: Callable[..., RunningVenue]) -> RunningVenue:
    return make_venue(background={"events_per_second": 0}, usdm=USDM)


async def place(client: Any, client_id: str) -> None:
    await client.create_order("BTC/USDT", "limit", "buy", "0.001", "50000", {"newClientOrderId": client_id})


async def test_cancels_are_answered_and_nothing_is_cancelled(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client, frames(quiet_venue) as connection:
        for name in ("a", "b"):
            await place(client, name)
        fault = quiet_venue.fault(kind="ignore_cancel", account="trader-01")
        [one] = [await client.privateDeleteOrder({"symbol": "BTCUSDT", "origClientOrderId": "a"})]
        assert one["status"] == "CANCELED"
        answers = await client.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        assert [row["status"] for row in answers] == ["CANCELED", "CANCELED"]
        answer = await connection.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="b")
        assert answer["result"]["status"] == "CANCELED"
        left = await client.privateGetOpenOrders()
        assert [(row["clientOrderId"], row["status"]) for row in left] == [("a", "NEW"), ("b", "NEW")]
        told = [entry["event"] for entry in quiet_venue.record(kind="order")]
        assert told == ["NEW", "NEW"], "the record knows better"
        assert [e["fault"] for e in quiet_venue.record(kind="request")][-4:] == [fault, fault, fault, None]
        quiet_venue.admin("DELETE", f"/faults/{fault}")
        await client.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        assert await client.privateGetOpenOrders() == []


async def test_one_order_may_be_spared(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        for name in ("a", "b", "c"):
            await place(client, name)
        quiet_venue.fault(kind="ignore_cancel", client_order_id="b")
        await client.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        assert [row["clientOrderId"] for row in await client.privateGetOpenOrders()] == ["b"]


async def test_other_accounts_and_other_requests_are_not_hit(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as mine, ccxt_client(quiet_venue, "trader-02") as theirs:
        await place(mine, "a")
        await place(theirs, "b")
        fault = quiet_venue.fault(kind="ignore_cancel", account="trader-02", count=1)
        await mine.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        await theirs.privateGetOpenOrders()  # no cancel: it does not use up the count
        await theirs.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        assert await mine.privateGetOpenOrders() == []
        assert len(await theirs.privateGetOpenOrders()) == 1
        await theirs.privateDeleteOpenOrders({"symbol": "BTCUSDT"})
        assert await theirs.privateGetOpenOrders() == []
        ended = await eventually(
            lambda: [e for e in quiet_venue.record(kind="fault") if e["action"] == "ended"], "the fault's end"
        )
        assert [e["fault"]["id"] for e in ended] == [fault]


async def test_futures_and_their_conditional_orders(futures: RunningVenue) -> None:
    async with usdm_client(futures) as client:
        order = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.01"}
        limit = {"type": "LIMIT", "timeInForce": "GTC", "price": "59000"}
        stop = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": "70000"}
        placed = await client.fapiPrivatePostOrder(order | limit)
        algo = await client.fapiPrivatePostAlgoOrder(order | stop)
        fault = futures.fault(kind="ignore_cancel")
        one = await client.fapiPrivateDeleteOrder({"symbol": "BTCUSDT", "orderId": placed["orderId"]})
        assert one["status"] == "CANCELED"
        await client.fapiPrivateDeleteAllOpenOrders({"symbol": "BTCUSDT"})
        await client.fapiPrivateDeleteAlgoOrder({"algoId": algo["algoId"]})
        await client.fapiPrivateDeleteAlgoOpenOrders({"symbol": "BTCUSDT"})
        assert len(await client.fapiPrivateGetOpenOrders()) == 1
        assert len(await client.fapiPrivateGetOpenAlgoOrders()) == 1
        # The venue's own timer is no request: it cancels what a request did not.
        await client.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 50})
        futures.admin("DELETE", f"/faults/{fault}")
        await client.fapiPrivateDeleteAlgoOpenOrders({"symbol": "BTCUSDT"})
        assert await client.fapiPrivateGetOpenAlgoOrders() == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"endpoint": "order.place"}, "endpoint: an ignore_cancel fault is only of those that cancel"),
        ({"stage": "before"}, "stage: ignore_cancel changes the answer"),
        ({"client_order_id": 1}, "client_order_id: must be a text"),
    ],
)
def test_what_cannot_be_set(quiet_venue: RunningVenue, fields: dict[str, Any], complaint: str) -> None:
    status, answer = quiet_venue.admin(
        "POST", "/faults", {"kind": "ignore_cancel", "duration_seconds": 1, **fields}
    )
    assert (status, complaint in answer["error"]) == (400, True), answer
