"""How each venue of `venues.RULES` lists and cancels what is open.

venue          lists                                        cancels
binance        openOrders of all symbols: stops too         openOrders of each symbol listed: stops and order
                                                            lists too
binanceusdm    openOrders, openAlgoOrders of all symbols    allOpenOrders, algoOpenOrders of each listed one
kraken         OpenOrders: stops too                        CancelAll
krakenfutures  openorders: triggers too                     cancelallorders: triggers too
bybit          order/realtime of category spot: all kinds   order/cancel-all of category spot, once for each
                                                            kind: without one it takes normal orders only
okx            orders-pending of all instruments;           cancel-batch-orders (20 ids), cancel-algos (10):
               orders-algo-pending, once for each kind      nothing there cancels all at once
coinbase       orders/historical/batch, once for each       batch_cancel (100 ids)
               status of what may still trade

The account is what the key trades on the row's own market: what a Bybit account has in other categories is
not touched. An order that stays listed after its cancel was answered is cancelled by its own id as well.

Source: ccxt 4.5.90's request building, which the tests capture; for what it leaves open the venues' own
documentation (Bybit v5 "Cancel All Orders", OKX v5 "Algo order list", Coinbase "List Orders").
"""

from collections.abc import Callable, Sequence

from trader.panic.ways import Bulk, By, Listing, Open, Request, Row, Way

ALGO = "algo"
_BYBIT_PAGE, _OKX_PAGE, _COINBASE_PAGE = 50, 100, 100
_BYBIT_KINDS = (
    "Order",
    "StopOrder",
    "tpslOrder",
    "OcoOrder",
    "BidirectionalTpslOrder",
)  # orderFilter of spot
_BYBIT_STOPS = {"Stop": "StopOrder"}  # stopOrderType of a row, where it is not the kind itself
# One request takes one of them; only these two together.
_OKX_ALGOS = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap")
_OKX_ADVANCED = frozenset({"move_order_stop", "iceberg", "twap"})
_COINBASE_LIVE = ("OPEN", "PENDING", "QUEUED")  # OPEN cannot be asked for together with another


def _symbol(symbol: str, _orders: Sequence[Open]) -> Row:
    return {"symbol": symbol}


def _binance_single(order: Open) -> Request:
    return Request("privateDeleteOrder", {"symbol": order.symbol, "orderId": order.order_id})


def _usdm_single(order: Open) -> Request:
    if order.kind == ALGO:
        return Request("fapiPrivateDeleteAlgoOrder", {"algoId": order.order_id})
    return Request("fapiPrivateDeleteOrder", {"symbol": order.symbol, "orderId": order.order_id})


def _binance_row(row: Row) -> Open:
    return Open(row["symbol"], str(row["orderId"]), row.get("clientOrderId", ""))


def _binance_cancelled(row: Row) -> Open:
    # The answer has the cancel's own id as clientOrderId; the order's is beside it.
    return Open(row["symbol"], str(row["orderId"]), row.get("origClientOrderId", ""))


def _algo_row(row: Row) -> Open:
    return Open(row["symbol"], str(row["algoId"]), row.get("clientAlgoId", ""), ALGO)


def _kraken_row(row: Row) -> Open:
    return Open(row["descr"]["pair"], row["id"], row.get("cl_ord_id") or "")


def _kraken_futures_row(row: Row) -> Open:
    return Open(row["symbol"], row["order_id"], row.get("cliOrdId") or "")


def _bybit_row(row: Row) -> Open:
    stop = row.get("stopOrderType") or ""
    kind = "" if stop == "UNKNOWN" else _BYBIT_STOPS.get(stop, stop)
    return Open(row["symbol"], row["orderId"], row.get("orderLinkId") or "", kind)


def _bybit_after(answer: Row, page: list[Open]) -> Row | None:
    cursor = answer["result"].get("nextPageCursor")
    return {"cursor": cursor} if cursor and len(page) >= _BYBIT_PAGE else None


def _bybit_all(kind: str) -> Callable[[str, Sequence[Open]], Row]:
    return lambda _symbol, _orders: {"category": "spot", "orderFilter": kind}


def _bybit_single(order: Open) -> Request:
    kind = order.kind or "Order"
    params = {"category": "spot", "symbol": order.symbol, "orderId": order.order_id, "orderFilter": kind}
    return Request("privatePostV5OrderCancel", params)


def _okx_row(row: Row) -> Open:
    return Open(row["instId"], row["ordId"], row.get("clOrdId") or "")


def _okx_algo_row(row: Row) -> Open:
    return Open(row["instId"], row["algoId"], row.get("algoClOrdId") or "", row["ordType"])


def _okx_after(_answer: Row, page: list[Open]) -> Row | None:
    if len(page) < _OKX_PAGE:
        return None
    return {"after": min((order.order_id for order in page), key=int)}


