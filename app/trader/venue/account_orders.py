"""Every open order of the account, normal and conditional, on every symbol, and what cancels them.

Requests go out under ccxt's names for the venue's own endpoints. They need no markets: the venue's own names
of symbols come with the list, so that a kill works before the markets are known and on symbols that are not
traded here. Where one request cancels all of a symbol or of the account, it is taken, and is sent without a
list too.

Source: ccxt 4.5.90's request building, which the tests capture, and the venues' own documentation: Bybit v5
"Cancel All Orders" (a kind at a time), OKX v5 "Algo order list" (kinds that may be asked for together),
Coinbase "List Orders" (OPEN stands alone).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trader.venue.parse import OddAnswerError, part

Row = dict[str, Any]
PAGES = 1_000  # no account has so many; a venue that pages for ever must not hold a kill
_BYBIT_PAGE, _OKX_PAGE, _OKX_BATCH, _OKX_ALGO_BATCH, _COINBASE_BATCH = 50, 100, 20, 10, 100
_BYBIT_KINDS = ("Order", "StopOrder", "tpslOrder", "OcoOrder", "BidirectionalTpslOrder")
_OKX_KINDS = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap")


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An open order in the venue's own words.

    Args:
        market: the venue's name of the symbol.
        name: the client order id as the venue shows it.
        kind: what tells a conditional order from a normal one; "" = normal.
    """

    market: str
    order_id: str
    name: str = ""
    kind: str = ""

    def __str__(self) -> str:
        kind = f"{self.kind} " if self.kind else ""
        return f"{self.market} {kind}{self.order_id}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True)
