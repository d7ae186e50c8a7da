"""What a panic sends to each of the seven venues, from ccxt's own request building; no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.trader.test_panic_storm import Lines
from tests.trader.venue_wire import SECRET, Request, Wire
from trader.panic.canceller import Canceller
from trader.panic.line import Line
from trader.panic.venue_ways import WAYS
from trader.panic.ways import OddListError, Open
from trader.venue.exchange import VenueAccess, make_exchange
from trader.venue.venues import RULES

Sent = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """One venue with open orders, normal and conditional.

    Args:
        wrap: puts rows into the venue's answer.
        rows: by the path's end, and by one parameter of the request where the same path has several lists.
        open: what the rows are.
        sent: the requests that cancel them, each once: method, path's end, parameters.
        singles: the requests that cancel each by its id.
        done: the venue's answer to a cancel.
    """

    wrap: Callable[[list[Any]], Any]
    rows: dict[str, list[Any]]
    open: list[Open]
    sent: list[Sent]
    singles: list[Sent]
    by: str = ""
    done: Any = field(default_factory=dict)


def _kraken(rows: list[Any]) -> Any:
    return {"error": [], "result": {"open": dict(rows)}}


def _coinbase(rows: list[Any]) -> Any:
    return {"orders": rows, "cursor": "", "has_next": False}


BYBIT_KINDS = ("Order", "StopOrder", "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
SPOT = {"category": "spot"}
CASES: dict[str, Case] = {
    "binance": Case(
        list,
        {"/api/v3/openOrders": [
            {"symbol": "BTCUSDT", "orderId": 77, "clientOrderId": "ours", "type": "LIMIT"},
            {"symbol": "BTCUSDT", "orderId": 78, "clientOrderId": "stop", "type": "STOP_LOSS_LIMIT"},
            {"symbol": "ETHUSDT", "orderId": 79, "clientOrderId": "web_1", "type": "LIMIT"},
        ]},
        [Open("BTCUSDT", "77", "ours"), Open("BTCUSDT", "78", "stop"), Open("ETHUSDT", "79", "web_1")],
        [("DELETE", "/api/v3/openOrders", {"symbol": s}) for s in ("BTCUSDT", "ETHUSDT")],
        [("DELETE", "/api/v3/order", {"symbol": s, "orderId": i})
         for s, i in (("BTCUSDT", "77"), ("BTCUSDT", "78"), ("ETHUSDT", "79"))],
        done=[],
    ),
    "binanceusdm": Case(
        list,
        {
            "/fapi/v1/openOrders": [{"symbol": "BTCUSDT", "orderId": 77, "clientOrderId": "ours"}],
            "/fapi/v1/openAlgoOrders": [
                {"symbol": "BTCUSDT", "algoId": 5, "clientAlgoId": "stop"},
                {"symbol": "ETHUSDT", "algoId": 6, "clientAlgoId": "stop-2"},
            ],
        },
        [Open("BTCUSDT", "77", "ours"), Open("BTCUSDT", "5", "stop", "algo"),
         Open("ETHUSDT", "6", "stop-2", "algo")],
        [("DELETE", "/fapi/v1/allOpenOrders", {"symbol": "BTCUSDT"}),
         ("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": "BTCUSDT"}),
         ("DELETE", "/fapi/v1/algoOpenOrders", {"symbol": "ETHUSDT"})],
        [("DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": "77"}),
         ("DELETE", "/fapi/v1/algoOrder", {"algoId": "5"}),
         ("DELETE", "/fapi/v1/algoOrder", {"algoId": "6"})],
        done={"code": 200, "msg": "The operation of cancel all open order is done."},
    ),
    "kraken": Case(
        _kraken,
        {"/0/private/OpenOrders": [
            ("OA-1", {"cl_ord_id": "ours", "descr": {"pair": "XBTUSD", "ordertype": "limit"}}),
            ("OA-2", {"cl_ord_id": None, "descr": {"pair": "ETHUSD", "ordertype": "stop-loss"}}),
        ]},
        [Open("XBTUSD", "OA-1", "ours"), Open("ETHUSD", "OA-2")],
        [("POST", "/0/private/CancelAll", {})],
        [("POST", "/0/private/CancelOrder", {"txid": "OA-1"}),
         ("POST", "/0/private/CancelOrder", {"txid": "OA-2"})],
        done={"error": [], "result": {"count": 2}},
    ),
    "krakenfutures": Case(
        lambda rows: {"result": "success", "openOrders": rows},
        {"/openorders": [
            {"symbol": "PF_XBTUSD", "order_id": "a-1", "cliOrdId": "ours", "orderType": "lmt"},
            {"symbol": "PF_XBTUSD", "order_id": "a-2", "orderType": "stp"},
        ]},
        [Open("PF_XBTUSD", "a-1", "ours"), Open("PF_XBTUSD", "a-2")],
        [("POST", "/cancelallorders", {})],
        [("POST", "/cancelorder", {"order_id": "a-1"}), ("POST", "/cancelorder", {"order_id": "a-2"})],
        done={"result": "success", "cancelStatus": {"status": "cancelled"}},
    ),
    "bybit": Case(
        lambda rows: {"retCode": 0, "result": {"list": rows, "nextPageCursor": ""}},
        {"/v5/order/realtime": [
            {"symbol": "BTCUSDT", "orderId": "b-1", "orderLinkId": "ours", "stopOrderType": ""},
            {"symbol": "ETHUSDT", "orderId": "b-2", "orderLinkId": "", "stopOrderType": "UNKNOWN"},
            {"symbol": "BTCUSDT", "orderId": "b-3", "orderLinkId": "", "stopOrderType": "Stop"},
            {"symbol": "BTCUSDT", "orderId": "b-4", "orderLinkId": "", "stopOrderType": "tpslOrder"},
        ]},
        [Open("BTCUSDT", "b-1", "ours"), Open("ETHUSDT", "b-2"), Open("BTCUSDT", "b-3", "", "StopOrder"),
         Open("BTCUSDT", "b-4", "", "tpslOrder")],
        [("POST", "/v5/order/cancel-all", SPOT | {"orderFilter": kind}) for kind in BYBIT_KINDS],
        [("POST", "/v5/order/cancel", SPOT | {"symbol": s, "orderId": i, "orderFilter": kind})
         for s, i, kind in (("BTCUSDT", "b-1", "Order"), ("ETHUSDT", "b-2", "Order"),
                            ("BTCUSDT", "b-3", "StopOrder"), ("BTCUSDT", "b-4", "tpslOrder"))],
        done={"retCode": 0, "result": {"list": [], "success": "1"}},
    ),
    "okx": Case(
        lambda rows: {"code": "0", "data": rows},
        {
            "/trade/orders-pending": [{"instId": "BTC-USDT", "ordId": "1", "clOrdId": "ours"}],
            "conditional,oco": [{"instId": "ETH-USDT", "algoId": "2", "algoClOrdId": "", "ordType": "oco"}],
            "trigger": [{"instId": "BTC-USDT", "algoId": "3", "algoClOrdId": "t", "ordType": "trigger"}],
            "iceberg": [{"instId": "BTC-USDT", "algoId": "4", "algoClOrdId": "", "ordType": "iceberg"}],
        },
        [Open("BTC-USDT", "1", "ours"), Open("ETH-USDT", "2", "", "oco"),
         Open("BTC-USDT", "3", "t", "trigger"), Open("BTC-USDT", "4", "", "iceberg")],
        [("POST", "/trade/cancel-batch-orders", {"instId": "BTC-USDT", "ordId": "1"}),
         ("POST", "/trade/cancel-algos", {"instId": "ETH-USDT", "algoId": "2"}),
         ("POST", "/trade/cancel-algos", {"instId": "BTC-USDT", "algoId": "3"}),
         ("POST", "/trade/cancel-algos", {"instId": "BTC-USDT", "algoId": "4"})],
        [("POST", "/trade/cancel-order", {"instId": "BTC-USDT", "ordId": "1"}),
         ("POST", "/trade/cancel-algos", {"instId": "ETH-USDT", "algoId": "2"}),
         ("POST", "/trade/cancel-algos", {"instId": "BTC-USDT", "algoId": "3"}),
         ("POST", "/trade/cancel-advance-algos", {"instId": "BTC-USDT", "algoId": "4"})],
        by="ordType",
        done={"code": "0", "data": [{"sCode": "0"}]},
    ),
    "coinbase": Case(
        _coinbase,
        {
            "OPEN": [{"product_id": "BTC-USDT", "order_id": "c-1", "client_order_id": "ours"}],
            "PENDING": [{"product_id": "ETH-USDT", "order_id": "c-2", "client_order_id": ""}],
        },
        [Open("BTC-USDT", "c-1", "ours"), Open("ETH-USDT", "c-2")],
        [("POST", "/orders/batch_cancel", {"order_ids": ["c-1"]}),
         ("POST", "/orders/batch_cancel", {"order_ids": ["c-2"]})],
        [("POST", "/orders/batch_cancel", {"order_ids": ["c-1"]}),
         ("POST", "/orders/batch_cancel", {"order_ids": ["c-2"]})],
        by="order_status",
        done={"results": [{"success": True}]},
    ),
}  # fmt: skip
LISTS = {
    "binance": ["/openOrders"],
    "binanceusdm": ["/openOrders", "/openAlgoOrders"],
    "kraken": ["/OpenOrders"],
    "krakenfutures": ["/openorders"],
    "bybit": ["/order/realtime"],
    "okx": ["/orders-pending", *["/orders-algo-pending"] * 5],
    "coinbase": ["/orders/historical/batch"] * 3,
}


class Venue:
    """Answers lists with the case's rows until they are cancelled; keeps what it is asked."""

    def __init__(self, venue: str, *, stubborn: bool = False) -> None:
        self.case = CASES[venue]
        self.lists = set(LISTS[venue])
        self.wire = Wire()
        self.wire.answer("", self.answer)
        self.cancels: list[Request] = []
        self.stubborn = stubborn
        access = VenueAccess(venue, None, None, 100, 2_000, "key", SECRET, "words")
        self.exchange = make_exchange(access)
        self.exchange.open = lambda lazy=False: None
        self.exchange.session, self.exchange.own_session = self.wire, False

    def answer(self, request: Request) -> Any:
        listing = any(request.path.endswith(end) for end in self.lists) and request.method != "DELETE"
        if not listing:
            self.cancels.append(request)
            return self.case.done
        if self.cancels and not self.stubborn:
            return self.case.wrap([])
        name = str(request.values.get(self.case.by, "")) if self.case.by else ""
        found = next((rows for key, rows in self.case.rows.items() if key == name), None)
        if found is None:
            found = next((rows for key, rows in self.case.rows.items() if request.path.endswith(key)), [])
        return self.case.wrap(found)

    def canceller(self, venue: str) -> Canceller:
        way = WAYS[venue]
        line = Line(self.exchange, Lines(), way.together)
        return Canceller(self.exchange, way, line, Lines(), ("BTC/USDT",), 0.0)


