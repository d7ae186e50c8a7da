"""The whole account at each venue: what lists it, what cancels it, and what an answer does not prove.

The canned venues are those of the panic's tests: two programs, each with a table of its own, and one truth.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.trader.test_panic_venues import (
    BYBIT_KINDS,
    CASES,
    PAGES,
    SPOT,
    Sent,
    Venue,
    as_sent,
    unordered,
)
from tests.trader.venue_wire import Request
from trader.venue import whole_account
from trader.venue.account_orders import ACCOUNT_ORDERS, Cancel, OpenOrder
from trader.venue.interface import VenueError
from trader.venue.venues import RULES
from trader.venue.whole_account import WholeAccount

PATIENCE = 2.0
NO_ORDER = (400, {"code": -2011, "msg": "Unknown order sent."})
LATE = (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})
SLOW_DOWN = (429, {"code": -1003, "msg": "Too many requests."})


def opened(name: str) -> list[OpenOrder]:
    return [OpenOrder(one.symbol, one.order_id, one.client_id, one.kind) for one in CASES[name].open]


def wanted(name: str) -> list[Sent]:
    """Where it differs from the panic: Bybit's kinds are those that are listed, Coinbase's lists are one."""
    match name:
        case "bybit":
            kinds = dict.fromkeys(order.kind or "Order" for order in opened(name))
            return [("POST", "/v5/order/cancel-all", SPOT | {"orderFilter": kind}) for kind in kinds]
        case "coinbase":
            ids = [order.order_id for order in opened(name)]
            return [("POST", "/orders/batch_cancel", {"order_ids": ids})]
    return CASES[name].sent


def at(name: str) -> tuple[Venue, WholeAccount]:
    venue = Venue(name)
    return venue, WholeAccount(venue.exchange)


def test_every_venue_has_a_way() -> None:
    assert set(ACCOUNT_ORDERS) == set(RULES)


@pytest.mark.parametrize("name", CASES)
async def test_everything_is_listed_and_cancelled(name: str) -> None:
    venue, account = at(name)
    listed = await account.open_orders(PATIENCE)
    assert listed.whole
    assert sorted(listed.orders, key=str) == sorted(opened(name), key=str)
    for cancel in account.cancels(listed.orders):
        assert await account.send(cancel, PATIENCE)
    assert unordered(as_sent(venue.cancels, wanted(name))) == unordered(wanted(name))
    named = [order for cancel in account.cancels(listed.orders) for order in cancel.orders]
    assert sorted(named, key=str) == sorted(opened(name), key=str), "each cancel says what it is for"
    assert not venue.exchange.markets, "markets are never loaded"
    after = await account.open_orders(PATIENCE)
    assert (after.orders, after.whole) == ([], True)


@pytest.mark.parametrize("name", CASES)
async def test_each_can_be_cancelled_by_its_id(name: str) -> None:
    venue, account = at(name)
    for order in opened(name):
        await account.send(account.one(order), PATIENCE)
    assert unordered(as_sent(venue.cancels, CASES[name].singles)) == unordered(CASES[name].singles)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "odd", [{}, [], "", "<html>maintenance</html>", {"result": {}}, {"data": None}, [[]], [None]], ids=repr
)
async def test_an_odd_answer_is_not_an_empty_account(name: str, odd: Any) -> None:
    if odd == [] and name.startswith("binance"):
        return  # the one good empty list
    venue, account = at(name)
    venue.wire.answer("", odd)
    listed = await account.open_orders(PATIENCE)
    assert (listed.orders, listed.whole) == ([], False)


@pytest.mark.parametrize(
    ("name", "missing"), [("binanceusdm", "/openAlgoOrders"), ("okx", "/orders-pending")]
)
async def test_what_one_list_shows_is_told_when_another_is_missing(name: str, missing: str) -> None:
    venue, account = at(name)
    venue.wire.answers = {missing: [(503, "busy")], **venue.wire.answers}
    listed = await account.open_orders(PATIENCE)
    assert not listed.whole
    assert "503" in listed.missing or "busy" in listed.missing
    kind_is_missing = {"binanceusdm": "algo", "okx": ""}[name]
    assert set(listed.orders) == {order for order in opened(name) if order.kind != kind_is_missing}
    assert listed.orders


@pytest.mark.parametrize("name", CASES)
def test_what_needs_no_list(name: str) -> None:
    _, account = at(name)
    sent = [cancel.request for cancel in account.blind(["BTC/USDT", "ETH/USDT:USDT"])]
    symbols = [request.params["symbol"] for request in sent if "symbol" in request.params]
    match name:
        case "binance":
            assert symbols == ["BTCUSDT", "ETHUSDT"]
        case "binanceusdm":
            assert sorted(symbols) == ["BTCUSDT", "BTCUSDT", "ETHUSDT", "ETHUSDT"]
            assert len({request.method for request in sent}) == 2, "conditional orders too"
        case "bybit":
            assert [request.params["orderFilter"] for request in sent] == list(BYBIT_KINDS)
        case "okx" | "coinbase":
            assert sent == [], "only by ids"
        case _:
            assert len(sent) == 1, "the whole account in one request"


@pytest.mark.parametrize("name", PAGES)
async def test_long_lists_come_in_pages(name: str) -> None:
    size, row, parameter = PAGES[name]
    count = size * 2 + 7
    venue, account = at(name)

    def answer(request: Request) -> Any:
        wanted_status = request.values.get("order_status", "OPEN")
        if request.method != "GET" or "algo" in request.path or wanted_status != "OPEN":
            return venue.case.wrap([])
        newest = int(str(request.values.get(parameter, count)).removeprefix("p-"))
        body = venue.case.wrap([row(n) for n in range(newest - 1, max(newest - size, 0) - 1, -1)])
        more = f"p-{newest - size}" if newest > size else ""
        if name == "bybit":
            body["result"]["nextPageCursor"] = more
        elif name == "coinbase":
            body |= {"cursor": more, "has_next": bool(more)}
        return body

    venue.wire.answer("", answer)
    listed = await account.open_orders(PATIENCE)
    assert (len(listed.orders), listed.whole) == (count, True)
    batches = account.cancels(listed.orders)
    assert sum(len(cancel.orders) for cancel in batches) == count
    if name != "bybit":  # which takes no ids
        sizes = [len(cancel.request.params.get("order_ids", ())) if name == "coinbase"
                 else len(cancel.request.params) for cancel in batches]  # fmt: skip
        assert max(sizes) <= {"okx": 20, "coinbase": 100}[name]


async def test_pages_without_end_are_told_as_far_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_account, "PAGES", 3)
    numbers = iter(range(10**9))
    venue, account = at("bybit")
    rows = PAGES["bybit"][1]

    def answer(_request: Request) -> Any:
        return {
            "retCode": 0,
            "result": {"list": [rows(next(numbers)) for _ in range(50)], "nextPageCursor": "on"},
        }

    venue.wire.answer("", answer)
    listed = await account.open_orders(PATIENCE)
    assert (len(listed.orders), listed.whole) == (150, False)
    assert "more than 3 pages" in listed.missing


# -- what an answer means


def cancel_of(account: WholeAccount) -> Cancel:
    return account.cancels([OpenOrder("BTCUSDT", "77")])[0]


async def test_an_order_that_is_unknown_there_is_gone_and_every_other_no_is_an_error() -> None:
    venue, account = at("binance")
    venue.wire.answer("", NO_ORDER)
    assert not await account.send(cancel_of(account), PATIENCE)
    venue.wire.answer("", (500, {"code": -1000, "msg": "An unknown error"}))
    with pytest.raises(VenueError, match="privateDeleteOpenOrders"):
        await account.send(cancel_of(account), PATIENCE)


async def test_a_refusal_for_the_rate_is_asked_again_at_once() -> None:
    venue, account = at("binance")
    venue.wire.answer("", SLOW_DOWN, SLOW_DOWN, [])
    assert await account.send(cancel_of(account), PATIENCE)
    assert len(venue.wire.requests) == 3


async def test_a_wrong_clock_is_corrected_for_the_kill_and_for_no_longer() -> None:
    venue, account = at("binance")
    ahead_ms = 60_000
    now_ms = venue.exchange.milliseconds()
    venue.wire.answers = {"/time": [{"serverTime": now_ms + ahead_ms}]}
    venue.wire.answer(
        "", lambda request: [] if int(request.values["timestamp"]) > now_ms + ahead_ms / 2 else LATE
    )
    with pytest.raises(VenueError, match="recvWindow"):
        await account.send(cancel_of(account), PATIENCE)
    assert await account.send(cancel_of(account), PATIENCE)
    assert len(venue.wire.sent("/time")) == 1
    account.forget()
    with pytest.raises(VenueError, match="recvWindow"):
        await account.send(cancel_of(account), PATIENCE)


async def test_a_counter_is_no_clock() -> None:
    venue, account = at("kraken")
    venue.wire.answer("", {"error": ["EAPI:Invalid nonce"]})
    with pytest.raises(VenueError, match="nonce"):
        await account.send(account.blind([])[0], PATIENCE)
    assert len(venue.wire.requests) == 1, "its time is not asked for"
