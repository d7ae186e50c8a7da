"""The events of a USDM user data stream, in the venue's short names."""

from __future__ import annotations

from decimal import Decimal

from venue_sim.dialect import STP_MODE, Json
from venue_sim.exchange import OrderEvent
from venue_sim.model import BUY, MARGIN_ASSET, ZERO, Account, Order, money
from venue_sim.usdm.algo import CONTRACT_PRICE, AlgoOrder
from venue_sim.usdm.dialect import average_price
from venue_sim.usdm.exchange import CLOSE_POSITION, reduces_only
from venue_sim.usdm.funding import FundingPayment
from venue_sim.usdm.position import Position


def order_trade_update(event: OrderEvent) -> Json:
    """A change of an order."""
    order, fill = event.order, event.fill
    waiting = order.remaining * order.price if order.is_open else ZERO
    body: Json = {
        "s": order.rules.symbol,
        "c": order.client_order_id,
        "S": order.side,
        "o": order.type,
        "f": order.time_in_force,
        "q": money(order.quantity),
        "p": money(order.price),
        "ap": money(average_price(order)),
        "sp": money(ZERO),
        "x": event.execution,
        "X": order.status,
        "i": order.order_id,
        "l": money(fill.quantity if fill else ZERO),
        "z": money(order.executed),
        "L": money(fill.price if fill else ZERO),
        "T": event.time_ms,
        "t": fill.trade_id if fill else 0,
        "b": money(waiting if order.side == BUY else ZERO),
        "a": money(ZERO if order.side == BUY else waiting),
        "m": bool(fill and fill.is_maker),
        "R": reduces_only(order),
        "wt": CONTRACT_PRICE,
        "ot": order.type,
        "ps": "BOTH",
        "cp": _closes(order),
        "rp": money(fill.realised if fill else ZERO),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": STP_MODE,
        "pm": "NONE",
        "gtd": 0,
        "er": "0",
    }
    if fill:
        body |= {"N": fill.commission_asset, "n": money(fill.commission)}
    return {"e": "ORDER_TRADE_UPDATE", "E": event.time_ms, "T": event.time_ms, "o": body}


def _closes(order: Order) -> bool:
    return bool(order.extra and order.extra.get(CLOSE_POSITION))


def account_update(held: Account, position: Position, mark: Decimal, now_ms: int) -> Json:
    """A fill's change of the wallet and of a position."""
    wallet = money(held.balance(MARGIN_ASSET).free)
    return {
        "e": "ACCOUNT_UPDATE",
        "E": now_ms,
        "T": now_ms,
        "a": {
            "m": "ORDER",
            "B": [{"a": MARGIN_ASSET, "wb": wallet, "cw": wallet, "bc": "0"}],
            "P": [
                {
                    "s": position.symbol,
                    "pa": money(position.amount),
                    "ep": money(position.entry_price),
                    "bep": money(position.entry_price),
                    "cr": money(position.realised),
                    "up": money(position.unrealised(mark)),
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            ],
        },
    }


def funding_update(payment: FundingPayment) -> Json:
    """A funding payment's change of the wallet; in cross margin it names no position."""
    wallet = money(payment.account.balance(MARGIN_ASSET).free)
    balance = {"a": MARGIN_ASSET, "wb": wallet, "cw": wallet, "bc": money(payment.paid)}
    return {
        "e": "ACCOUNT_UPDATE",
        "E": payment.time_ms,
        "T": payment.time_ms,
        "a": {"m": "FUNDING_FEE", "B": [balance], "P": []},
    }


def algo_update(algo: AlgoOrder, order: Order | None, now_ms: int) -> Json:
    """A change of a conditional order; `order` is what it became."""
    return {
        "e": "ALGO_UPDATE",
        "T": now_ms,
        "E": now_ms,
        "o": {
            "caid": algo.client_algo_id,
            "aid": algo.algo_id,
            "at": "CONDITIONAL",
            "o": algo.type,
            "s": algo.symbol,
            "S": algo.side,
            "ps": "BOTH",
            "f": algo.time_in_force,
            "q": money(algo.quantity),
            "X": algo.status,
            "ai": str(order.order_id) if order else "",
            "ap": money(average_price(order) if order else ZERO),
            "aq": money(order.executed if order else ZERO),
            "act": order.type if order else "0",
            "tp": money(algo.trigger_price),
            "p": money(algo.price),
            "V": STP_MODE,
            "wt": algo.working_type,
            "pm": "NONE",
            "cp": algo.close_position,
            "pP": False,
            "R": algo.reduce_only or algo.close_position,
            "tt": algo.triggered_ms,
            "gtd": 0,
            "rm": algo.reason,
        },
    }


def listen_key_expired(key: str, now_ms: int) -> Json:
    """The last event of a key's stream."""
    return {"e": "listenKeyExpired", "E": now_ms, "listenKey": key}
