"""What goes out to set a venue's dead man's timer, and which answers confirm it; no network."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trader.venue_wire import connected, symbol_of
from trader.venue.breaker import State
from trader.venue.dead_man import TimerError, left_seconds, set_timer
from trader.venue.endpoints import Endpoint
from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.gateway import Gateway
from trader.venue.venues import RULES, Scope, rule_of

KRAKEN_NOW = "2023-03-24T17:41:56Z"
# venue: path, what it carries for 30 s and for a stop, the answers to both
ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any], Any, Any]] = {
    "binanceusdm": (
        "/fapi/v1/countdownCancelAll",
        {"symbol": "BTCUSDT", "countdownTime": "30000", "recvWindow": "5000"},
        {"symbol": "BTCUSDT", "countdownTime": "0"},
        {"symbol": "BTCUSDT", "countdownTime": "30000"},
        {"symbol": "BTCUSDT", "countdownTime": "0"},
    ),
    "kraken": (
        "/0/private/CancelAllOrdersAfter",
        {"timeout": "30"},
        {"timeout": "0"},
        {"error": [], "result": {"currentTime": KRAKEN_NOW, "triggerTime": "2023-03-24T17:42:26Z"}},
        {"error": [], "result": {"currentTime": KRAKEN_NOW, "triggerTime": "0"}},
    ),
    "krakenfutures": (
        "/api/v3/cancelallordersafter",
        {"timeout": "30"},
        {"timeout": "0"},
        {
            "result": "success",
            "serverTime": "2018-06-19T16:51:23.839Z",
            "status": {
                "currentTime": "2018-06-19T16:51:23.839Z",
                "triggerTime": "2018-06-19T16:51:53.839Z",
            },
        },
        {"result": "success", "status": {"currentTime": "2018-06-19T16:51:23.839Z", "triggerTime": "0"}},
    ),
    "okx": (
        "/api/v5/trade/cancel-all-after",
        {"timeOut": 30},
        {"timeOut": 0},
        {"code": "0", "msg": "", "data": [{"triggerTime": "1587971430000", "ts": "1587971400000"}]},
        {"code": "0", "msg": "", "data": [{"triggerTime": "0", "ts": "1587971400000"}]},
    ),
}
VENUES = sorted(ROWS)


async def ask(gateway: Gateway, venue: str, seconds: int, *symbols: str) -> None:
    await set_timer(gateway.exchange, rule_of(venue), list(symbols) or [symbol_of(venue)], seconds, 5.0)


def test_every_venue_with_a_timer_is_covered() -> None:
    assert {venue for venue, rule in RULES.items() if rule.dead_man.scope is not Scope.NONE} == set(ROWS)
    assert all(rule.dead_man.note for rule in RULES.values())


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("stop", [False, True], ids=["set", "stop"])
async def test_it_goes_out_word_for_word(venue: str, stop: bool) -> None:
    path, carries, stops, confirmed, stopped = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer(path, stopped if stop else confirmed)
    await ask(gateway, venue, 0 if stop else 30)
    [request] = wire.requests
    assert (request.method, request.path.endswith(path)) == ("POST", True)
    wanted = stops if stop else carries
    assert {key: request.values.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("venue", VENUES)
async def test_it_is_asked_for_in_the_cancels_class(venue: str) -> None:
    """A breaker that is open lets nothing else pass."""
    path, _, _, confirmed, _ = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer(path, (500, "{}"))
    for _ in range(6):
        with pytest.raises(TimerError):
            await ask(gateway, venue, 30)
    assert gateway.wire.breakers.states()[Endpoint.DEAD_MAN] is State.OPEN
    wire.answer(path, confirmed)
    await ask(gateway, venue, 30)


@pytest.mark.parametrize("venue", VENUES)
async def test_an_answer_that_does_not_confirm_is_no_confirmation(venue: str) -> None:
    path, _, _, confirmed, stopped = ROWS[venue]
    gateway, wire = await connected(venue)
    for seconds, answer in ((30, stopped), (0, confirmed), (60, confirmed), (20, confirmed)):
        wire.answer(path, answer)
        with pytest.raises(TimerError) as caught:
            await ask(gateway, venue, seconds)
        assert not caught.value.untouched


@pytest.mark.parametrize("venue", VENUES)
async def test_an_answer_without_its_fields_is_no_confirmation(venue: str) -> None:
    gateway, wire = await connected(venue)
    wire.answer(ROWS[venue][0], {"error": [], "code": "0", "result": "success", "data": [{}]})
    with pytest.raises(TimerError):
        await ask(gateway, venue, 30)


def test_okx_documents_milliseconds_and_shows_seconds() -> None:
    answer = {"data": [{"triggerTime": "1587971460", "ts": "1587971400"}]}
    assert left_seconds("okx", answer) == 60


@pytest.mark.parametrize(
    ("answers", "untouched"),
    [
        ([(401, {"code": -2015, "msg": "Invalid API-key"})], True),  # all refused
        ([(200, {"symbol": "BTCUSDT", "countdownTime": "30000"}), (401, {"code": -2015})], False),
        ([(401, {"code": -2015}), TimeoutError()], False),
    ],
)
async def test_one_contract_of_several_that_may_have_been_set_counts(answers: Any, untouched: bool) -> None:
    gateway, wire = await connected("binanceusdm")
    gateway.exchange.markets["ETH/USDT:USDT"] = {"id": "ETHUSDT", "symbol": "ETH/USDT:USDT"}
    wire.answer("countdownCancelAll", *answers)
    with pytest.raises(TimerError) as caught:
        await ask(gateway, "binanceusdm", 30, "BTC/USDT:USDT", "ETH/USDT:USDT")
    assert caught.value.untouched is untouched
    assert "of 2 failed" in str(caught.value)


async def test_every_contract_has_a_timer_of_its_own() -> None:
    gateway, wire = await connected("binanceusdm")
    gateway.exchange.markets["ETH/USDT:USDT"] = {"id": "ETHUSDT", "symbol": "ETH/USDT:USDT"}
    wire.answer("countdownCancelAll", lambda request: {**request.values, "symbol": request.values["symbol"]})
    await ask(gateway, "binanceusdm", 30, "BTC/USDT:USDT", "ETH/USDT:USDT")
    assert [request.values["symbol"] for request in wire.requests] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("venue", sorted(RULES))
async def test_the_public_question_is_where_ccxt_asks_it(venue: str) -> None:
    rule = rule_of(venue)
    exchange = make_exchange(VenueAccess(venue, None, None, 5_000, 2_000, host="trader-01"))
    asked = []

    async def fetch(url: str, *_: Any) -> Any:
        asked.append(url)
        raise TimeoutError

    exchange.fetch = fetch
    has = exchange.has["fetchTime"]
    question = exchange.fetch_time if has else exchange.publicGetInstrumentsSymbolStatus
    with pytest.raises(TimeoutError):
        await question({"symbol": "PF_XBTUSD"} if not has else {})
    assert asked == [rule.public_time.format(domain=rule.domain)]
    await exchange.close()


@pytest.mark.parametrize("venue", ["binance", "binanceusdm"])
async def test_the_public_question_moves_with_the_hostname(venue: str) -> None:
    rule = rule_of(venue)
    exchange = make_exchange(VenueAccess(venue, "venue.test:8443", None, 5_000, 2_000, host="trader-01"))
    asked = []

    async def fetch(url: str, *_: Any) -> Any:
        asked.append(url)
        raise TimeoutError

    exchange.fetch = fetch
    with pytest.raises(TimeoutError):
        await exchange.fetch_time()
    assert asked == [rule.public_time.format(domain="venue.test:8443")]
    await exchange.close()
