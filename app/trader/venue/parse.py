"""From ccxt's dictionaries to our values. Numbers arrive as text (see `exchange`)."""

from decimal import Decimal
from typing import Any

from trader.model.transitions import Signal
from trader.model.values import Fill, Instrument, OrderReport, Quote, Side

_SIGNALS = {
    "open": Signal.OPENED,
    "canceling": Signal.OPENED,
    "closed": Signal.FILLED,
    "canceled": Signal.CANCELED,
    "expired": Signal.EXPIRED,
    "rejected": Signal.REFUSED,
}


class OddAnswerError(ValueError):
    """The venue's answer lacks what it must have."""


def order_report(order: dict[str, Any]) -> OrderReport:
    """An order as answers, queries and the stream give it.

    Raises:
        OddAnswerError: no id, client id, symbol or known status.
    """
    signal = _SIGNALS.get(str(order.get("status")))
    client_id, venue_id, symbol = order.get("clientOrderId"), order.get("id"), order.get("symbol")
    if signal is None or not client_id or not venue_id or not symbol:
        raise OddAnswerError(
            f"order {venue_id!r} ({client_id!r}): status {order.get('status')!r}, symbol {symbol!r}"
        )
    filled = Decimal(order.get("filled") or 0)
    if signal is Signal.OPENED and filled > 0:
        signal = Signal.PARTLY_FILLED
    trades = order.get("trades") or []
    return OrderReport(
        client_id=str(client_id),
        venue_order_id=str(venue_id),
        symbol=str(symbol),
        signal=signal,
        filled=filled,
        fills=tuple(fill(trade, order) for trade in trades),
    )


def fill(trade: dict[str, Any], order: dict[str, Any] | None = None) -> Fill:
    """One of our trades.

    Args:
        order: what the trade came with, for fields that an answer gives once for all its fills.

    Raises:
        OddAnswerError: no trade id, order id, side, price or amount.
    """
    order = order or {}
    fee = trade.get("fee") or {}
    try:
        return Fill(
            symbol=str(trade.get("symbol") or order["symbol"]),
            trade_id=_required(trade, "id"),
            venue_order_id=str(trade.get("order") or order["id"]),
            side=Side(str(trade.get("side") or order.get("side"))),
            quantity=Decimal(_required(trade, "amount")),
            price=Decimal(_required(trade, "price")),
            fee=Decimal(fee.get("cost") or 0),
            fee_asset=fee.get("currency") if fee.get("cost") else None,
            at_ms=int(
                trade.get("timestamp") or order.get("lastTradeTimestamp") or order.get("timestamp") or 0
            ),
        )
    except (KeyError, ValueError) as error:
        raise OddAnswerError(f"trade {trade.get('id')!r} of order {trade.get('order')!r}: {error}") from error


def quote(ticker: dict[str, Any], received_ns: int) -> Quote | None:
    """Best bid and ask; None while one side is empty."""
    bid, ask = ticker.get("bid"), ticker.get("ask")
    if not bid or not ask:
        return None
    return Quote(str(ticker["symbol"]), Decimal(bid), Decimal(ask), received_ns)


def instrument(market: dict[str, Any]) -> Instrument:
    """The trading rules of one market."""
    precision = market["precision"]
    minimum = ((market.get("limits") or {}).get("cost") or {}).get("min")
    return Instrument(
        symbol=str(market["symbol"]),
        base=str(market["base"]),
        quote=str(market["quote"]),
        tick_size=Decimal(precision["price"]),
        step_size=Decimal(precision["amount"]),
        min_notional=Decimal(minimum or 0),
    )


def balances(answer: dict[str, Any]) -> dict[str, Decimal]:
    """Total (free and reserved) by asset, without the empty ones."""
    totals = {
        asset: Decimal(amount) for asset, amount in (answer.get("total") or {}).items() if amount is not None
    }
    return {asset: amount for asset, amount in totals.items() if amount != 0}


def _required(source: dict[str, Any], key: str) -> str:
    value = source.get(key)
    if value is None:
        raise KeyError(key)
    return str(value)