def _okx_id(order: Open) -> Row:
    return {"instId": order.symbol, "algoId" if order.kind else "ordId": order.order_id}


def _okx_ids(_symbol: str, orders: Sequence[Open]) -> list[Row]:
    return [_okx_id(order) for order in orders]


def _okx_single(order: Open) -> Request:
    if order.kind in _OKX_ADVANCED:
        return Request("privatePostTradeCancelAdvanceAlgos", [_okx_id(order)])
    if order.kind:
        return Request("privatePostTradeCancelAlgos", [_okx_id(order)])
    return Request("privatePostTradeCancelOrder", _okx_id(order))


def _coinbase_row(row: Row) -> Open:
    return Open(row["product_id"], row["order_id"], row.get("client_order_id") or "")


def _coinbase_after(answer: Row, _page: list[Open]) -> Row | None:
    return {"cursor": answer["cursor"]} if answer.get("cursor") and answer.get("has_next", True) else None


def _coinbase_ids(_symbol: str, orders: Sequence[Open]) -> Row:
    return {"order_ids": [order.order_id for order in orders]}


WAYS: dict[str, Way] = {
    "binance": Way(
        listings=(Listing(Request("privateGetOpenOrders"), (), _binance_row),),
        bulks=(Bulk("privateDeleteOpenOrders", By.SYMBOL, _symbol, named=_binance_cancelled),),
        single=_binance_single,
    ),
    "binanceusdm": Way(
        listings=(
            Listing(Request("fapiPrivateGetOpenOrders"), (), _binance_row),
            Listing(Request("fapiPrivateGetOpenAlgoOrders"), (), _algo_row),
        ),
        bulks=(
            Bulk("fapiPrivateDeleteAllOpenOrders", By.SYMBOL, _symbol, frozenset({""})),
            Bulk("fapiPrivateDeleteAlgoOpenOrders", By.SYMBOL, _symbol, frozenset({ALGO})),
        ),
        single=_usdm_single,
    ),
    "kraken": Way(
        listings=(Listing(Request("privatePostOpenOrders"), ("result", "open"), _kraken_row, by_id=True),),
        bulks=(Bulk("privatePostCancelAll", By.ACCOUNT),),
        single=lambda order: Request("privatePostCancelOrder", {"txid": order.order_id}),
        together=1,  # each request's nonce must be above the one before it
    ),
    "krakenfutures": Way(
        listings=(Listing(Request("privateGetOpenorders"), ("openOrders",), _kraken_futures_row),),
        bulks=(Bulk("privatePostCancelallorders", By.ACCOUNT),),
        single=lambda order: Request("privatePostCancelorder", {"order_id": order.order_id}),
    ),
    "bybit": Way(
        listings=(
            Listing(
                Request("privateGetV5OrderRealtime", {"category": "spot", "limit": _BYBIT_PAGE}),
                ("result", "list"),
                _bybit_row,
                after=_bybit_after,
            ),
        ),
        bulks=tuple(
            Bulk(
                "privatePostV5OrderCancelAll",
                By.ACCOUNT,
                _bybit_all(kind),
            )
            for kind in _BYBIT_KINDS
        ),
        single=_bybit_single,
    ),
    "okx": Way(
        listings=(
            Listing(
                Request("privateGetTradeOrdersPending", {"limit": _OKX_PAGE}),
                ("data",),
                _okx_row,
                after=_okx_after,
            ),
            *(
                Listing(
                    Request("privateGetTradeOrdersAlgoPending", {"ordType": kinds, "limit": _OKX_PAGE}),
                    ("data",),
                    _okx_algo_row,
                    after=_okx_after,
                )
                for kinds in _OKX_ALGOS
            ),
        ),
        bulks=(
            Bulk("privatePostTradeCancelBatchOrders", By.IDS, _okx_ids, frozenset({""}), 20),
            Bulk(
                "privatePostTradeCancelAlgos",
                By.IDS,
                _okx_ids,
                frozenset(kind for kinds in _OKX_ALGOS for kind in kinds.split(",")),
                10,
            ),
        ),
        single=_okx_single,
    ),
    "coinbase": Way(
        listings=tuple(
            Listing(
                Request(
                    "v3PrivateGetBrokerageOrdersHistoricalBatch",
                    {"order_status": status, "limit": _COINBASE_PAGE},
                ),
                ("orders",),
                _coinbase_row,
                after=_coinbase_after,
            )
            for status in _COINBASE_LIVE
        ),
        bulks=(Bulk("v3PrivatePostBrokerageOrdersBatchCancel", By.IDS, _coinbase_ids, size=100),),
        single=lambda order: Request("v3PrivatePostBrokerageOrdersBatchCancel", _coinbase_ids("", [order])),
    ),
}
