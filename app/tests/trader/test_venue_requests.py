"""What goes out to each venue and what its answers become, from ccxt's own request building; no network."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.trader.venue_answers import ROWS, replaced
from tests.trader.venue_wire import Request, connected, order_at, symbol_of
from trader.model.transitions import Signal
from trader.model.values import OrderKind
from trader.venue.interface import Found, VenueError, now_ms
from trader.venue.outcomes import Outcome
from trader.venue.venues import Answer, Cancel, Life, rule_of

VENUES = sorted(ROWS)
DERIVATIVES = ["binanceusdm", "krakenfutures"]


def ends_ms(venue: str, request: Request) -> int:
    """Until when (UTC) the venue may take this request, as the request itself says."""
    match rule_of(venue).life:
        case Life.RECV_WINDOW:
            return int(request.values["timestamp"]) + int(request.values["recvWindow"])
        case Life.RECV_WINDOW_HEADER:
            return int(request.headers["X-BAPI-TIMESTAMP"]) + int(request.headers["X-BAPI-RECV-WINDOW"])
        case Life.EXPIRY_HEADER:
            return int(request.headers["expTime"])
        case Life.DEADLINE:
            return int(datetime.fromisoformat(request.values["deadline"]).timestamp() * 1_000)
        case Life.PROCESS_BEFORE:
            return int(datetime.fromisoformat(request.values["processBefore"]).timestamp() * 1_000)
        case Life.SIGNATURE:
            payload = request.headers["Authorization"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return int(claims["exp"]) * 1_000


@pytest.mark.parametrize("venue", VENUES)
async def test_a_new_order_goes_out_word_for_word(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer(row.create, row.created)
    for path, answer in row.found.items():
        wire.answers.setdefault(path, [answer])
    before_ms = now_ms()
    placed = await gateway.place(order_at(venue))
    after_ms = now_ms()
    request = wire.requests[0]
    assert request.path.endswith(row.create)
    assert {key: request.values.get(key) for key in row.carries} == row.carries
    assert placed.outcome is Outcome.ACKNOWLEDGED, placed.error
    assert placed.report is not None
    assert (placed.report.client_id, placed.report.venue_order_id) == ("trader-01-1-42", row.venue_id)
    assert (placed.report.symbol, placed.report.signal) == (symbol_of(venue), Signal.OPENED)
    # the life that the gateway waits for is the one that the request has; Coinbase counts whole seconds
    slack = 1_000 if venue == "coinbase" else 0
    assert before_ms - slack <= ends_ms(venue, request) - gateway.recv_window_ms <= after_ms
    # nothing was asked that is not needed; a bare answer is confirmed by one query
    bare = rule_of(venue).answer is Answer.BARE
    assert len(wire.requests) == (2 if bare else 1)


@pytest.mark.parametrize("venue", VENUES)
async def test_numbers_are_never_rounded(venue: str) -> None:
    gateway, wire = await connected(venue)
    step = gateway.instruments[symbol_of(venue)].step_size
    for fields in ({"quantity": Decimal("0.0123") + step / 10}, {"price": Decimal("60000.5001")}):
        placed = await gateway.place(order_at(venue, **fields))
        assert placed.outcome is Outcome.NOT_PLACED
        assert "is off its grid of" in str(placed.error)
    assert wire.requests == []


@pytest.mark.parametrize(
    ("venue", "fields"),
    [
        ("okx", {"client_id": "web_1"}),  # cannot be spelled there
        ("kraken", {"client_id": "trader-01-65536-1"}),
        ("binance", {"symbol": "ETH/USDT"}),  # no rules known for it
    ],
)
async def test_what_cannot_be_sent_as_it_is_meant_is_not_sent(venue: str, fields: dict[str, Any]) -> None:
    gateway, wire = await connected(venue)
    order = order_at(venue)
    for name, value in fields.items():
        setattr(order, name, value)
    assert (await gateway.place(order)).outcome is Outcome.NOT_PLACED
    assert wire.requests == []


@pytest.mark.parametrize("venue", VENUES)
async def test_many_digits_arrive_as_they_are(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer(row.create, {})
    instrument = gateway.instruments[symbol_of(venue)]
    quantity = Decimal(8_999) + instrument.step_size  # a float would lose the end of it, or write an exponent
    await gateway.place(order_at(venue, quantity=quantity))
    assert f'"{quantity:f}"' in json.dumps(wire.requests[0].values)


@pytest.mark.parametrize("venue", VENUES)
async def test_an_answer_about_another_order_proves_nothing(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    for path, answer in row.found.items():
        wire.answer(path, replaced(answer, row, row.other_id))
    wire.answer(row.create, replaced(row.created, row, row.other_id))
    if rule_of(venue).answer is Answer.BARE:
        for path, answer in row.absent.items():
            wire.answers.setdefault(path, [answer])
    placed = await gateway.place(order_at(venue))
    assert placed.outcome is Outcome.UNKNOWN
    assert placed.report is None


ODD: dict[str, Any] = {
    "html": "<html>gateway</html>",
    "half a json": '{"retCode":0,"result":{"orderId"',
    "nothing": "",
    "empty": {},
    "list": [],
    "success without a word": {
        "code": "0",
        "retCode": 0,
        "result": {},
        "error": [],
        "success": True,
        "data": [],
    },
    "truncated": aiohttp.ClientPayloadError("Response payload is not completed"),
    "no answer": TimeoutError(),
    "reset": ConnectionResetError(104, "reset"),
    "gone": aiohttp.ServerDisconnectedError(),
    "closed session": RuntimeError("Session is closed"),
    "bad gateway": (502, "<html>bad gateway</html>"),
    "unavailable": (503, "<html>Service Unavailable</html>"),
    "gateway timeout": (504, ""),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("venue", VENUES)
async def test_an_odd_answer_proves_nothing(venue: str, odd: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", odd)
    order = order_at(venue)
    assert (await gateway.place(order)).outcome is Outcome.UNKNOWN
    assert len(wire.requests) == 1  # and it is never tried twice
    assert (await gateway.lookup(order)).found is Found.FAILED
    if rule_of(venue).cancel is Cancel.STATE:
        assert (await gateway.cancel(order)).found is Found.FAILED


@pytest.mark.parametrize("venue", VENUES)
async def test_reduce_only_is_promised_only_where_it_can_be(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer(row.create, row.created)
    placed = await gateway.place(order_at(venue, reduce_only=True))
    if venue in DERIVATIVES:
        assert wire.requests[0].values["reduceOnly"] == "true"
    else:
        assert placed.outcome is Outcome.NOT_PLACED
        assert wire.requests == []


@pytest.mark.parametrize("venue", VENUES)
async def test_a_market_order_is_in_base_units_or_refused(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    wire.answer("", row.created)
    placed = await gateway.place(order_at(venue, kind=OrderKind.MARKET, price=None))
    if venue == "coinbase":  # it takes market buys in quote units alone
        assert placed.outcome is Outcome.NOT_PLACED
        assert wire.requests == []
        return
    values = wire.requests[0].values
    assert "0.0123" in (values.get(key) for key in ("quantity", "volume", "size", "qty", "sz"))
    assert values.get("marketUnit", "baseCoin") == "baseCoin"
    assert values.get("tgtCcy", "base_ccy") == "base_ccy"


@pytest.mark.parametrize("venue", VENUES)
async def test_a_symbol_of_another_kind_is_refused(venue: str) -> None:
    gateway, _ = await connected(venue)
    gateway._symbols.append("ETH/EUR")
    with pytest.raises(VenueError, match=f"symbols: ETH/EUR is not traded at {venue}; correct the settings"):
        await gateway.connect()


async def test_contracts_stay_at_the_edge() -> None:
    gateway, wire = await connected("binanceusdm")
    symbol = symbol_of("binanceusdm")
    gateway.instruments[symbol] = replace(gateway.instruments[symbol], contract_size=Decimal("0.001"))
    order = ROWS["binanceusdm"].created | {"executedQty": "5.1", "origQty": "12.3"}
    wire.answer("/fapi/v1/order", order)
    placed = await gateway.place(order_at("binanceusdm"))
    assert wire.requests[0].values["quantity"] == "12.3"
    assert placed.report is not None
    assert (placed.report.filled, placed.report.signal) == (Decimal("0.0051"), Signal.PARTLY_FILLED)


async def test_a_bare_answer_must_agree_with_the_query_that_confirms_it() -> None:
    row = ROWS["kraken"]
    gateway, wire = await connected("kraken")
    wire.answer(row.create, {"error": [], "result": {"descr": {}, "txid": ["O78"]}})
    wire.answer(row.lookup, row.found[row.lookup])
    assert (await gateway.place(order_at("kraken"))).outcome is Outcome.UNKNOWN


async def test_fills_are_taken_from_an_answer_only_where_their_ids_are_known() -> None:
    gateway, wire = await connected("krakenfutures")
    execution = {
        "type": "EXECUTION",
        "executionId": "not the id that the list of fills has",
        "price": 60000.5,
        "amount": 0.0123,
        "orderPriorEdit": None,
        "orderPriorExecution": {
            "orderId": "77",
            "cliOrdId": "trader-01-1-42",
            "symbol": "PF_XBTUSD",
            "side": "buy",
            "quantity": 0.0123,
            "filled": 0,
            "timestamp": "2023-11-14T22:13:20.000Z",
        },
    }
    status = {"order_id": "77", "cliOrdId": "trader-01-1-42", "status": "placed", "orderEvents": [execution]}
    wire.answer("/sendorder", {"result": "success", "sendStatus": status})
    placed = await gateway.place(order_at("krakenfutures"))
    assert placed.report is not None, placed.error
    assert (placed.report.signal, placed.report.fills) == (Signal.FILLED, ())
    assert placed.report.filled == Decimal("0.0123")


@pytest.mark.parametrize("venue", VENUES)
async def test_a_page_that_is_no_answer_is_not_an_empty_account(venue: str) -> None:
    gateway, wire = await connected(venue)
    wire.answer("", "<html>maintenance</html>")
    for query in (gateway.open_orders, gateway.balances):
        with pytest.raises(VenueError, match="not JSON"):
            await query()
