"""Every fault of a request, on both transports: what ccxt makes of it, and what the venue truly holds."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.venue_sim.clients import ccxt_client, frames, raw_client
from tests.venue_sim.support import RunningVenue

SYMBOL = "BTC/USDT"
ORDER: tuple[Any, ...] = (SYMBOL, "limit", "buy", "0.001", "50000")
PARAMS = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"
MINE = "t-1"
UNAVAILABLE = {"kind": "error", "http_status": 503, "body": "Service Unavailable."}
UNKNOWN_503 = {
    "kind": "error",
    "http_status": 503,
    "message": "Unknown error, please check your request or try again later.",
}
NO_ANSWER = "no answer"
"""ccxt waits for ever for what the WebSocket API does not answer."""

# The answer as ccxt hands it on when the order is live, or the exception's exact class.
LIVE = {"id": True, "clientOrderId": MINE}
NAMELESS = {"id": None, "clientOrderId": None}
ANOTHER = {"id": True, "clientOrderId": "another"}

TABLE: list[tuple[dict[str, Any], Any, Any]] = [
    # fault                                     over REST                      over the WebSocket API
    ({"kind": "latency", "latency_ms": 50},     LIVE,                          LIVE),
    ({"kind": "error", "code": -1000},          ccxt.OperationFailed,          ccxt.OperationFailed),
    ({"kind": "error", "code": -1001},          ccxt.OperationFailed,          ccxt.OperationFailed),
    ({"kind": "error", "code": -1003, "http_status": 429}, ccxt.DDoSProtection, ccxt.RateLimitExceeded),
    ({"kind": "error", "code": -1003, "http_status": 418}, ccxt.DDoSProtection, ccxt.RateLimitExceeded),
    ({"kind": "error", "code": -1006},          ccxt.OperationFailed,          ccxt.OperationFailed),
    ({"kind": "error", "code": -1007, "http_status": 504}, ccxt.RequestTimeout, ccxt.RequestTimeout),
    ({"kind": "error", "code": -1008, "http_status": 503}, ccxt.OperationFailed, ccxt.ExchangeError),
    ({"kind": "error", "code": -1015, "http_status": 429}, ccxt.DDoSProtection, ccxt.RateLimitExceeded),
    ({"kind": "error", "code": -1021, "http_status": 400}, ccxt.InvalidNonce,  ccxt.InvalidNonce),
    ({"kind": "error", "code": -4116, "http_status": 400}, ccxt.ExchangeError, ccxt.ExchangeError),
    (UNAVAILABLE,                               ccxt.ExchangeNotAvailable,     ccxt.OperationFailed),
    (UNKNOWN_503,                               ccxt.OperationFailed,          ccxt.OperationFailed),
    ({"kind": "hang"},                          ccxt.RequestTimeout,           NO_ANSWER),
    ({"kind": "reset"},                         ccxt.ExchangeNotAvailable,     ccxt.NetworkError),
    ({"kind": "close"},                         ccxt.ExchangeNotAvailable,     ccxt.NetworkError),
    ({"kind": "truncated"},                     ccxt.ExchangeError,            ccxt.NetworkError),
    ({"kind": "html"},                          ccxt.ExchangeNotAvailable,     None),
    ({"kind": "html", "http_status": 200},      NAMELESS,                      None),
    ({"kind": "bad_json"},                      NAMELESS,                      NO_ANSWER),
    ({"kind": "empty"},                         NAMELESS,                      NO_ANSWER),
    ({"kind": "other_id", "stage": "after"},    ANOTHER,                       ANOTHER),
    ({"kind": "no_id", "stage": "after"},       NAMELESS,                      NAMELESS),
]  # fmt: skip

CASES = [
    pytest.param(
        fault | {"transport": transport, "stage": stage},
        expected,
        id=f"{'-'.join(str(v)[:20] for v in fault.values())}-{transport}-{stage}",
    )
    for fault, over_rest, over_ws in TABLE
    for transport, expected in (("rest", over_rest), ("ws", over_ws))
    if expected is not None
    for stage in ((fault["stage"],) if "stage" in fault else ("before", "after"))
]


async def place(client: Any, transport: str, symbol: str = SYMBOL, amount: str = "0.001") -> Any:
    """Place an order as ccxt's user would: what is returned, the exception's class, or that nothing came."""
    order = (symbol, "limit", "buy", amount, "50000", {"newClientOrderId": MINE})
    try:
        if transport == "rest":
            placed = await client.create_order(*order)
        else:
            call = client.create_order_ws(*order)
            placed = await asyncio.wait_for(call, client.timeout / 1000)
    except TimeoutError:
        return NO_ANSWER
    except ccxt.BaseError as error:
        return type(error)
    named = placed["clientOrderId"]
    return {
        "id": placed["id"] and True,
        "clientOrderId": named if named in (None, MINE) else "another",
    }


@pytest.mark.parametrize(("fault", "expected"), CASES)
async def test_what_ccxt_makes_of_it_and_what_is_true(
    quiet_venue: RunningVenue, fault: dict[str, Any], expected: Any
) -> None:
    # A frame that ccxt cannot read raises in its own callback: the caller hears nothing.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    async with ccxt_client(quiet_venue, timeout=10_000) as client:
        await client.load_markets()
        number = quiet_venue.fault(**fault, endpoint="order.place", count=1)
        if expected == NO_ANSWER or fault["kind"] == "hang":
            client.timeout = 500
        assert await place(client, fault["transport"]) == expected
        client.timeout = 10_000
        quiet_venue.admin("DELETE", "/faults")
        # A lookup by client order id tells the truth, whatever was answered.
        acted = fault["stage"] == "after" or fault["kind"] == "latency"
        if acted:
            found = await client.fetch_order(None, SYMBOL, {"origClientOrderId": MINE})
            assert (found["clientOrderId"], found["status"]) == (MINE, "open")
        else:
            with pytest.raises(ccxt.OrderNotFound):
                await client.fetch_order(None, SYMBOL, {"origClientOrderId": MINE})
    (hit,) = [entry for entry in quiet_venue.record(kind="request") if entry["fault"] == number]
    caused = [e for e in quiet_venue.record(kind="order") if e["request_id"] == hit["request_id"]]
    assert len(caused) == acted
    silent = fault["kind"] in ("latency", "error", "other_id", "no_id")
    assert hit["outcome"] == ("answered" if silent else fault["kind"])
    assert (hit["http_status"] is None) == (fault["kind"] in ("hang", "reset", "close"))


@pytest.mark.parametrize(
    ("code", "message", "over_rest", "over_ws"),
    [
        (-2010, "Account has insufficient balance for requested action.", *[ccxt.InsufficientFunds] * 2),
        (-2010, "Duplicate order sent.", *[ccxt.InvalidOrder] * 2),
        (-2010, "Order would immediately match and take.", *[ccxt.OrderImmediatelyFillable] * 2),
        (-2010, "Market is closed.", *[ccxt.MarketClosed] * 2),
        (-2010, "This symbol is restricted for this account.", *[ccxt.InvalidOrder] * 2),
        # Over REST ccxt reads the whole body before it looks at the code, over the WebSocket API it does not.
        (-1013, "Filter failure: PRICE_FILTER", ccxt.InvalidOrder, ccxt.BadRequest),
        (-1104, None, *[ccxt.BadRequest] * 2),
        (-2015, None, *[ccxt.AuthenticationError] * 2),
    ],
)
async def test_refusals_with_a_text_of_their_own(
    quiet_venue: RunningVenue,
    code: int,
    message: str | None,
    over_rest: type[Exception],
    over_ws: type[Exception],
) -> None:
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        quiet_venue.fault(kind="error", code=code, message=message, http_status=400, endpoint="order.place")
        assert await place(client, "rest") is over_rest
        assert await place(client, "ws") is over_ws


async def test_unknown_and_missing_orders_can_be_pretended(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        placed = await client.create_order(*ORDER)
        for endpoint, code, call in (
            ("order.status", -2013, client.fetch_order),
            ("order.cancel", -2011, client.cancel_order),
        ):
            quiet_venue.fault(kind="error", code=code, http_status=400, endpoint=endpoint, count=1)
            with pytest.raises(ccxt.OrderNotFound):
                await call(placed["id"], SYMBOL)
        assert (await client.fetch_order(placed["id"], SYMBOL))["status"] == "open", "it was a lie"


async def test_a_cancel_whose_answer_is_lost(quiet_venue: RunningVenue) -> None:
    """aiohttp sends a DELETE again by itself when a used connection ends: the second cancel finds nothing."""
    async with ccxt_client(quiet_venue) as client:
        placed = await client.create_order(*ORDER)
        quiet_venue.fault(kind="close", endpoint="order.cancel", count=1)
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], SYMBOL)
        sent = [e["outcome"] for e in quiet_venue.record(kind="request") if e["endpoint"] == "order.cancel"]
        assert sent == ["close", "answered"]
        assert (await client.fetch_order(placed["id"], SYMBOL))["status"] == "canceled"


async def test_a_ban_refuses_every_request_and_tells_how_long(quiet_venue: RunningVenue) -> None:
    ban = {"kind": "error", "code": -1003, "http_status": 418, "message": "Way too much request weight used."}
    number = quiet_venue.fault(**ban, peer="127.0.0.1", retry_after_seconds=120)
    async with (
        ccxt_client(quiet_venue) as client,
        raw_client(quiet_venue) as raw,
        frames(quiet_venue) as connection,
    ):
        for path in ("/api/v3/time", "/api/v3/depth?symbol=BTCUSDT"):
            status, body, headers = await raw.send("GET", *path.partition("?")[::2], key=None)
            assert (status, body["code"], headers["Retry-After"]) == (418, -1003, "120")
        for call in (client.load_markets(), client.fetch_time()):
            with pytest.raises(ccxt.DDoSProtection):
                await call
        assert client.last_response_headers["Retry-After"] == "120"
        for method, path in (
            ("GET", "/api/v3/account"),
            ("POST", "/api/v3/order"),
            ("DELETE", "/api/v3/order"),
        ):
            assert (await raw.signed(method, path))[0] == 418
        refused = await connection.signed("order.place")
        assert (refused["status"], refused["error"]["code"]) == (418, -1003)
        data = refused["error"]["data"]
        assert data["retryAfter"] - data["serverTime"] == 120_000
        assert {e["http_status"] for e in quiet_venue.record(kind="request")} == {418}
        quiet_venue.admin("DELETE", f"/faults/{number}")
        assert (await raw.send("GET", "/api/v3/time", key=None))[0] == 200


async def test_a_ban_of_one_account_leaves_the_others_alone(quiet_venue: RunningVenue) -> None:
    quiet_venue.fault(kind="error", code=-1003, http_status=418, account="trader-01", retry_after_seconds=5)
    async with raw_client(quiet_venue) as mine, raw_client(quiet_venue, "trader-02") as theirs:
        for path, query in (("account", ""), ("openOrders", ""), ("myTrades", "symbol=BTCUSDT")):
            assert (await mine.signed("GET", f"/api/v3/{path}", query))[0] == 418
            assert (await theirs.signed("GET", f"/api/v3/{path}", query))[0] == 200


async def test_the_two_texts_of_503(quiet_venue: RunningVenue) -> None:
    async with raw_client(quiet_venue) as client:
        quiet_venue.fault(**UNAVAILABLE, endpoint="time", count=1)
        status, body, headers = await client.send("GET", "/api/v3/time", key=None)
        assert (status, body) == (503, "Service Unavailable.")
        assert headers["Content-Type"].startswith("text/plain")
        quiet_venue.fault(**UNKNOWN_503, endpoint="time", count=1)
        status, body, _ = await client.send("GET", "/api/v3/time", key=None)
        assert (status, body) == (503, {"code": -1000, "msg": UNKNOWN_503["message"]})


@pytest.mark.parametrize(
    ("kind", "error"), [("reset", ConnectionResetError), ("close", aiohttp.ServerDisconnectedError)]
)
async def test_how_a_connection_ends(quiet_venue: RunningVenue, kind: str, error: type[Exception]) -> None:
    async with raw_client(quiet_venue) as client:
        quiet_venue.fault(kind=kind, endpoint="order.place")
        with pytest.raises((aiohttp.ClientError, OSError)) as ended:
            await client.signed("POST", "/api/v3/order", PARAMS)
        chain = [ended.value, ended.value.__cause__]
        assert any(isinstance(link, error) for link in chain), chain


async def test_the_answer_may_come_after_the_fill(quiet_venue: RunningVenue) -> None:
    async with frames(quiet_venue) as stream, raw_client(quiet_venue) as mine:
        async with raw_client(quiet_venue, "trader-02") as theirs:
            await theirs.signed("POST", "/api/v3/order", PARAMS.replace("BUY", "SELL"))
        await stream.signed("userDataStream.subscribe.signature")
        number = quiet_venue.fault(
            kind="latency", latency_ms=3_600_000, stage="after", endpoint="order.place", account="trader-01"
        )
        answer = asyncio.create_task(
            mine.signed("POST", "/api/v3/order", f"{PARAMS}&newClientOrderId={MINE}")
        )
        statuses: list[str] = []
        while statuses[-1:] != ["FILLED"]:
            event = (await stream.event())["event"]
            if event["e"] == "executionReport":
                assert event["c"] == MINE
                statuses.append(event["X"])
        assert not answer.done(), "the REST answer is still on its way"
        assert not [e for e in quiet_venue.record(kind="request") if e["fault"] == number]
        answer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await answer


async def test_the_late_answer_itself(quiet_venue: RunningVenue) -> None:
    async with ccxt_client(quiet_venue) as client:
        await client.load_markets()
        quiet_venue.fault(kind="latency", latency_ms=100, stage="after", endpoint="order.place", count=1)
        started = time.monotonic()
        placed = await client.create_order(*ORDER, {"clientOrderId": MINE})
        assert (placed["clientOrderId"], placed["status"]) == (MINE, "open")
        assert time.monotonic() - started >= 0.1
        (order,) = quiet_venue.record(kind="order")
        (hit,) = [e for e in quiet_venue.record(kind="request") if e["fault"]]
        assert order["seq"] < hit["seq"]
        assert hit["done_monotonic_ns"] - hit["arrival_monotonic_ns"] >= 100_000_000
