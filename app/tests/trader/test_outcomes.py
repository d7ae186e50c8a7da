"""Every row of the table: what an error or an answer proves about a new order."""

import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from trader.venue.outcomes import Outcome, is_absent, judge_answer, judge_error, venue_code
from trader.venue.slim_ccxt import errors

NOT_PLACED, PLACED_BEFORE, UNKNOWN = Outcome.NOT_PLACED, Outcome.PLACED_BEFORE, Outcome.UNKNOWN
KEY = ConnectionKey("api.venue.test", 443, True, True, None, None, None)


def raised(kind: Any, text: str = "", status: int | None = None, cause: BaseException | None = None) -> Any:
    error = kind(f"binance {text}")
    error.__cause__ = cause
    if status is not None:
        error.http_status, error.http_body = status, text
    return error


def body(code: int, message: str = "text") -> str:
    return f'{{"code":{code},"msg":"{message}"}}'


CASES = [
    # never sent
    (raised(errors.ExchangeNotAvailable, cause=socket.gaierror(-2, "name unknown")), NOT_PLACED),
    (
        raised(errors.ExchangeNotAvailable, cause=aiohttp.ClientConnectorError(KEY, OSError(111, "no"))),
        NOT_PLACED,
    ),
    (
        raised(errors.ExchangeNotAvailable, cause=aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "no"))),
        NOT_PLACED,
    ),
    (raised(errors.RequestTimeout, cause=aiohttp.ConnectionTimeoutError("connect")), NOT_PLACED),
    # refused by the venue, or by ccxt before it sent anything
    (raised(errors.InvalidNonce, body(-1021), 400), NOT_PLACED),
    (raised(errors.AuthenticationError, body(-2014), 401), NOT_PLACED),
    (raised(errors.PermissionDenied, body(-1002), 401), NOT_PLACED),
    (raised(errors.BadSymbol, body(-1121), 400), NOT_PLACED),
    (raised(errors.BadRequest, body(-1104), 400), NOT_PLACED),
    (raised(errors.ArgumentsRequired), NOT_PLACED),
    (raised(errors.NotSupported), NOT_PLACED),
    (raised(errors.InsufficientFunds, body(-2010, "Account has insufficient balance"), 400), NOT_PLACED),
    (raised(errors.InvalidOrder, body(-1013, "Filter failure: LOT_SIZE"), 400), NOT_PLACED),
    (raised(errors.OrderImmediatelyFillable, body(-2010, "would immediately match"), 400), NOT_PLACED),
    (raised(errors.MarketClosed, body(-1013, "Market is closed."), 400), NOT_PLACED),
    # limited: only the status proves that the request was turned away
    (raised(errors.DDoSProtection, "429 Too Many Requests", 429), NOT_PLACED),
    (raised(errors.DDoSProtection, "418 I'm a teapot", 418), NOT_PLACED),
    (raised(errors.RateLimitExceeded, body(-1003), 429), NOT_PLACED),
    (raised(errors.RateLimitExceeded, body(-1003), 500), UNKNOWN),
    (raised(errors.DDoSProtection, body(-2015, "Invalid API-key"), 401), NOT_PLACED),
    # 503 in its two meanings
    (raised(errors.ExchangeNotAvailable, "Service Unavailable.", 503), NOT_PLACED),
    (raised(errors.OperationFailed, body(-1000, "Unknown error, please check your request"), 503), UNKNOWN),
    (raised(errors.ExchangeNotAvailable, "binance POST 503 Service Unavailable <html>", 503), UNKNOWN),
    # the venue has this id already
    (raised(errors.DuplicateOrderId, body(-4116), 400), PLACED_BEFORE),
    (raised(errors.InvalidOrder, body(-2010, "Duplicate order sent."), 400), PLACED_BEFORE),
    (raised(errors.ExchangeError, body(-4116), 400), PLACED_BEFORE),
    # anything may have happened
    (raised(errors.RequestTimeout, cause=TimeoutError()), UNKNOWN),
    (raised(errors.RequestTimeout, body(-1007), 504), UNKNOWN),
    (raised(errors.ExchangeNotAvailable, cause=aiohttp.ServerDisconnectedError()), UNKNOWN),
    (raised(errors.ExchangeNotAvailable, "502 Bad Gateway <html>", 502), UNKNOWN),
    (raised(errors.OperationFailed, body(-1000), 500), UNKNOWN),
    (raised(errors.OperationFailed, body(-1001), 500), UNKNOWN),
    (raised(errors.OperationFailed, body(-1006), 500), UNKNOWN),
    (raised(errors.BadResponse), UNKNOWN),
    (raised(errors.NullResponse), UNKNOWN),
    (raised(errors.ExchangeError, cause=aiohttp.ClientPayloadError("truncated")), UNKNOWN),
    (raised(errors.NetworkError, "closed by remote server"), UNKNOWN),
    (TimeoutError(), UNKNOWN),
    (ConnectionResetError(104, "reset"), UNKNOWN),
    (ValueError("what is this"), UNKNOWN),
]


@pytest.mark.parametrize(("error", "outcome"), CASES, ids=lambda value: str(value)[:60])
def test_errors(error: BaseException, outcome: Outcome) -> None:
    assert judge_error(error, "binance") is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"id": "1", "clientOrderId": "a-1-1"}, Outcome.ACKNOWLEDGED),
        ({"id": None, "clientOrderId": "a-1-1"}, UNKNOWN),  # 200 with HTML or broken JSON
        ({"id": "1", "clientOrderId": "a-1-2"}, UNKNOWN),
        ({"id": "1", "clientOrderId": None}, UNKNOWN),
        ({}, UNKNOWN),
        (None, UNKNOWN),
        ("<html>", UNKNOWN),
    ],
)
def test_answers(answer: Any, outcome: Outcome) -> None:
    assert judge_answer(answer, "a-1-1") is outcome


def test_codes_are_read_from_body_or_message() -> None:
    assert venue_code(raised(errors.ExchangeError, body(-2010)), "binance") == "-2010"
    assert venue_code(raised(errors.ExchangeError, "no code"), "binance") is None


def test_only_the_venue_can_say_that_an_order_is_absent() -> None:
    assert is_absent(raised(errors.OrderNotFound, body(-2013), 400), "binance")
    assert not is_absent(raised(errors.RequestTimeout), "binance")
    assert is_absent(raised(errors.InvalidOrder, '{"error":["EOrder:Unknown order"]}', 200), "kraken")
    assert not is_absent(raised(errors.InvalidOrder, '{"error":["EOrder:Invalid price"]}', 200), "kraken")