def as_sent(requests: list[Request], wanted: list[Sent]) -> list[Sent]:
    """Requests as the cases have them; what the signature adds is left out, and batches are taken apart."""
    names = {name for _, _, values in wanted for name in values}
    found: list[Sent] = []
    for request in requests:
        end = next(
            end for _, end, _ in sorted(wanted, key=lambda w: -len(w[1])) if request.path.endswith(end)
        )
        rows = json.loads(request.body) if request.body.startswith("[") else [request.values]
        found += [(request.method, end, {k: v for k, v in row.items() if k in names}) for row in rows]
    return found


def unordered(sent: list[Sent]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in sent)


def test_every_venue_has_a_way() -> None:
    assert set(WAYS) == set(RULES) == set(CASES)


@pytest.mark.parametrize("name", CASES)
async def test_everything_is_listed_and_cancelled(name: str) -> None:
    venue, case = Venue(name), CASES[name]
    canceller = venue.canceller(name)
    found, whole = await canceller._sweep()
    assert whole
    assert sorted(found, key=str) == sorted(case.open, key=str)
    # The lists of one venue are asked for together: each shows its orders before the first cancel.
    assert unordered(as_sent(venue.cancels, case.sent)) == unordered(case.sent)
    assert not venue.exchange.markets, "markets are never loaded"
    lists = [r.path for r in venue.wire.requests if r not in venue.cancels]
    assert sorted(lists) == sorted(
        path for end in LISTS[name] for path in {p for p in lists if p.endswith(end)}
    )
    found, whole = await canceller._sweep()
    assert (found, whole) == (set(), True)


