"""How ccxt is set up: from its own request building, no network."""

from pathlib import Path
from typing import Any

import pytest

from trader.venue.exchange import VenueAccess, make_exchange, user_stream_url
from trader.venue.outcomes import Outcome, judge_error
from trader.venue.slim_ccxt import errors

ACCESS = VenueAccess("binance", "venue.lab:8443", Path("/etc/trader/ca.pem"), 3_000, 2_000, "key", "secret")


def urls(tree: Any) -> list[str]:
    return [url for value in tree.values() for url in urls(value)] if isinstance(tree, dict) else [tree]


def test_nothing_leaves_the_given_host() -> None:
    exchange = make_exchange(ACCESS)
    assert {url.split("/")[2] for url in urls(exchange.urls["api"])} == {"api.venue.lab:8443"}
    assert user_stream_url(exchange) == "wss://api.venue.lab:8443/ws-api/v3"
    assert exchange.cafile == "/etc/trader/ca.pem"


def test_without_a_hostname_it_is_the_real_venue() -> None:
    exchange = make_exchange(VenueAccess("binance", None, None, 3_000, 2_000))
    assert exchange.urls["api"]["private"] == "https://api.binance.com/api/v3"


def test_what_could_place_an_order_twice_or_keep_it_waiting_is_off() -> None:
    exchange = make_exchange(ACCESS)
    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.enableRateLimit is False
    assert exchange.options["ws"]["keepAlive"] <= 10_000
    assert exchange.timeout == 2_000
    signed = exchange.sign("order", ["private"], "POST", {"symbol": "BTCUSDT"})
    assert "recvWindow=3000" in signed["body"]


def test_numbers_are_text() -> None:
    exchange = make_exchange(ACCESS)
    assert exchange.parse_number("0.10000000000000000001") == "0.10000000000000000001"


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(ACCESS).replace("api_secret", "")
    assert "'key'" not in repr(ACCESS)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (400, '{"code":-2010,"msg":"Duplicate order sent."}', Outcome.PLACED_BEFORE),
        (
            400,
            '{"code":-2010,"msg":"Account has insufficient balance."}',
            Outcome.NOT_PLACED,
        ),
        (
            400,
            '{"code":-1021,"msg":"Timestamp is outside of the recvWindow."}',
            Outcome.NOT_PLACED,
        ),
        (429, '{"code":-1003,"msg":"Too many requests"}', Outcome.NOT_PLACED),
        (503, '{"code":-1000,"msg":"Unknown error, please check your request."}', Outcome.UNKNOWN),
        (504, '{"code":-1007,"msg":"Timeout waiting for response."}', Outcome.UNKNOWN),
    ],
)
def test_errors_carry_their_evidence(status: int, body: str, outcome: Outcome) -> None:
    exchange = make_exchange(ACCESS)
    url = "https://api.venue.lab:8443/api/v3/order"
    headers, answer = {"Retry-After": "7"}, exchange.parse_json(body)
    with pytest.raises(errors.BaseError) as caught:
        exchange.handle_errors(status, "reason", url, "POST", headers, body, answer, {}, "")
    assert caught.value.http_status == status
    assert caught.value.http_body == body
    assert caught.value.retry_after_seconds == 7
    assert judge_error(caught.value) is outcome


def test_a_bare_status_carries_its_evidence() -> None:
    exchange = make_exchange(ACCESS)
    with pytest.raises(errors.ExchangeNotAvailable) as caught:
        exchange.handle_http_status_code(
            503, "Service Unavailable", "https://x", "POST", "Service Unavailable."
        )
    assert judge_error(caught.value) is Outcome.NOT_PLACED
