"""What each venue's refusals, duplicates and doubts become, through ccxt's own reading of them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from tests.trader.venue_wire import connected, order_at
from trader.venue.outcome_codes import CODES
from trader.venue.outcomes import Outcome, UnsendableError, judge_error
from trader.venue.slim_ccxt import errors
from trader.venue.venues import RULES

NOT_PLACED, PLACED_BEFORE, UNKNOWN = Outcome.NOT_PLACED, Outcome.PLACED_BEFORE, Outcome.UNKNOWN


def binance(code: int, message: str = "text") -> dict[str, Any]:
    return {"code": code, "msg": message}


def kraken(*codes: str) -> dict[str, Any]:
    return {"error": list(codes)}


def futures(status: str) -> dict[str, Any]:
    return {"result": "success", "sendStatus": {"status": status, "orderEvents": []}}


def bybit(code: int, message: str = "text") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": {}}


def okx(inner: str, outer: str = "1") -> dict[str, Any]:
    row = {"ordId": "", "clOrdId": "fa832445608ecade000100000000002a", "sCode": inner, "sMsg": "text"}
    return {"code": outer, "msg": "", "data": [row]}


def coinbase(error: str) -> dict[str, Any]:
    inner = {"error": error, "message": "text", "error_details": "", "preview_failure_reason": "UNKNOWN"}
    return {"success": False, "order_id": "", "error_response": inner}


# venue, HTTP status, body, outcome
CASES: list[tuple[str, int, Any, Outcome]] = [
    ("binance", 400, binance(-2010, "Account has insufficient balance"), NOT_PLACED),
    ("binance", 400, binance(-1013, "Filter failure: PRICE_FILTER"), NOT_PLACED),
    ("binance", 400, binance(-1021), NOT_PLACED),
    ("binance", 401, binance(-2015), NOT_PLACED),
    ("binance", 429, binance(-1003), NOT_PLACED),
    ("binance", 418, binance(-1003), NOT_PLACED),
    ("binance", 503, "Service Unavailable.", NOT_PLACED),
    ("binance", 400, binance(-2010, "Duplicate order sent."), PLACED_BEFORE),
    ("binance", 503, binance(-1000, "Unknown error, please check your request or try again later."), UNKNOWN),
    ("binance", 504, binance(-1007), UNKNOWN),
    ("binance", 500, binance(-1006), UNKNOWN),
    ("binance", 503, binance(-1008), UNKNOWN),
    ("binanceusdm", 400, binance(-2019, "Margin is insufficient."), NOT_PLACED),
    ("binanceusdm", 400, binance(-2022, "ReduceOnly Order is rejected."), NOT_PLACED),
    ("binanceusdm", 400, binance(-4116, "ClientOrderId is duplicated."), PLACED_BEFORE),
    ("binanceusdm", 408, binance(-1007), UNKNOWN),
    ("binanceusdm", 400, binance(-1006), UNKNOWN),
    ("binanceusdm", 503, binance(-1008), UNKNOWN),
    ("kraken", 200, kraken("EOrder:Insufficient funds"), NOT_PLACED),
    ("kraken", 200, kraken("EOrder:Order minimum not met"), NOT_PLACED),
    ("kraken", 200, kraken("EOrder:Rate limit exceeded"), NOT_PLACED),
    ("kraken", 200, kraken("EAPI:Rate limit exceeded"), NOT_PLACED),
    ("kraken", 200, kraken("EAPI:Invalid nonce"), NOT_PLACED),
    ("kraken", 200, kraken("EAPI:Invalid key"), NOT_PLACED),
    ("kraken", 200, kraken("EService:Market in cancel_only mode"), NOT_PLACED),
    ("kraken", 200, kraken("EOrder:Orders limit exceeded"), NOT_PLACED),
    ("kraken", 200, kraken("EService:Unavailable"), UNKNOWN),
    ("kraken", 200, kraken("EService:Busy"), UNKNOWN),
    ("kraken", 200, kraken("EService:Timeout"), UNKNOWN),
    ("kraken", 200, kraken("EService:Deadline elapsed"), UNKNOWN),
    ("kraken", 200, kraken("EGeneral:Internal error"), UNKNOWN),
    ("kraken", 200, kraken("EOrder:Something new"), UNKNOWN),
    ("kraken", 520, "<html>", UNKNOWN),
    ("krakenfutures", 200, futures("insufficientAvailableFunds"), NOT_PLACED),
    ("krakenfutures", 200, futures("postWouldExecute"), NOT_PLACED),
    ("krakenfutures", 200, futures("wouldNotReducePosition"), NOT_PLACED),
    ("krakenfutures", 200, futures("marketSuspended"), NOT_PLACED),
    ("krakenfutures", 200, futures("tooManySmallOrders"), NOT_PLACED),
    ("krakenfutures", 200, {"result": "error", "error": "apiLimitExceeded"}, NOT_PLACED),
    ("krakenfutures", 429, {"result": "error", "error": "apiLimitExceeded"}, NOT_PLACED),
    ("krakenfutures", 200, {"result": "error", "error": "authenticationError"}, NOT_PLACED),
    ("krakenfutures", 200, futures("clientOrderIdAlreadyExist"), PLACED_BEFORE),
    ("krakenfutures", 200, futures("notFound"), UNKNOWN),
    ("krakenfutures", 200, futures("aNewStatus"), UNKNOWN),
    ("krakenfutures", 200, {"result": "error", "error": "notFound"}, UNKNOWN),
    ("krakenfutures", 200, {"result": "error", "error": "Server Error"}, UNKNOWN),
    ("krakenfutures", 500, {"result": "error", "error": "unknownError"}, UNKNOWN),
    ("bybit", 200, bybit(170131, "Insufficient balance."), NOT_PLACED),
    ("bybit", 200, bybit(10002, "timestamp"), NOT_PLACED),
    ("bybit", 200, bybit(10003, "API key is invalid."), NOT_PLACED),
    ("bybit", 200, bybit(10006, "Too many visits."), NOT_PLACED),
    ("bybit", 200, bybit(170141, "Duplicate clientOrderId"), PLACED_BEFORE),
    ("bybit", 200, bybit(110072, "OrderLinkedID is duplicate"), PLACED_BEFORE),
    ("bybit", 200, bybit(12141, "Duplicate clientOrderId."), PLACED_BEFORE),
    ("bybit", 200, bybit(10000, "Server Timeout"), UNKNOWN),
    ("bybit", 200, bybit(10014, "Request is duplicate"), UNKNOWN),
    ("bybit", 200, bybit(10016, "System error"), UNKNOWN),
    ("bybit", 200, bybit(170007, "Timeout waiting for response from backend server."), UNKNOWN),
    ("bybit", 200, bybit(170035, "Submitted to the system for processing!"), UNKNOWN),
    ("bybit", 200, bybit(170146, "Order creation timeout"), UNKNOWN),
    ("bybit", 200, bybit(999999, "something new"), UNKNOWN),
    ("bybit", 200, bybit(170213, "Order does not exist."), UNKNOWN),  # no answer to a new order
    ("okx", 200, okx("51008"), NOT_PLACED),
    ("okx", 200, okx("51008", outer="2"), NOT_PLACED),
    ("okx", 200, okx("51008", outer="0"), NOT_PLACED),
    ("okx", 200, {"code": "50102", "msg": "Timestamp request expired", "data": []}, NOT_PLACED),
    ("okx", 401, {"code": "50111", "msg": "Invalid OK-ACCESS-KEY", "data": []}, NOT_PLACED),
    ("okx", 429, {"code": "50011", "msg": "Too Many Requests", "data": []}, NOT_PLACED),
    ("okx", 200, okx("50061"), NOT_PLACED),
    ("okx", 200, okx("51016"), PLACED_BEFORE),
    ("okx", 200, okx("51016", outer="0"), PLACED_BEFORE),
    ("okx", 200, {"code": "50004", "msg": "Endpoint request timeout", "data": []}, UNKNOWN),
    ("okx", 200, {"code": "50026", "msg": "System error", "data": []}, UNKNOWN),
    ("okx", 200, okx("51149"), UNKNOWN),
    ("okx", 200, okx("59999"), UNKNOWN),
    ("okx", 503, {"code": "50001", "msg": "Service temporarily unavailable", "data": []}, UNKNOWN),
    ("coinbase", 200, coinbase("INSUFFICIENT_FUND"), NOT_PLACED),
    ("coinbase", 200, coinbase("INVALID_LIMIT_PRICE_POST_ONLY"), NOT_PLACED),
    ("coinbase", 401, {"error": "unauthorized"}, NOT_PLACED),
    ("coinbase", 429, {"error": "rate_limit_exceeded"}, NOT_PLACED),
    ("coinbase", 200, {"error": "rate_limit_exceeded"}, UNKNOWN),
    ("coinbase", 200, coinbase("UNKNOWN_FAILURE_REASON"), UNKNOWN),
    ("coinbase", 200, coinbase("SOMETHING_NEW"), UNKNOWN),
    ("coinbase", 500, {"error": "internal_server_error"}, UNKNOWN),
]


@pytest.mark.parametrize(("venue", "status", "body", "outcome"), CASES)
async def test_a_venues_own_words(venue: str, status: int, body: Any, outcome: Outcome) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", (status, body))
    placed = await gateway.place(order_at(venue))
    assert placed.outcome is outcome, placed.error
    assert placed.report is None
    assert len(wire.requests) == 1


KEY = ConnectionKey("api.venue.test", 443, True, True, None, None, None)
CONNECTION: list[tuple[BaseException, Outcome]] = [
    (socket.gaierror(-2, "name unknown"), NOT_PLACED),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), NOT_PLACED),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), NOT_PLACED),
    (aiohttp.ConnectionTimeoutError("connect"), NOT_PLACED),
    (aiohttp.SocketTimeoutError("read"), UNKNOWN),
    (TimeoutError(), UNKNOWN),
    (aiohttp.ServerDisconnectedError(), UNKNOWN),
    (aiohttp.ClientOSError(104, "reset"), UNKNOWN),
    (aiohttp.ClientPayloadError("truncated"), UNKNOWN),
]


@pytest.mark.parametrize(("raised", "outcome"), CONNECTION, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("venue", sorted(RULES))
async def test_a_connection_that_fails(venue: str, raised: BaseException, outcome: Outcome) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", raised)
    assert (await gateway.place(order_at(venue))).outcome is outcome


@pytest.mark.parametrize("venue", sorted(RULES))
def test_what_every_venue_shares(venue: str) -> None:
    cases: list[tuple[BaseException, Outcome]] = [
        (asyncio.CancelledError(), UNKNOWN),
        (TimeoutError(), UNKNOWN),
        (errors.NetworkError("connection closed by remote server"), UNKNOWN),  # of a WebSocket
        (errors.ExchangeClosedByUser("closed"), UNKNOWN),
        (errors.ExchangeError("something"), UNKNOWN),
        (errors.OrderNotFound("no such order"), UNKNOWN),
        (errors.DuplicateOrderId("duplicate"), PLACED_BEFORE),
        (errors.ArgumentsRequired("before it was sent"), NOT_PLACED),
        (UnsendableError("before it was sent"), NOT_PLACED),
    ]
    for error, outcome in cases:
        assert judge_error(error, venue) is outcome, error


def test_a_refusal_with_a_server_error_is_none() -> None:
    error = errors.InvalidOrder("binance LOT_SIZE")
    assert judge_error(error, "binance") is NOT_PLACED
    error.http_status = 502
    assert judge_error(error, "binance") is UNKNOWN


async def test_a_cancelled_call_stays_cancelled() -> None:
    gateway, wire = await connected("binance")
    wire.answer("", asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await gateway.place(order_at("binance"))


def test_every_venue_has_codes_and_no_code_says_two_things() -> None:
    assert set(CODES) == set(RULES)
    for codes in CODES.values():
        sets = (codes.before, codes.unsure, codes.refused, codes.absent)
        assert sum(len(group) for group in sets) == len(frozenset().union(*sets))
