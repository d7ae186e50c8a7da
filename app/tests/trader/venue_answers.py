"""One row per venue: what has to be on the wire, and the venue's own answers, good and odd."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

TEXT, HEX = "trader-01-1-42", "fa832445608ecade000100000000002a"
DASHED = "fa832445-608e-cade-0001-00000000002a"
OTHER_TEXT, OTHER_HEX = "trader-01-1-43", "fa832445608ecade000100000000002b"


@dataclass(frozen=True, slots=True)
class Row:
    """One venue.

    Args:
        create: path of the new order; `carries` = what its parameters must hold, word for word; `created` =
            the good answer.
        wire_id: our id as this venue spells it; other_id: of another order of ours.
        lookup: path that is asked first, with `lookup_carries`; `found` and `absent` = the answers by path.
        cancel: path, with `cancel_carries`; `cancelled` = the good answer.
        open_orders: path, and an answer with our order alone.
    """

    create: str
    carries: dict[str, Any]
    created: Any
    wire_id: str
    other_id: str
    venue_id: str
    lookup: str
    lookup_carries: dict[str, Any]
    found: dict[str, Any]
    absent: dict[str, Any]
    cancel: str
    cancel_carries: dict[str, Any]
    cancelled: Any
    open_orders: tuple[str, Any]


_BINANCE_ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 77,
    "clientOrderId": TEXT,
    "price": "60000.5",
    "origQty": "0.0123",
    "executedQty": "0.0000",
    "cummulativeQuoteQty": "0.0",
    "status": "NEW",
    "type": "LIMIT",
    "side": "BUY",
    "timeInForce": "GTC",
    "time": 1_700_000_000_000,
    "updateTime": 1_700_000_000_000,
}
_BINANCE_ABSENT = (400, {"code": -2013, "msg": "Order does not exist."})
_BINANCE_CARRIES = {
    "newClientOrderId": TEXT,
    "quantity": "0.0123",
    "price": "60000.5",
    "recvWindow": "5000",
    "side": "BUY",
    "type": "LIMIT",
}

_KRAKEN_ORDER = {
    "cl_ord_id": DASHED,
    "status": "open",
    "opentm": 1_700_000_000.1,
    "vol": "0.01230000",
    "vol_exec": "0.00000000",
    "oflags": "fciq",
    "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "60000.5", "price2": "0"},
}
_KRAKEN_NONE = {"error": [], "result": {"closed": {}, "count": 0}}

_FUTURES_ORDER = {
    "orderId": "77",
    "cliOrdId": TEXT,
    "type": "lmt",
    "symbol": "PF_XBTUSD",
    "side": "buy",
    "quantity": 0.0123,
    "filled": 0,
    "limitPrice": 60000.5,
    "reduceOnly": False,
    "timestamp": "2023-11-14T22:13:20.000Z",
    "lastUpdateTimestamp": "2023-11-14T22:13:20.000Z",
}

_BYBIT_ORDER = {
    "orderId": "77",
    "orderLinkId": TEXT,
    "symbol": "BTCUSDT",
    "orderStatus": "New",
    "side": "Buy",
    "orderType": "Limit",
    "price": "60000.5",
    "qty": "0.0123",
    "cumExecQty": "0",
    "leavesQty": "0.0123",
    "createdTime": "1700000000000",
}

_OKX_ORDER = {
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "ordId": "77",
    "clOrdId": HEX,
    "state": "live",
    "side": "buy",
    "ordType": "limit",
    "px": "60000.5",
    "sz": "0.0123",
    "accFillSz": "0",
    "cTime": "1700000000000",
}

_COINBASE_ORDER = {
    "order_id": "77",
    "client_order_id": TEXT,
    "product_id": "BTC-USDT",
    "status": "OPEN",
    "side": "BUY",
    "order_type": "LIMIT",
    "filled_size": "0",
    "created_time": "2023-11-14T22:13:20Z",
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.0123", "limit_price": "60000.5"}},
}


def _bybit(rows: list[Any]) -> dict[str, Any]:
    return {"retCode": 0, "result": {"list": rows}}


ROWS: dict[str, Row] = {
    "binance": Row(
        create="/api/v3/order",
        carries=_BINANCE_CARRIES,
        created=_BINANCE_ORDER | {"fills": []},
        wire_id=TEXT,
        other_id=OTHER_TEXT,
        venue_id="77",
        lookup="/api/v3/order",
        lookup_carries={"origClientOrderId": TEXT, "symbol": "BTCUSDT", "recvWindow": "5000"},
        found={"/api/v3/order": _BINANCE_ORDER},
        absent={"/api/v3/order": _BINANCE_ABSENT},
        cancel="/api/v3/order",
        cancel_carries={"origClientOrderId": TEXT, "symbol": "BTCUSDT"},
        cancelled=_BINANCE_ORDER
        | {"clientOrderId": "other", "origClientOrderId": TEXT, "status": "CANCELED"},
        open_orders=("/api/v3/openOrders", [_BINANCE_ORDER]),
    ),
    "binanceusdm": Row(
        create="/fapi/v1/order",
        carries=_BINANCE_CARRIES,
        created=_BINANCE_ORDER,
        wire_id=TEXT,
        other_id=OTHER_TEXT,
        venue_id="77",
        lookup="/fapi/v1/order",
        lookup_carries={"origClientOrderId": TEXT, "symbol": "BTCUSDT", "recvWindow": "5000"},
        found={"/fapi/v1/order": _BINANCE_ORDER},
        absent={"/fapi/v1/order": _BINANCE_ABSENT},
        cancel="/fapi/v1/order",
        cancel_carries={"origClientOrderId": TEXT, "symbol": "BTCUSDT"},
        cancelled=_BINANCE_ORDER | {"status": "CANCELED"},
        open_orders=("/fapi/v1/openOrders", [_BINANCE_ORDER]),
    ),
    "kraken": Row(
        create="/AddOrder",
        carries={
            "cl_ord_id": HEX,
            "volume": "0.0123",
            "price": "60000.5",
            "type": "buy",
            "ordertype": "limit",
        },
        created={
            "error": [],
            "result": {"descr": {"order": "buy 0.0123 XBTUSD @ limit 60000.5"}, "txid": ["O77"]},
        },
        wire_id=HEX,
        other_id=OTHER_HEX,
        venue_id="O77",
        lookup="/OpenOrders",
        lookup_carries={"cl_ord_id": HEX},
        found={"/OpenOrders": {"error": [], "result": {"open": {"O77": _KRAKEN_ORDER}}}},
        absent={
            "/OpenOrders": {"error": [], "result": {"open": {}}},
            "/ClosedOrders": _KRAKEN_NONE,
        },
        cancel="/CancelOrder",
        cancel_carries={"cl_ord_id": HEX},
        cancelled={"error": [], "result": {"count": 1, "pending": False}},
        open_orders=("/OpenOrders", {"error": [], "result": {"open": {"O77": _KRAKEN_ORDER}}}),
    ),
    "krakenfutures": Row(
        create="/sendorder",
        carries={
            "cliOrdId": TEXT,
            "size": "0.0123",
            "limitPrice": "60000.5",
            "side": "buy",
            "orderType": "lmt",
        },
        created={
            "result": "success",
            "sendStatus": {
                "order_id": "77",
                "cliOrdId": TEXT,
                "status": "placed",
                "receivedTime": "2023-11-14T22:13:20.000Z",
                "orderEvents": [{"type": "PLACE", "order": _FUTURES_ORDER, "reducedQuantity": None}],
            },
        },
        wire_id=TEXT,
        other_id=OTHER_TEXT,
        venue_id="77",
        lookup="/orders/status",
        lookup_carries={"cliOrdIds": TEXT},
        found={
            "/orders/status": {
                "result": "success",
                "orders": [{"order": _FUTURES_ORDER, "status": "ENTERED_BOOK", "error": None}],
            }
        },
        absent={
            "/orders/status": {"result": "success", "orders": []},
            "/v2/orders": {"elements": [], "len": 0},
            "/fills": {"result": "success", "fills": []},
        },
        cancel="/cancelorder",
        cancel_carries={"cliOrdId": TEXT},
        cancelled={
            "result": "success",
            "cancelStatus": {
                "status": "cancelled",
                "order_id": "77",
                "cliOrdId": TEXT,
                "receivedTime": "2023-11-14T22:13:21.000Z",
                "orderEvents": [{"type": "CANCEL", "uid": "77", "order": _FUTURES_ORDER}],
            },
        },
        open_orders=(
            "/openorders",
            {
                "result": "success",
                "openOrders": [
                    {
                        "order_id": "77",
                        "cliOrdId": TEXT,
                        "symbol": "PF_XBTUSD",
                        "side": "buy",
                        "orderType": "lmt",
                        "limitPrice": 60000.5,
                        "unfilledSize": 0.0123,
                        "filledSize": 0,
                        "status": "untouched",
                        "receivedTime": "2023-11-14T22:13:20.000Z",
                    }
                ],
            },
        ),
    ),
    "bybit": Row(
        create="/v5/order/create",
        carries={
            "orderLinkId": TEXT,
            "qty": "0.0123",
            "price": "60000.5",
            "side": "Buy",
            "orderType": "Limit",
            "category": "spot",
        },
        created={"retCode": 0, "result": {"orderId": "77", "orderLinkId": TEXT}},
        wire_id=TEXT,
        other_id=OTHER_TEXT,
        venue_id="77",
        lookup="/v5/order/realtime",
        lookup_carries={"orderLinkId": TEXT, "category": "spot", "symbol": "BTCUSDT"},
        found={"/v5/order/realtime": _bybit([_BYBIT_ORDER])},
        absent={
            "/v5/order/realtime": _bybit([]),
            "/v5/order/history": _bybit([]),
            "/v5/execution/list": _bybit([]),
        },
        cancel="/v5/order/cancel",
        cancel_carries={"orderLinkId": TEXT, "category": "spot", "symbol": "BTCUSDT"},
        cancelled={"retCode": 0, "result": {"orderId": "77", "orderLinkId": TEXT}},
        open_orders=("/v5/order/realtime", _bybit([_BYBIT_ORDER])),
    ),
    "okx": Row(
        create="/trade/order",
        carries={"clOrdId": HEX, "sz": "0.0123", "px": "60000.5", "side": "buy", "ordType": "limit"},
        created={"code": "0", "data": [{"ordId": "77", "clOrdId": HEX, "sCode": "0", "sMsg": ""}]},
        wire_id=HEX,
        other_id=OTHER_HEX,
        venue_id="77",
        lookup="/trade/order",
        lookup_carries={"clOrdId": HEX, "instId": "BTC-USDT"},
        found={"/trade/order": {"code": "0", "data": [_OKX_ORDER]}},
        absent={"/trade/order": {"code": "51603", "msg": "Order does not exist", "data": []}},
        cancel="/trade/cancel-order",
        cancel_carries={"clOrdId": HEX, "instId": "BTC-USDT"},
        cancelled={"code": "0", "data": [{"ordId": "77", "clOrdId": HEX, "sCode": "0"}]},
        open_orders=("/trade/orders-pending", {"code": "0", "data": [_OKX_ORDER]}),
    ),
    "coinbase": Row(
        create="/brokerage/orders",
        carries={
            "client_order_id": TEXT,
            "product_id": "BTC-USDT",
            "side": "BUY",
            "order_configuration": {
                "limit_limit_gtc": {"base_size": "0.0123", "limit_price": "60000.5", "post_only": False}
            },
        },
        created={
            "success": True,
            "success_response": {
                "order_id": "77",
                "product_id": "BTC-USDT",
                "side": "BUY",
                "client_order_id": TEXT,
            },
        },
        wire_id=TEXT,
        other_id=OTHER_TEXT,
        venue_id="77",
        lookup="/orders/historical/batch",
        lookup_carries={"product_id": "BTC-USDT", "start_date": "2023-11-14T22:12:20.000Z"},
        found={"/orders/historical/batch": {"orders": [_COINBASE_ORDER], "cursor": ""}},
        absent={"/orders/historical/batch": {"orders": [], "cursor": ""}},
        cancel="/orders/batch_cancel",
        cancel_carries={"order_ids": ["77"]},
        cancelled={"results": [{"success": True, "order_id": "77"}]},
        open_orders=("/orders/historical/batch", {"orders": [_COINBASE_ORDER], "cursor": ""}),
    ),
}


def replaced(answer: Any, row: Row, other: str) -> Any:
    """The answer about another order: every text of our id in it is another one."""
    text = json.dumps(answer)
    dashed = "-".join((other[:8], other[8:12], other[12:16], other[16:20], other[20:]))
    return json.loads(text.replace(row.wire_id, other).replace(DASHED, dashed))