@pytest.mark.parametrize("name", CASES)
async def test_what_stays_is_cancelled_by_its_id(name: str) -> None:
    venue, case = Venue(name, stubborn=True), CASES[name]
    canceller = venue.canceller(name)
    for _ in range(2):
        await canceller._sweep()
    venue.cancels.clear()
    await canceller._sweep()
    sent = unordered(as_sent(venue.cancels, case.sent + case.singles))
    assert sent == unordered(case.sent + case.singles)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "odd",
    [{}, [], "", "<html>maintenance</html>", {"result": {}}, {"data": None}, [[]], [None], {"msg": "busy"}],
    ids=repr,
)
async def test_an_odd_answer_is_not_an_empty_account(name: str, odd: Any) -> None:
    if odd == [] and name.startswith("binance"):
        return  # the one good empty list
    venue = Venue(name)
    venue.wire.answer("", odd)
    found, whole = await venue.canceller(name)._sweep()
    assert (found, whole) == (set(), False)


@pytest.mark.parametrize("name", CASES)
async def test_what_needs_no_list(name: str) -> None:
    sent = [cancel.request for cancel in WAYS[name].blind(["BTC/USDT", "ETH/USDT:USDT"])]
    symbols = [request.params["symbol"] for request in sent if "symbol" in request.params]
    match name:
        case "binance":
            assert symbols == ["BTCUSDT", "ETHUSDT"]
        case "binanceusdm":
            assert symbols == ["BTCUSDT", "ETHUSDT"] * 2
        case "okx" | "coinbase":
            assert sent == [], "only by ids"
        case _:
            assert sent, "the whole account in one request"