class Listed:
    """What the venue says is open.

    Args:
        missing: which list is missing or cut off, and why; "" = these are all orders of the account.
    """

    orders: list[OpenOrder]
    missing: str = ""

    @property
    def whole(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class Request:
    """ccxt's name of an endpoint, and the parameters."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Cancel:
    """One request that cancels, and the listed orders that it is for; it may cancel more."""

    request: Request
    orders: tuple[OpenOrder, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of open orders.

    Args:
        rows: where they stand in the answer.
        by_id: they stand there as a mapping from their ids.
        more: parameters of the next page, from the answer and the page's orders; None = this was the last.
    """

    request: Request
    rows: tuple[str, ...]
    read: Callable[[Row], OpenOrder]
    more: Callable[[Row, list[OpenOrder]], Row | None] = lambda answer, page: None
    by_id: bool = False

    def page(self, answer: Any) -> list[OpenOrder]:
        """The orders of one answer.

        Raises:
            OddAnswerError: it is no list of orders; it must not be taken for an empty one.
        """
        try:
            if self.by_id:
                rows = part(answer, dict, *self.rows).items()
                return [self.read({"id": order_id, **row}) for order_id, row in rows]
            return [self.read(row) for row in part(answer, list, *self.rows)]
        except (KeyError, TypeError, AttributeError) as error:
            raise OddAnswerError(f"{self.request.method}: an order cannot be read: {error!r}") from error


@dataclass(frozen=True, slots=True)
class AccountOrders:
    """One venue's way.

    Args:
        listings: which together are the whole account.
        cancels: the fewest requests for the listed orders.
        single: cancels one order by its id.
        blind: requests that need no list, from the venue's names of some symbols; none where only ids do.
        together: requests that may be under way at a time; one where each request's nonce must be above the
            one before it.
    """

    listings: tuple[Listing, ...]
    cancels: Callable[[Sequence[OpenOrder]], Iterator[Cancel]]
    single: Callable[[OpenOrder], Request]
    blind: Callable[[Sequence[str]], list[Request]] = lambda markets: []
    together: int = 12

    def one(self, order: OpenOrder) -> Cancel:
        return Cancel(self.single(order), (order,))


def _by_market(method: str, orders: Sequence[OpenOrder]) -> Iterator[Cancel]:
    for market in dict.fromkeys(order.market for order in orders):
        same = tuple(order for order in orders if order.market == market)
        yield Cancel(Request(method, {"symbol": market}), same)


def _in_batches(
    method: str, params: Callable[[Sequence[OpenOrder]], Any], size: int, orders: Sequence[OpenOrder]
) -> Iterator[Cancel]:
    for start in range(0, len(orders), size):
        batch = tuple(orders[start : start + size])
        yield Cancel(Request(method, params(batch)), batch)


def _whole(method: str) -> Callable[[Sequence[OpenOrder]], Iterator[Cancel]]:
    def cancels(orders: Sequence[OpenOrder]) -> Iterator[Cancel]:
        if orders:
            yield Cancel(Request(method, {}), tuple(orders))

    return cancels


def _anything(*requests: Request) -> Callable[[Sequence[str]], list[Request]]:
    """Cancels the account's orders whatever the symbols are."""
    return lambda markets: list(requests)


def _normal(orders: Sequence[OpenOrder]) -> list[OpenOrder]:
    return [order for order in orders if not order.kind]


def _conditional(orders: Sequence[OpenOrder]) -> list[OpenOrder]:
    return [order for order in orders if order.kind]


# -- Binance: a symbol's stops and order lists go with it on spot; USDM keeps conditional orders apart


def _binance_row(row: Row) -> OpenOrder:
    return OpenOrder(row["symbol"], str(row["orderId"]), row.get("clientOrderId") or "")


def _algo_row(row: Row) -> OpenOrder:
    return OpenOrder(row["symbol"], str(row["algoId"]), row.get("clientAlgoId") or "", "algo")


def _usdm_cancels(orders: Sequence[OpenOrder]) -> Iterator[Cancel]:
    yield from _by_market("fapiPrivateDeleteAllOpenOrders", _normal(orders))
    yield from _by_market("fapiPrivateDeleteAlgoOpenOrders", _conditional(orders))


def _usdm_single(order: OpenOrder) -> Request:
    if order.kind:
        return Request("fapiPrivateDeleteAlgoOrder", {"algoId": order.order_id})
    return Request("fapiPrivateDeleteOrder", {"symbol": order.market, "orderId": order.order_id})


def _blind(*methods: str) -> Callable[[Sequence[str]], list[Request]]:
    return lambda markets: [Request(method, {"symbol": m}) for m in markets for method in methods]


# -- Kraken, and Kraken Futures: one request for the account


def _kraken_row(row: Row) -> OpenOrder:
    return OpenOrder(row["descr"]["pair"], row["id"], row.get("cl_ord_id") or "")


def _kraken_futures_row(row: Row) -> OpenOrder:
    return OpenOrder(row["symbol"], row["order_id"], row.get("cliOrdId") or "")


# -- Bybit: `orderFilter` names one kind; without it only normal orders are cancelled


def _bybit_row(row: Row) -> OpenOrder:
    stop = row.get("stopOrderType") or "UNKNOWN"
    kind = {"UNKNOWN": "", "Stop": "StopOrder"}.get(stop, stop)
    return OpenOrder(row["symbol"], row["orderId"], row.get("orderLinkId") or "", kind)


def _bybit_more(answer: Row, page: list[OpenOrder]) -> Row | None:
    cursor = answer["result"].get("nextPageCursor")
    return {"cursor": cursor} if cursor and len(page) >= _BYBIT_PAGE else None


def _bybit_all(kind: str) -> Request:
    return Request("privatePostV5OrderCancelAll", {"category": "spot", "orderFilter": kind})


def _bybit_cancels(orders: Sequence[OpenOrder]) -> Iterator[Cancel]:
    for kind in dict.fromkeys(order.kind for order in orders):
        same = tuple(order for order in orders if order.kind == kind)
        yield Cancel(_bybit_all(kind or "Order"), same)


def _bybit_single(order: OpenOrder) -> Request:
    named = {"symbol": order.market, "orderId": order.order_id, "orderFilter": order.kind or "Order"}
    return Request("privatePostV5OrderCancel", {"category": "spot", **named})


# -- OKX: nothing cancels all, batches do


def _okx_row(row: Row) -> OpenOrder:
    return OpenOrder(row["instId"], row["ordId"], row.get("clOrdId") or "")


def _okx_algo_row(row: Row) -> OpenOrder:
    return OpenOrder(row["instId"], row["algoId"], row.get("algoClOrdId") or "", row["ordType"])


def _okx_more(_answer: Row, page: list[OpenOrder]) -> Row | None:
    return {"after": min((o.order_id for o in page), key=int)} if len(page) >= _OKX_PAGE else None


def _okx_ids(orders: Sequence[OpenOrder]) -> list[Row]:
    return [{"instId": o.market, "algoId" if o.kind else "ordId": o.order_id} for o in orders]


def _okx_cancels(orders: Sequence[OpenOrder]) -> Iterator[Cancel]:
    yield from _in_batches("privatePostTradeCancelBatchOrders", _okx_ids, _OKX_BATCH, _normal(orders))
    yield from _in_batches("privatePostTradeCancelAlgos", _okx_ids, _OKX_ALGO_BATCH, _conditional(orders))


def _okx_single(order: OpenOrder) -> Request:
    [named] = _okx_ids([order])
    if not order.kind:
        return Request("privatePostTradeCancelOrder", named)
    simple = order.kind in ("conditional", "oco", "trigger")
    return Request("privatePostTradeCancelAlgos" if simple else "privatePostTradeCancelAdvanceAlgos", [named])


# -- Coinbase


def _coinbase_row(row: Row) -> OpenOrder:
    return OpenOrder(row["product_id"], row["order_id"], row.get("client_order_id") or "")


def _coinbase_more(answer: Row, _page: list[OpenOrder]) -> Row | None:
    return {"cursor": answer["cursor"]} if answer.get("cursor") and answer.get("has_next", True) else None


def _coinbase_ids(orders: Sequence[OpenOrder]) -> Row:
    return {"order_ids": [order.order_id for order in orders]}


def _coinbase_list(status: str) -> Listing:
    params = {"order_status": status, "limit": _COINBASE_BATCH}
    request = Request("v3PrivateGetBrokerageOrdersHistoricalBatch", params)
    return Listing(request, ("orders",), _coinbase_row, _coinbase_more)


def _okx_algos(kinds: str) -> Listing:
    request = Request("privateGetTradeOrdersAlgoPending", {"ordType": kinds, "limit": _OKX_PAGE})
    return Listing(request, ("data",), _okx_algo_row, _okx_more)


ACCOUNT_ORDERS: dict[str, AccountOrders] = {
    "binance": AccountOrders(
        (Listing(Request("privateGetOpenOrders", {}), (), _binance_row),),
        lambda orders: _by_market("privateDeleteOpenOrders", orders),
        lambda o: Request("privateDeleteOrder", {"symbol": o.market, "orderId": o.order_id}),
        _blind("privateDeleteOpenOrders"),
    ),
    "binanceusdm": AccountOrders(
        (
            Listing(Request("fapiPrivateGetOpenOrders", {}), (), _binance_row),
            Listing(Request("fapiPrivateGetOpenAlgoOrders", {}), (), _algo_row),
        ),
        _usdm_cancels,
        _usdm_single,
        _blind("fapiPrivateDeleteAllOpenOrders", "fapiPrivateDeleteAlgoOpenOrders"),
    ),
    "kraken": AccountOrders(
        (Listing(Request("privatePostOpenOrders", {}), ("result", "open"), _kraken_row, by_id=True),),
        _whole("privatePostCancelAll"),
        lambda o: Request("privatePostCancelOrder", {"txid": o.order_id}),
        _anything(Request("privatePostCancelAll", {})),
        together=1,
    ),
    "krakenfutures": AccountOrders(
        (Listing(Request("privateGetOpenorders", {}), ("openOrders",), _kraken_futures_row),),
        _whole("privatePostCancelallorders"),
        lambda o: Request("privatePostCancelorder", {"order_id": o.order_id}),
        _anything(Request("privatePostCancelallorders", {})),
    ),
    "bybit": AccountOrders(
        (
            Listing(
                Request("privateGetV5OrderRealtime", {"category": "spot", "limit": _BYBIT_PAGE}),
                ("result", "list"),
                _bybit_row,
                _bybit_more,
            ),
        ),
        _bybit_cancels,
        _bybit_single,
        _anything(*map(_bybit_all, _BYBIT_KINDS)),
    ),
    "okx": AccountOrders(
        (
            Listing(
                Request("privateGetTradeOrdersPending", {"limit": _OKX_PAGE}), ("data",), _okx_row, _okx_more
            ),
            *(_okx_algos(kinds) for kinds in _OKX_KINDS),
        ),
        _okx_cancels,
        _okx_single,
    ),
    "coinbase": AccountOrders(
        tuple(_coinbase_list(status) for status in ("OPEN", "PENDING", "QUEUED")),
        lambda orders: _in_batches(
            "v3PrivatePostBrokerageOrdersBatchCancel", _coinbase_ids, _COINBASE_BATCH, orders
        ),
        lambda o: Request("v3PrivatePostBrokerageOrdersBatchCancel", _coinbase_ids([o])),
    ),
}
