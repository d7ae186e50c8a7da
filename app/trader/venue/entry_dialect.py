"""Orders as Binance's WebSocket API takes and answers them, spot and USDM, without ccxt in between.

What ccxt does for a request and its answer costs more than the rest of an order's way to the wire. The fields
are those of the venue's own documentation; the same answers are read through ccxt everywhere else, and the
tests hold both readings side by side.
"""

from decimal import Decimal
from typing import Any

from trader.model.orders import ZERO, Order
from trader.model.transitions import Signal
from trader.model.values import Fill, OrderKind, OrderReport
from trader.venue.parse import OddAnswerError

# Under which name ccxt has the WebSocket API's address.
ADDRESSES = {"binance": "spot", "binanceusdm": "linear"}
_SIGNALS = {
    "NEW": Signal.OPENED,
    "PENDING_NEW": Signal.OPENED,
    "PARTIALLY_FILLED": Signal.PARTLY_FILLED,
    "FILLED": Signal.FILLED,
    "CANCELED": Signal.CANCELED,
    "EXPIRED": Signal.EXPIRED,
    "EXPIRED_IN_MATCH": Signal.EXPIRED,
    "REJECTED": Signal.REFUSED,
}


def new_order(order: Order, market_id: str, wire_id: str, recv_window_ms: int) -> dict[str, str]:
    """The parameters of order.place."""
    params = {
        "symbol": market_id,
        "side": order.side.value.upper(),
        "type": order.kind.value.upper(),
        "quantity": format(order.quantity, "f"),
        "newClientOrderId": wire_id,
        "newOrderRespType": "FULL" if ":" not in order.symbol else "RESULT",
        "recvWindow": str(recv_window_ms),
    }
    if order.kind is OrderKind.LIMIT:
        assert order.price is not None
        params |= {"price": format(order.price, "f"), "timeInForce": "GTC"}
    if order.reduce_only:
        params["reduceOnly"] = "true"
    return params


def named(market_id: str, wire_id: str, recv_window_ms: int) -> dict[str, str]:
    """The parameters of order.cancel."""
    return {"symbol": market_id, "origClientOrderId": wire_id, "recvWindow": str(recv_window_ms)}


def read(result: dict[str, Any], order: Order, wire_id: str, names: str) -> OrderReport:
    """The venue's word on this order, from the result of order.place or order.cancel.

    Args:
        names: field in which our id stands: clientOrderId, or origClientOrderId after a spot cancel.

    Raises:
        OddAnswerError: the answer does not name this order, or lacks what it must have.
    """
    venue_id = result.get("orderId")
    if not venue_id or result.get(names) != wire_id:
        raise OddAnswerError(f"the answer does not name the order: {result.get(names)!r} ({venue_id!r})")
    try:
        signal = _SIGNALS[result["status"]]
        filled = Decimal(result["executedQty"])
        fills = tuple(_fill(row, order, str(venue_id), result) for row in result.get("fills") or ())
    except (KeyError, TypeError, ArithmeticError, ValueError) as error:
        raise OddAnswerError(f"order {venue_id}: {type(error).__name__}: {error}") from error
    return OrderReport(order.client_id, str(venue_id), order.symbol, signal, filled, fills)


def _fill(row: dict[str, Any], order: Order, venue_id: str, result: dict[str, Any]) -> Fill:
    fee = Decimal(row["commission"])
    return Fill(
        symbol=order.symbol,
        trade_id=str(row["tradeId"]),
        venue_order_id=venue_id,
        side=order.side,
        quantity=Decimal(row["qty"]),
        price=Decimal(row["price"]),
        fee=fee,
        fee_asset=row["commissionAsset"] if fee != ZERO else None,
        at_ms=int(result["transactTime"]),
    )
