"""One day of a journal: fills, payments, positions and balances at its ends."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import orjson

from trader.journal import records, storage
from trader.journal.reader import reading
from trader.journal.records import Kind
from trader.model.orders import ZERO, total_changes
from trader.model.values import Fill, Payment

NS_PER_MS = 1_000_000
# A trade may be booked long after it was made: by a comparison after an outage. Never before.
_CLOCKS_MS = 60_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """A day in UTC ms: from `start` on, before `end`."""

    day: date
    start: int
    end: int

    @classmethod
    def of(cls, day: date) -> "Bounds":
        start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1_000)
        return cls(day, start, start + int(timedelta(days=1).total_seconds() * 1_000))

    def has(self, at_ms: int) -> bool:
        return self.start <= at_ms < self.end


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill with the order that it is booked on and what it did to the balances."""

    fill: Fill
    client_id: str
    changes: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class JournalDay:
    """What a journal holds of a day.

    Args:
        booked: fills of the day, oldest first; a trade that is booked on two orders is there twice.
        payments: of the day; `paid`: what each did to the balances.
        positions_start: by symbol, in base units, sums of all fills before the day.
        after: balance changes by everything after the day, until now.
        now: balances and positions as of the last event.
        orders: of the day, by final or present state.
        cursors: last trade id before the day, by symbol; none = the first.
        intents: orders of the day.
        sequence: of the last event that was read.
    """

    bounds: Bounds
    host: str
    account: str
    epoch: int
    booked: tuple[Booked, ...]
    payments: tuple[Payment, ...]
    paid: dict[str, Decimal]
    positions_start: dict[str, Decimal]
    after: dict[str, Decimal]
    now: dict[str, Decimal]
    orders: dict[str, int]
    open_orders: frozenset[str]
    cursors: dict[str, str]
    accepted: tuple[dict[str, Any], ...]
    sequence: int

    @property
    def fills(self) -> tuple[Fill, ...]:
        return tuple(one.fill for one in self.booked)


def read(path: Path, bounds: Bounds) -> JournalDay:
    """Read a day; the service may go on writing.

    Raises:
        JournalError: it cannot be read.
    """
    with reading(path) as connection:
        return _read(connection, bounds)


def changes_since(path: Path, sequence: int) -> list[dict[str, Decimal]]:
    """What each event after one did to the balances, oldest first."""
    with reading(path) as connection:
        sql = "SELECT kind, body FROM events WHERE seq > ? AND kind IN (?, ?) ORDER BY seq"
        rows = storage.query(connection, sql, (sequence, Kind.FILL.value, Kind.FUNDING.value))
    return [_amounts(orjson.loads(body)["changes"]) for _, body in rows]


def _read(connection: apsw.Connection, bounds: Bounds) -> JournalDay:
    meta = dict(storage.query(connection, "SELECT key, value FROM meta"))
    booked, payments, accepted, paid, after = _events(connection, bounds)
    rows = storage.query(connection, "SELECT asset, baseline, changes FROM balances")
    now = {asset: Decimal(baseline) + Decimal(changes) for asset, baseline, changes in rows}
    # Of derivatives the balances hold the position too, under its symbol.
    open_states = "('open', 'partially_filled', 'cancel_pending')"
    return JournalDay(
        bounds=bounds,
        host=meta.get("host", ""),
        account=meta.get("account", ""),
        epoch=int(meta.get("epoch", 0)),
        booked=tuple(booked),
        payments=tuple(payments),
        paid=paid,
        positions_start=_positions_before(connection, bounds.start),
        after=after,
        now=now,
        orders=dict(
            storage.query(
                connection,
                "SELECT state, count(*) FROM orders WHERE created_ns >= ? AND created_ns < ? GROUP BY state",
                (bounds.start * NS_PER_MS, bounds.end * NS_PER_MS),
            )
        ),
        open_orders=frozenset(
            row[0]
            for row in storage.query(connection, f"SELECT client_id FROM orders WHERE state IN {open_states}")  # noqa: S608 - a literal
        ),
        cursors=_cursors(connection, bounds.start),
        accepted=tuple(accepted),
        sequence=storage.tail(connection)[0],
    )


def _events(
    connection: apsw.Connection, bounds: Bounds
) -> tuple[list[Booked], list[Payment], list[dict[str, Any]], dict[str, Decimal], dict[str, Decimal]]:
    """From the events, because the tables do not hold what a trade did to the balances."""
    booked: dict[tuple[str, str, str], Booked] = {}
    payments: dict[tuple[str, str], Payment] = {}
    accepted: list[dict[str, Any]] = []
    paid: list[dict[str, Decimal]] = []
    after: list[dict[str, Decimal]] = []
    kinds = (Kind.FILL.value, Kind.FUNDING.value, Kind.ACCEPTED.value)
    sql = "SELECT kind, at_ns, body FROM events WHERE at_ns >= ? AND kind IN (?, ?, ?) ORDER BY seq"
    for kind, at_ns, text in connection.execute(sql, ((bounds.start - _CLOCKS_MS) * NS_PER_MS, *kinds)):
        body = orjson.loads(text)
        if kind == Kind.FUNDING:
            payment = records.payment(body)
            if bounds.has(payment.at_ms) and payment.key not in payments:
                payments[payment.key] = payment
                paid.append(_amounts(body["changes"]))
            elif payment.at_ms >= bounds.end:
                after.append(_amounts(body["changes"]))
            continue
        if kind == Kind.ACCEPTED and bounds.has(at_ns // NS_PER_MS):
            accepted.append({key: body[key] for key in ("by", "reason", "usd", "rows")})
        for one in [body] if kind == Kind.FILL else body["fills"]:
            fill = records.trade(one)
            key = (fill.symbol, fill.trade_id, one["client_id"])
            if key in booked:
                continue  # told twice, booked once
            if bounds.has(fill.at_ms):
                booked[key] = Booked(fill, one["client_id"], _amounts(one["changes"]))
            elif fill.at_ms >= bounds.end:
                after.append(_amounts(one["changes"]))
    ordered = sorted(booked.values(), key=lambda one: (one.fill.at_ms, _number(one.fill.trade_id)))
    return ordered, list(payments.values()), accepted, total_changes(paid), total_changes(after)


def _positions_before(connection: apsw.Connection, start_ms: int) -> dict[str, Decimal]:
    positions: dict[str, Decimal] = {}
    sql = "SELECT symbol, side, quantity FROM fills WHERE at_ms < ?"
    for symbol, side, quantity in connection.execute(sql, (start_ms,)):
        signed = Decimal(quantity) * (1 if side == "buy" else -1)
        positions[symbol] = positions.get(symbol, ZERO) + signed
    return positions


def _cursors(connection: apsw.Connection, start_ms: int) -> dict[str, str]:
    """The last trade before the day, by symbol: from there on the venue is asked."""
    last: dict[str, tuple[int, int, str]] = {}
    sql = "SELECT symbol, at_ms, trade_id FROM fills WHERE at_ms < ?"
    for symbol, at_ms, trade_id in connection.execute(sql, (start_ms,)):
        last[symbol] = max(last.get(symbol, (0, 0, "")), (at_ms, _number(trade_id), trade_id))
    return {symbol: trade_id for symbol, (_, _, trade_id) in last.items()}


def _number(trade_id: str) -> int:
    return int(trade_id) if trade_id.isdecimal() else 0


def _amounts(changes: dict[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(amount) for asset, amount in changes.items()}