PAGES: dict[str, tuple[int, Callable[[int], dict[str, str]], str]] = {
    "bybit": (50, lambda n: {"symbol": "BTCUSDT", "orderId": str(n), "stopOrderType": ""}, "cursor"),
    "okx": (100, lambda n: {"instId": "BTC-USDT", "ordId": str(n)}, "after"),
    "coinbase": (100, lambda n: {"product_id": "BTC-USDT", "order_id": str(n)}, "cursor"),
}


@pytest.mark.parametrize("name", PAGES)
async def test_long_lists_come_in_pages(name: str) -> None:
    size, row, parameter = PAGES[name]
    count = size * 2 + 7
    venue = Venue(name)

    def answer(request: Request) -> Any:
        wanted = request.values.get("order_status", "OPEN")
        if request.method != "GET" or "algo" in request.path or wanted != "OPEN":
            return venue.case.wrap([])
        at = request.values.get(parameter)
        newest = count if at is None else int(str(at).removeprefix("p-"))
        rows = [row(n) for n in range(newest - 1, max(newest - size, 0) - 1, -1)]
        body = venue.case.wrap(rows)
        more = f"p-{newest - size}" if newest > size else ""
        if name == "bybit":
            body["result"]["nextPageCursor"] = more
        elif name == "coinbase":
            body |= {"cursor": more, "has_next": bool(more)}
        return body

    venue.wire.answer("", answer)
    found, whole = await venue.canceller(name)._sweep()
    assert (len(found), whole) == (count, True)
    if name != "bybit":  # which takes no ids
        sizes = [len(r.values["order_ids"]) if "order_ids" in r.values else len(json.loads(r.body))
                 for r in venue.wire.requests if r.method == "POST"]  # fmt: skip
        assert sum(sizes) == count
        assert max(sizes) <= {"okx": 20, "coinbase": 100}[name]


async def test_pages_without_end_are_no_list() -> None:
    numbers = iter(range(10**9))
    venue = Venue("bybit")
    row = PAGES["bybit"][1]

    def answer(_request: Request) -> Any:
        rows = [row(next(numbers)) for _ in range(50)]
        return {"retCode": 0, "result": {"list": rows, "nextPageCursor": "on"}}

    venue.wire.answer("", answer)
    listing = WAYS["bybit"].listings[0]
    with pytest.raises(OddListError, match="more than 1000 pages"):
        await listing.all(lambda request: request.send(venue.exchange))
