"""An order found, listed or cancelled by our id, in the way of each venue; no network."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.trader.venue_answers import ROWS, replaced
from tests.trader.venue_wire import connected, order_at
from trader.model.transitions import Signal
from trader.venue.interface import Found
from trader.venue.venues import Cancel, Lookup, rule_of

VENUES = sorted(ROWS)
DERIVATIVES = ["binanceusdm", "krakenfutures"]


@pytest.mark.parametrize("venue", VENUES)
async def test_an_order_is_looked_up_by_our_id(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    for path, answer in row.found.items():
        wire.answer(path, answer)
    looked = await gateway.lookup(order_at(venue))
    assert looked.found is Found.FOUND, looked.error
    assert looked.report is not None
    assert (looked.report.client_id, looked.report.venue_order_id) == ("trader-01-1-42", row.venue_id)
    assert looked.report.signal is Signal.OPENED
    request = wire.requests[0]
    assert request.path.endswith(row.lookup)
    assert {key: request.values.get(key) for key in row.lookup_carries} == row.lookup_carries
    assert "None" not in request.values.values()  # ccxt writes a missing id as this word


@pytest.mark.parametrize("venue", VENUES)
async def test_absent_is_said_only_after_every_place_was_asked(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    for path, answer in row.absent.items():
        wire.answer(path, answer)
    assert (await gateway.lookup(order_at(venue))).found is Found.ABSENT
    for path in row.absent:
        assert wire.sent(path), path
        gateway, partly = await connected(venue)
        for other, answer in row.absent.items():
            partly.answer(other, {} if other == path else answer)
        assert (await gateway.lookup(order_at(venue))).found is Found.FAILED


@pytest.mark.parametrize("venue", VENUES)
async def test_an_order_is_cancelled_by_our_id(venue: str) -> None:
    row, rule = ROWS[venue], rule_of(venue)
    gateway, wire = await connected(venue)
    wire.answer(row.cancel, row.cancelled)
    order = order_at(venue)
    if rule.cancel is Cancel.TAKEN_BY_VENUE_ID:
        order.venue_order_id = "77"
    answer = await gateway.cancel(order)
    [request] = wire.requests
    assert request.path.endswith(row.cancel)
    assert {key: request.values.get(key) for key in row.cancel_carries} == row.cancel_carries
    assert "None" not in request.values.values()
    if rule.cancel is Cancel.STATE:
        assert answer.report is not None, answer.error
        assert (answer.report.client_id, answer.report.signal) == (order.client_id, Signal.CANCELED)
    else:
        assert answer.found is Found.TAKEN


async def test_coinbase_finds_the_venues_id_before_it_cancels() -> None:
    row = ROWS["coinbase"]
    gateway, wire = await connected("coinbase")
    for path, answer in row.found.items():
        wire.answer(path, answer)
    wire.answer(row.cancel, row.cancelled)
    assert (await gateway.cancel(order_at("coinbase"))).found is Found.TAKEN
    assert wire.requests[-1].values["order_ids"] == ["77"]
    for path, answer in row.absent.items():
        wire.answer(path, answer)
    assert (await gateway.cancel(order_at("coinbase"))).found is Found.ABSENT


@pytest.mark.parametrize(
    ("venue", "answer"),
    [
        ("binance", (400, {"code": -2011, "msg": "Unknown order sent."})),
        ("binanceusdm", (400, {"code": -2011, "msg": "Unknown order sent."})),
        ("kraken", {"error": ["EOrder:Unknown order"]}),
        ("krakenfutures", {"result": "success", "cancelStatus": {"status": "notFound"}}),
        ("krakenfutures", {"result": "success", "cancelStatus": {"status": "filled"}}),
        ("bybit", {"retCode": 170213, "retMsg": "Order does not exist."}),
        ("okx", {"code": "1", "data": [{"sCode": "51400", "sMsg": "does not exist"}]}),
    ],
)
async def test_a_cancel_of_what_is_gone_is_no_cancel(venue: str, answer: Any) -> None:
    gateway, wire = await connected(venue)
    wire.answer(ROWS[venue].cancel, answer)
    assert (await gateway.cancel(order_at(venue))).found is Found.ABSENT


@pytest.mark.parametrize("venue", VENUES)
async def test_open_orders_are_named_and_strangers_stay_strangers(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    path, answer = row.open_orders
    wire.answer(path, answer)
    [report] = await gateway.open_orders()
    assert (report.client_id, report.venue_order_id) == ("trader-01-1-42", row.venue_id)
    wire.answer(path, replaced(answer, row, "f" * 32))
    [stranger] = await gateway.open_orders()
    assert stranger.client_id == "f" * 32 or stranger.client_id.replace("-", "") == "f" * 32


async def test_an_order_that_bybit_refused_after_its_ack_is_gone() -> None:
    gateway, wire = await connected("bybit")
    order = json.loads(json.dumps(ROWS["bybit"].found["/v5/order/realtime"]))
    order["result"]["list"][0]["orderStatus"] = "Rejected"
    wire.answer("/v5/order/realtime", order)
    looked = await gateway.lookup(order_at("bybit"))
    assert looked.report is not None
    assert looked.report.signal is Signal.CANCELED
    order["result"]["list"][0] |= {"orderStatus": "PartiallyFilledCanceled", "cumExecQty": "0.01"}
    looked = await gateway.lookup(order_at("bybit"))
    assert looked.report is not None
    assert (looked.report.signal, looked.report.filled) == (Signal.CANCELED, Decimal("0.01"))


def _event(kind: str, name: str = "order", **more: Any) -> dict[str, Any]:
    state = {"uid": "77", "clientId": "trader-01-1-42", "quantity": "0.0123", "filled": "0.005"}
    return {"event": {kind: {name: state, **more}}}


@pytest.mark.parametrize(
    ("events", "signal"),
    [
        ([_event("OrderPlaced"), _event("OrderCancelled", reason="cancelled_by_user")], Signal.CANCELED),
        ([_event("OrderPlaced"), _event("OrderUpdated", "newOrder", reason="full_fill")], Signal.FILLED),
        ([_event("OrderRejected", reason="post_order_failed")], Signal.REFUSED),
        ([_event("OrderPlaced")], None),  # neither open nor ended: ask again
        ([_event("OrderUpdated", "newOrder", reason="partial_fill")], None),
    ],
)
async def test_kraken_futures_tells_an_ended_order_by_its_history(events: list[Any], signal: Any) -> None:
    gateway, wire = await connected("krakenfutures")
    wire.answer("/orders/status", {"result": "success", "orders": []})
    pages = [{"elements": events[:1], "continuationToken": "more"}, {"elements": events[1:]}]
    wire.answer("/api/history/v2/orders", *pages)
    looked = await gateway.lookup(order_at("krakenfutures"))
    if signal is None:
        assert looked.found is Found.FAILED
    else:
        assert looked.report is not None, looked.error
        assert (looked.report.signal, looked.report.filled) == (signal, Decimal("0.005"))
    assert [r.values.get("continuation_token") for r in wire.sent("/history/v2/orders")] == [None, "more"]


@pytest.mark.parametrize(
    ("venue", "path", "answer"),
    [
        ("krakenfutures", "/fills", {"fills": [{"cliOrdId": "trader-01-1-42"}]}),
        (
            "bybit",
            "/v5/execution/list",
            {"retCode": 0, "result": {"list": [{"orderLinkId": "trader-01-1-42"}]}},
        ),
    ],
)
async def test_an_order_with_fills_is_never_absent(venue: str, path: str, answer: Any) -> None:
    gateway, wire = await connected(venue)
    for other, body in ROWS[venue].absent.items():
        wire.answer(other, answer if other == path else body)
    assert (await gateway.lookup(order_at(venue))).found is Found.FAILED


async def test_lists_that_come_in_pages_are_read_to_their_end() -> None:
    for venue, size in (("bybit", 50), ("okx", 100), ("coinbase", 100)):
        gateway, wire = await connected(venue)
        path, body = ROWS[venue].open_orders
        wire.answer(path, *pages_of(venue, body, size))
        reports = await gateway.open_orders()
        assert len({report.venue_order_id for report in reports}) == size + 1, venue


def pages_of(venue: str, body: Any, size: int) -> list[Any]:
    """Two pages of one more order than fits on one."""
    name = {"bybit": "orderId", "okx": "ordId", "coinbase": "order_id"}[venue]
    pages = []
    for numbers in (range(size), range(size, size + 1)):
        page = json.loads(json.dumps(body))
        rows = page.get("orders") or page.get("data") or page["result"]["list"]
        rows[:] = [rows[0] | {name: str(9_000 - number)} for number in numbers]
        if len(rows) == size:
            page["cursor"] = "more"
            page.setdefault("result", {})["nextPageCursor"] = "more"
        pages.append(page)
    return pages


@pytest.mark.parametrize("venue", VENUES)
async def test_a_lookup_that_shows_another_order_does_not_show_ours(venue: str) -> None:
    row = ROWS[venue]
    gateway, wire = await connected(venue)
    for path, answer in {**row.absent, **row.found}.items():
        wire.answer(path, replaced(answer, row, row.other_id))
    looked = await gateway.lookup(order_at(venue))
    # a venue that was asked for one order and gives another is odd; in a list there may be others
    assert looked.found is (Found.FAILED if rule_of(venue).lookup is Lookup.QUERY else Found.ABSENT)
    assert looked.report is None
