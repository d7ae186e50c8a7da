"""The events of a user data stream, in the venue's one-letter names."""

from __future__ import annotations

from decimal import Decimal

from venue_sim.dialect import STP_MODE, Json
from venue_sim.exchange import OrderEvent
from venue_sim.model import CANCELED, TRADE, Account, money


def execution_report(event: OrderEvent) -> Json:
    """The user stream's event of an order."""
    order, fill = event.order, event.fill
    zero = money(Decimal(0))
    cancel = event.execution == CANCELED
    report: Json = {
        "e": "executionReport",
        "E": event.time_ms,
        "s": order.rules.symbol,
        "c": event.cancel_id if cancel else order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": money(order.quantity),
        "p": money(order.price),
        "P": zero,
        "F": zero,
        "g": -1,
        "C": order.client_order_id if cancel else "",
        "x": event.execution,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": money(fill.quantity) if fill else zero,
        "z": money(order.executed),
        "L": money(fill.price) if fill else zero,
        "n": money(fill.commission) if fill else "0",
        "N": fill.commission_asset if fill else None,
        "T": event.time_ms,
        "t": fill.trade_id if fill else -1,
        "I": order.order_id * 2 + (event.execution == TRADE),
        "w": order.is_open,
        "m": bool(fill and fill.is_maker),
        "M": bool(fill),
        "O": order.created_ms,
        "Z": money(order.executed_quote),
        "Y": money(fill.quote) if fill else zero,
        "Q": money(order.quote_quantity),
        "W": order.created_ms,
        "V": STP_MODE,
    }
    if order.extra:
        report |= {
            {"strategyId": "j", "strategyType": "J"}[name]: value for name, value in order.extra.items()
        }
    return report


def stream_terminated(now_ms: int) -> Json:
    """The last event of a user stream that the venue ends."""
    return {"e": "eventStreamTerminated", "E": now_ms}


def server_shutdown(now_ms: int) -> Json:
    """The warning that the connection will soon be ended."""
    return {"e": "serverShutdown", "E": now_ms}


def account_position(held: Account, assets: tuple[str, ...], now_ms: int) -> Json:
    """The user stream's event of changed balances."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": held.updated_ms,
        "B": [
            {"a": asset, "f": money(held.balance(asset).free), "l": money(held.balance(asset).locked)}
            for asset in assets
        ],
    }
