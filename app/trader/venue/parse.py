"""From ccxt's dictionaries to our values. Numbers arrive as text (see `exchange`).

Quantities are in base units with us and in contracts at a derivatives venue; `contract_size` is between them.
"""

from decimal import Decimal
from typing import Any, TypeVar

from trader.model.orders import Order
from trader.model.transitions import Signal
from trader.model.values import Fill, Instrument, OrderKind, OrderReport, Quote, Side

Part = TypeVar("Part", bound="dict[str, Any] | list[Any]")
ONE = Decimal(1)
_SIGNALS = {
    "open": Signal.OPENED,
    "canceling": Signal.OPENED,
    "closed": Signal.FILLED,
    "canceled": Signal.CANCELED,
    "expired": Signal.EXPIRED,
    "rejected": Signal.REFUSED,
    # Coinbase's own words, which ccxt passes on.
    "pending": Signal.OPENED,
    "queued": Signal.OPENED,
    "cancel_queued": Signal.OPENED,
    "edit_queued": Signal.OPENED,
}


class OddAnswerError(ValueError):
    """The venue's answer lacks what it must have."""


def part(answer: Any, kind: type[Part], *keys: str) -> Part:
    """What stands under these keys.

    ccxt reads a missing list as an empty one, and an empty list here means "no such order".

    Raises:
        OddAnswerError: a key is missing, or something else stands there.
    """
    found = answer
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, kind):
        raise OddAnswerError(f"the answer has no {kind.__name__} under {'.'.join(keys) or 'its top'}")
    return found


def order_report(order: dict[str, Any], contract_size: Decimal = ONE) -> OrderReport:
    """An order as answers, queries and the stream give it.

    Raises:
        OddAnswerError: no id, client id, symbol or known status.
    """
    signal = _SIGNALS.get(str(order.get("status")).lower())
    client_id, venue_id, symbol = order.get("clientOrderId"), order.get("id"), order.get("symbol")
    if signal is None or not client_id or not venue_id or not symbol:
        raise OddAnswerError(
            f"order {venue_id!r} ({client_id!r}): status {order.get('status')!r}, symbol {symbol!r}"
        )
    filled = Decimal(order.get("filled") or 0)
    if signal is Signal.OPENED and filled > 0:
        signal = Signal.PARTLY_FILLED
    if signal is Signal.FILLED and filled < Decimal(order.get("amount") or 0):
        signal = Signal.CANCELED  # Bybit's PartiallyFilledCanceled is "closed" to ccxt
    trades = order.get("trades") or []
    return OrderReport(
        client_id=str(client_id),
        venue_order_id=str(venue_id),
        symbol=str(symbol),
        signal=signal,
        filled=filled * contract_size,
        fills=tuple(fill(trade, order, contract_size) for trade in trades),
    )


def order_itself(order: dict[str, Any], client_id: str, contract_size: Decimal = ONE) -> Order:
    """The order that the venue describes, as if we had never known it; its state is not read.

    Raises:
        OddAnswerError: no id, symbol, side or amount.
    """
    price, kind = order.get("price"), str(order.get("type"))
    try:
        return Order(
            client_id=client_id,
            symbol=str(order["symbol"]),
            side=Side(str(order["side"])),
            kind=OrderKind.MARKET if kind == "market" else OrderKind.LIMIT,
            quantity=Decimal(order["amount"]) * contract_size,
            price=None if kind == "market" or not price else Decimal(price),
            created_ns=int(order.get("timestamp") or 0) * 1_000_000,
            venue_order_id=str(order["id"]),
        )
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise OddAnswerError(f"order {order.get('id')!r}: {type(error).__name__}: {error}") from error


def fill(
    trade: dict[str, Any],
    order: dict[str, Any] | None = None,
    contract_size: Decimal = ONE,
    realized: tuple[str, ...] = (),
) -> Fill:
    """One of our trades.

    Args:
        order: what the trade came with, for fields that an answer gives once for all its fills.
        realized: fields of the venue's own trade that tell the realised profit; the first one found counts.

    Raises:
        OddAnswerError: no trade id, order id, side, price or amount.
    """
    order = order or {}
    fee = trade.get("fee") or {}
    raw = trade.get("info") or {}
    profit = next((raw[key] for key in realized if raw.get(key) is not None), 0)
    try:
        return Fill(
            symbol=str(trade.get("symbol") or order["symbol"]),
            trade_id=_required(trade, "id"),
            venue_order_id=str(trade.get("order") or order["id"]),
            side=Side(str(trade.get("side") or order.get("side"))),
            quantity=Decimal(_required(trade, "amount")) * contract_size,
            price=Decimal(_required(trade, "price")),
            fee=Decimal(fee.get("cost") or 0),
            fee_asset=fee.get("currency") if fee.get("cost") else None,
            at_ms=int(
                trade.get("timestamp") or order.get("lastTradeTimestamp") or order.get("timestamp") or 0
            ),
            realized=Decimal(profit),
        )
    except (KeyError, ValueError, ArithmeticError) as error:
        raise OddAnswerError(f"trade {trade.get('id')!r} of order {trade.get('order')!r}: {error}") from error


def quote(ticker: dict[str, Any], received_ns: int) -> Quote | None:
    """Best bid and ask; None while one side is empty."""
    bid, ask = ticker.get("bid"), ticker.get("ask")
    if not bid or not ask:
        return None
    return Quote(str(ticker["symbol"]), Decimal(bid), Decimal(ask), received_ns)


def instrument(market: dict[str, Any]) -> Instrument:
    """The trading rules of one market.

    A venue that does not say whether it takes orders is taken to do so: the order's own answer will tell.
    """
    precision, limits = market["precision"], market.get("limits") or {}
    contract_size = Decimal(market.get("contractSize") or 1) if market.get("contract") else ONE
    return Instrument(
        symbol=str(market["symbol"]),
        base=str(market["base"]),
        quote=str(market["quote"]),
        tick_size=Decimal(precision["price"]),
        step_size=Decimal(precision["amount"]) * contract_size,
        min_notional=_minimum(limits, "cost"),
        settle=market.get("settle") if market.get("contract") else None,
        contract_size=contract_size,
        trading=market.get("active") is not False,
        min_quantity=_minimum(limits, "amount") * contract_size,
    )


def balances(answer: dict[str, Any]) -> dict[str, Decimal]:
    """Total (free and reserved) by asset, without the empty ones."""
    totals = {
        asset: Decimal(amount) for asset, amount in (answer.get("total") or {}).items() if amount is not None
    }
    return {asset: amount for asset, amount in totals.items() if amount != 0}


def _minimum(limits: dict[str, Any], of: str) -> Decimal:
    return Decimal((limits.get(of) or {}).get("min") or 0)


def _required(source: dict[str, Any], key: str) -> str:
    value = source.get(key)
    if value is None:
        raise KeyError(key)
    return str(value)
