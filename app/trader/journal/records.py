"""What is written: one record per event. The tables are derived from these and can be rebuilt from them."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson

from trader.model.orders import Order
from trader.model.values import Fill, Payment, Side

BY_HAND = "by-hand"  # stands for the client id of a trade that somebody made past this service


class Kind(StrEnum):
    OPENED = "opened"  # a process took the journal
    RESERVED = "reserved"  # sequence numbers below this one may be used
    INTENT = "intent"  # an order is about to be sent
    STATE = "state"
    FILL = "fill"
    BASELINE = "baseline"  # balances and last trades that were there before us
    CURSOR = "cursor"  # trades up to here were compared with the venue
    FUNDING = "funding"  # a payment of a perpetual's funding
    ACCEPTED = "accepted"  # a person took what the venue says for the new beginning
    DAY = "day"  # the profit and loss of the day so far; what is in it is the risk engine's affair
    LATCH = "latch"  # the kill switch was tripped or re-armed
    RESTORED = "restored"  # made anew from copies, under a new epoch
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Record:
    """One event.

    Args:
        body: JSON-ready; amounts as decimal text.
        at_ns: UTC.
    """

    kind: Kind
    body: dict[str, Any]
    at_ns: int = field(default_factory=time.time_ns)

    def payload(self) -> bytes:
        return orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)


def link(previous: bytes, sequence: int, at_ns: int, kind: str, payload: bytes) -> bytes:
    """Chain an event to the one before it: SHA-256 over that one's hash and all of this one."""
    head = f"{sequence}|{at_ns}|{kind}|".encode()
    return hashlib.sha256(previous + head + payload).digest()


def intent(order: Order, *, adopted: bool = False) -> Record:
    """An order that is about to be sent.

    Args:
        adopted: it was sent before a restore, which did not bring its record back; the venue told of it.
    """
    extra = {"adopted": True} if adopted else {}
    return Record(
        Kind.INTENT,
        {
            "client_id": order.client_id,
            "symbol": order.symbol,
            "side": order.side.value,
            "kind": order.kind.value,
            "quantity": str(order.quantity),
            "price": None if order.price is None else str(order.price),
            "created_ns": order.created_ns,
            "reduce_only": order.reduce_only,
            **extra,
        },
    )


def state(order: Order) -> Record:
    return Record(
        Kind.STATE,
        {
            "client_id": order.client_id,
            "state": order.state.value,
            "venue_order_id": order.venue_order_id,
            "reason": order.reason,
        },
    )


def fill(client_id: str, trade: Fill, changes: dict[str, Decimal]) -> Record:
    return Record(
        Kind.FILL,
        {
            "client_id": client_id,
            "symbol": trade.symbol,
            "trade_id": trade.trade_id,
            "venue_order_id": trade.venue_order_id,
            "side": trade.side.value,
            "quantity": str(trade.quantity),
            "price": str(trade.price),
            "fee": str(trade.fee),
            "fee_asset": trade.fee_asset,
            "at_ms": trade.at_ms,
            "realized": str(trade.realized),
            "changes": {asset: str(amount) for asset, amount in changes.items()},
        },
    )


def trade(body: dict[str, Any]) -> Fill:
    """The fill of a FILL event; without `realized` it was written before derivatives were known: 0."""
    return Fill(
        symbol=body["symbol"],
        trade_id=body["trade_id"],
        venue_order_id=body["venue_order_id"],
        side=Side(body["side"]),
        quantity=Decimal(body["quantity"]),
        price=Decimal(body["price"]),
        fee=Decimal(body["fee"]),
        fee_asset=body["fee_asset"],
        at_ms=body["at_ms"],
        realized=Decimal(body.get("realized", "0")),
    )


def baseline(balances: dict[str, Decimal], cursors: dict[str, str]) -> Record:
    body = {"balances": {asset: str(amount) for asset, amount in balances.items()}, "cursors": cursors}
    return Record(Kind.BASELINE, body)


def funding(paid: Payment, changes: dict[str, Decimal]) -> Record:
    """A payment.

    Args:
        changes: what it does to the balances; nothing when the baseline holds it already.
    """
    return Record(
        Kind.FUNDING,
        {
            "symbol": paid.symbol,
            "payment_id": paid.payment_id,
            "asset": paid.asset,
            "amount": str(paid.amount),
            "at_ms": paid.at_ms,
            "changes": {asset: str(amount) for asset, amount in changes.items()},
        },
    )


def payment(body: dict[str, Any]) -> Payment:
    """The payment of a FUNDING event."""
    return Payment(body["symbol"], body["payment_id"], body["asset"], Decimal(body["amount"]), body["at_ms"])


def accepted(
    by: str,
    reason: str,
    rows: Sequence[Mapping[str, str | None]],
    usd: Decimal | None,
    balances: dict[str, Decimal],
    fills: list[tuple[Fill, dict[str, Decimal]]],
    cursors: dict[str, str],
) -> Record:
    """What a person accepted. One event, so that all of it counts or nothing.

    Args:
        rows: before and after, as the person saw it.
        usd: what it was worth, without sign; None = not known.
        balances: the new baseline of what changed.
        fills: trades that somebody made by hand, with what each does to the balances.
        cursors: last trade of each symbol that has such.
    """
    return Record(
        Kind.ACCEPTED,
        {
            "by": by,
            "reason": reason,
            "rows": list(rows),
            "usd": None if usd is None else str(usd),
            "balances": {asset: str(amount) for asset, amount in balances.items()},
            "fills": [fill(BY_HAND, trade, changes).body for trade, changes in fills],
            "cursors": cursors,
        },
    )


def cursor(cursors: dict[str, str]) -> Record:
    return Record(Kind.CURSOR, {"cursors": cursors})


def day(body: dict[str, Any]) -> Record:
    """The day's state, JSON-ready; a start gets the last one back as it is."""
    return Record(Kind.DAY, body)


def latch(state: str, by: str, reason: str) -> Record:
    """What the latch's own file says too: a second witness, so that no restored file can lower it unseen.

    Args:
        state: "tripped" or "armed".
        by: the person or the trigger.
    """
    return Record(Kind.LATCH, {"state": state, "by": by, "reason": reason})


def note(text: str, **fields: Any) -> Record:
    return Record(Kind.NOTE, {"text": text, **fields})
