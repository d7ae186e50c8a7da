"""How ccxt is set up: from its own request building, no network."""

from pathlib import Path
from typing import Any

import pytest

from trader.venue import exchange as exchange_module
from trader.venue.channels import CHANNELS
from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.option_rules import check_options
from trader.venue.outcomes import Outcome, judge_error
from trader.venue.slim_ccxt import errors
from trader.venue.venues import RULES

ACCESS = VenueAccess("binance", "venue.lab:8443", Path("/etc/trader/ca.pem"), 3_000, 2_000, "key", "secret")


def urls(tree: Any) -> list[str]:
    return [url for value in tree.values() for url in urls(value)] if isinstance(tree, dict) else [tree]


def access(venue: str, hostname: str | None = None) -> VenueAccess:
    return VenueAccess(venue, hostname, None, 5_000, 2_000, "key", "c2VjcmV0", "words", "trader-01")


def test_nothing_leaves_the_given_host() -> None:
    exchange = make_exchange(ACCESS)
    assert {url.split("/")[2] for url in urls(exchange.urls["api"])} == {"api.venue.lab:8443"}
    assert CHANNELS["binance"].carries("wss://api.venue.lab:8443/ws-api/v3")
    assert exchange.cafile == "/etc/trader/ca.pem"


def test_usdm_moves_with_its_own_names() -> None:
    exchange = make_exchange(access("binanceusdm", "venue.lab:8443"))
    hosts = {url.split("/")[2] for url in urls(exchange.urls["api"])}
    assert hosts == {f"{name}.venue.lab:8443" for name in ("api", "fapi", "fstream", "ws-fapi")}
    # The names are what ccxt picks its table of codes by.
    url = "https://fapi.venue.lab:8443/fapi/v1/order"
    with pytest.raises(errors.InvalidOrder):
        exchange.handle_errors(400, "", url, "POST", {}, "x", {"code": -4116, "msg": "duplicate"}, {}, "")


@pytest.mark.parametrize("venue", sorted(set(RULES) - {"binance", "binanceusdm"}))
def test_a_venue_that_cannot_be_moved_says_so(venue: str) -> None:
    with pytest.raises(ValueError, match=rf"venue\.hostname: {venue} cannot be pointed at another host"):
        make_exchange(access(venue, "venue.lab:8443"))


def test_a_venue_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"venue\.id: 'gate' is not covered"):
        make_exchange(access("gate"))


@pytest.mark.parametrize("venue", sorted(RULES))
def test_every_venue_is_set_up_to_lose_nothing(venue: str) -> None:
    exchange = make_exchange(access(venue))
    assert check_options(exchange.options) is None
    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.enableRateLimit is False
    assert exchange.number is str
    assert exchange.parse_number("0.10000000000000000001") == "0.10000000000000000001"
    assert exchange.extend(exchange.streaming, exchange.options["ws"])["keepAlive"] <= 10_000


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, None),
        ({"maxRetriesOnFailure": 0, "order": {"maxRetriesOnFailure": 0}}, None),
        ({"maxRetriesOnFailure": 2}, "maxRetriesOnFailure: must be 0, not 2"),
        ({"maxRetriesOnFailure": None}, "maxRetriesOnFailure: must be 0, not None"),
        ({"maxRetriesOnFailure": "1"}, "maxRetriesOnFailure: must be 0, not '1'"),
        # ccxt looks for the option under the path of the request first
        ({"order": {"maxRetriesOnFailure": 1}}, "order.maxRetriesOnFailure: must be 0, not 1"),
    ],
)
def test_retries_inside_ccxt_are_refused(options: dict[str, Any], line: str | None) -> None:
    wrong = check_options(options)
    assert (wrong or "").split(": a retry")[0] == (line or "")


def test_retries_that_come_with_ccxt_itself_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(exchange_module._OPTIONS, "kraken", {"AddOrder": {"maxRetriesOnFailure": 3}})
    with pytest.raises(ValueError, match=r"venue\.ccxt_options\.AddOrder\.maxRetriesOnFailure: must be 0"):
        make_exchange(access("kraken"))


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
    assert judge_error(caught.value, "binance") is outcome


def test_a_bare_status_carries_its_evidence() -> None:
    exchange = make_exchange(ACCESS)
    with pytest.raises(errors.ExchangeNotAvailable) as caught:
        exchange.handle_http_status_code(
            503, "Service Unavailable", "https://x", "POST", "Service Unavailable."
        )
    assert judge_error(caught.value, "binance") is Outcome.NOT_PLACED
