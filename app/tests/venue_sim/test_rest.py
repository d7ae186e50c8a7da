"""REST as bytes on the wire: signatures, unknown parameters, answers by kind, errors in JSON."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.venue_sim.clients import RawClient, raw_client
from tests.venue_sim.support import RunningVenue

ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"


def stamp() -> str:
    return f"timestamp={int(time.time() * 1000)}"


async def test_the_signature_covers_the_exact_bytes(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        # the same order, in the query, in the body, in both
        payload = f"{ORDER}&{stamp()}"
        signature = client.sign(payload)
        tail = f"&signature={signature}"
        assert (await client.send("POST", "/api/v3/order", payload + tail))[0] == 200
        assert (await client.send("POST", "/api/v3/order", "", payload + tail))[0] == 200
        both = client.sign(ORDER + stamp_only(payload))
        mixed = await client.send("POST", "/api/v3/order", ORDER, f"{stamp_only(payload)}&signature={both}")
        assert mixed[0] == 200
        # other bytes that mean the same are other bytes
        for other in (payload.replace("50000", "50000.0"), payload.replace("BTCUSDT", "BTC%55SDT")):
            status, body, _ = await client.send("POST", "/api/v3/order", other + tail)
            assert (status, body["code"]) == (400, -1022)
        encoded = payload.replace("BTCUSDT", "BTC%55SDT")
        signed = f"{encoded}&signature={client.sign(encoded)}"
        assert (await client.send("POST", "/api/v3/order", signed))[1]["symbol"] == "BTCUSDT"


def stamp_only(payload: str) -> str:
    return payload.removeprefix(f"{ORDER}&")


async def test_answers_by_kind(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        kinds: dict[str, set[str]] = {}
        for kind in ("ACK", "RESULT", "FULL"):
            _, body, _ = await client.signed("POST", "/api/v3/order", f"{ORDER}&newOrderRespType={kind}")
            kinds[kind] = set(body)
        assert kinds["ACK"] == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
        assert {"status", "executedQty", "cummulativeQuoteQty"} <= kinds["RESULT"] - kinds["ACK"]
        assert kinds["FULL"] - kinds["RESULT"] == {"fills"}
        _, default, _ = await client.signed("POST", "/api/v3/order", ORDER)
        assert set(default) == kinds["FULL"]
        assert len(default["clientOrderId"]) == 22
        maker = "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.001&price=50000"
        _, default, _ = await client.signed("POST", "/api/v3/order", maker)
        assert set(default) == kinds["ACK"]


async def test_tags_are_echoed(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        _, placed, _ = await client.signed(
            "POST", "/api/v3/order", f"{ORDER}&strategyId=7&strategyType=1000001"
        )
        query = f"symbol=BTCUSDT&orderId={placed['orderId']}"
        _, queried, _ = await client.signed("GET", "/api/v3/order", query)
        assert (queried["strategyId"], queried["strategyType"]) == (7, 1_000_001)
        assert (await client.signed("POST", "/api/v3/order", f"{ORDER}&strategyType=5"))[1]["code"] == -1134


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("GET", "/api/v3/time", "x=1", -1101),
        ("GET", "/api/v3/depth", "", -1102),
        ("GET", "/api/v3/depth", "symbol=BTCUSDT&symbol=BTCUSDT", -1101),
        ("GET", "/api/v3/depth", "symbol=btcusdt", -1100),
        ("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=x", -1100),
        ("GET", "/api/v3/exchangeInfo", "symbol=NOPE", -1121),
        ("GET", "/api/v3/exchangeInfo", "symbols=%5B%22BTCUSDT%22,%22NOPE%22%5D", -1121),
    ],
)
async def test_public_refusals(
    quiet_venue: RunningVenue, method: str, path: str, query: str, code: int
) -> None:
    async with raw_client(quiet_venue) as client:
        status, body, headers = await client.send(method, path, query, key=None)
        assert (status, body["code"]) == (400, code)
        assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("POST", "/api/v3/order", "", -1102),
        ("POST", "/api/v3/order", ORDER.replace("&price=50000", ""), -1102),
        ("POST", "/api/v3/order", ORDER + "&quoteOrderQty=5", -1106),
        ("POST", "/api/v3/order", ORDER + "&stopPrice=5", -1106),
        ("POST", "/api/v3/order", ORDER + "&icebergQty=5", -2010),
        ("POST", "/api/v3/order", ORDER + "&side=SELL", -1101),
        ("POST", "/api/v3/order", ORDER + "&selfTradePreventionMode=EXPIRE_MAKER", -1013),
        ("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET", -1102),
        ("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&quoteOrderQty=9", -1128),
        ("POST", "/api/v3/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=9", -2010),
        ("GET", "/api/v3/order", "symbol=BTCUSDT", -1102),
        ("GET", "/api/v3/myTrades", "symbol=BTCUSDT&startTime=1&endTime=90000000", -1127),
        ("DELETE", "/api/v3/order", "symbol=BTCUSDT&orderId=1&cancelRestrictions=SOME", -1145),
        ("GET", "/api/v3/account", "omitZeroBalances=maybe", -1130),
    ],
)
async def test_signed_refusals(
    quiet_venue: RunningVenue, method: str, path: str, query: str, code: int
) -> None:
    async with raw_client(quiet_venue) as client:
        status, body, _ = await client.signed(method, path, query)
        assert (status, body["code"]) == (400, code), body


async def test_unknown_paths_and_methods_are_a_page(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        for method, path in (
            ("GET", "/api/v3/nothing"),
            ("PUT", "/api/v3/order"),
            ("GET", "/"),
            ("GET", "/ws"),
        ):
            status, body, headers = await client.send(method, path)
            assert (status, headers["Content-Type"].split(";")[0]) == (404, "text/html")
            assert "404" in body


async def test_cancel_restrictions(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        _, placed, _ = await client.signed("POST", "/api/v3/order", ORDER)
        query = f"symbol=BTCUSDT&orderId={placed['orderId']}&cancelRestrictions="
        _, refused, _ = await client.signed("DELETE", "/api/v3/order", query + "ONLY_PARTIALLY_FILLED")
        assert refused["code"] == -2011
        _, done, _ = await client.signed("DELETE", "/api/v3/order", query + "ONLY_NEW")
        assert done["status"] == "CANCELED"


async def test_an_order_is_its_accounts_and_its_symbols_alone(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as mine, raw_client(quiet_venue, "trader-02") as theirs:
        _, placed, _ = await mine.signed("POST", "/api/v3/order", ORDER)
        number, name = placed["orderId"], placed["clientOrderId"]

        async def code(client: RawClient, query: str) -> Any:
            return (await client.signed("GET", "/api/v3/order", query))[1].get("code", 0)

        assert await code(mine, f"symbol=BTCUSDT&orderId={number}&origClientOrderId={name}") == 0
        assert await code(mine, f"symbol=BTCUSDT&orderId={number}&origClientOrderId=other") == -2013
        assert await code(mine, f"symbol=ETHUSDT&orderId={number}") == -2013
        assert await code(theirs, f"symbol=BTCUSDT&orderId={number}") == -2013
        assert await code(theirs, f"symbol=BTCUSDT&origClientOrderId={name}") == -2013


async def test_pages_of_orders_and_trades(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as mine, raw_client(quiet_venue, "trader-02") as theirs:
        for _ in range(5):
            await mine.signed("POST", "/api/v3/order", ORDER)
            sell = ORDER.replace("BUY", "SELL")
            await theirs.signed("POST", "/api/v3/order", sell)
        _, orders, _ = await mine.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT")
        _, trades, _ = await mine.signed("GET", "/api/v3/myTrades", "symbol=BTCUSDT")
        assert len(orders) == len(trades) == 5
        second = orders[1]["orderId"]
        _, page, _ = await mine.signed("GET", "/api/v3/allOrders", f"symbol=BTCUSDT&orderId={second}&limit=2")
        assert page == orders[1:3]
        _, page, _ = await mine.signed("GET", "/api/v3/allOrders", "symbol=BTCUSDT&limit=2")
        assert page == orders[3:]
        _, page, _ = await mine.signed("GET", "/api/v3/myTrades", f"symbol=BTCUSDT&orderId={second}")
        assert page == trades[1:2]
        _, page, _ = await mine.signed(
            "GET", "/api/v3/myTrades", f"symbol=BTCUSDT&fromId={trades[2]['id']}&limit=2"
        )
        assert page == trades[2:4]
        last = trades[4]["time"]
        _, page, _ = await mine.signed("GET", "/api/v3/myTrades", f"symbol=BTCUSDT&startTime={last + 1}")
        assert page == []
        _, page, _ = await mine.signed("GET", "/api/v3/myTrades", f"symbol=BTCUSDT&endTime={last}")
        assert page == trades
