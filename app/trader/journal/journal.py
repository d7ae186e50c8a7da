"""The journal as the rest of the service sees it."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import orjson

from trader.journal import records, storage
from trader.journal.records import Kind, Record
from trader.journal.storage import JournalError, Row
from trader.journal.tables import read_meta
from trader.journal.writer import Writer
from trader.model.identifiers import client_id
from trader.model.orders import Order
from trader.model.transitions import FINAL, OrderState
from trader.model.values import Fill, OrderKind, Payment, Side

FUNDING = "funding"  # in place of a symbol: the cursor of funding payments, a time in UTC ms
FUNDING_OVERLAP_MS = 3_600_000  # payments that the venue lists so late are not missed
RESERVE = 1_000  # sequence numbers made durable at once; a crash skips what is left of them


@dataclass(slots=True)
class Snapshot:
    """What a start finds: orders that are not final, and the sums.

    Args:
        day: the body of the last DAY event.
        fills_after_day, payments_after_day: what was booked after it, in the journal's order; empty without
            one.
        baseline_ns: UTC, when the first baseline was written; 0 = never.
        payments: time (UTC ms) of each funding payment from `FUNDING_OVERLAP_MS` before their cursor on, by
            symbol and payment id.
        by_hand: symbol and trade id of the trades that a person has accepted.
        latch: state, by and reason of the last LATCH event.
        traded: whether there was ever an intent.
    """

    orders: list[Order] = field(default_factory=list)
    baseline: dict[str, Decimal] | None = None
    changes: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    day: dict[str, Any] | None = None
    fills_after_day: list[Fill] = field(default_factory=list)
    payments_after_day: list[Payment] = field(default_factory=list)
    baseline_ns: int = 0
    payments: dict[tuple[str, str], int] = field(default_factory=dict)
    by_hand: set[tuple[str, str]] = field(default_factory=set)
    latch: dict[str, str] | None = None
    traded: bool = False


class Journal:
    """An open journal; make one with `Journal.open`."""

    def __init__(self, path: Path, connection: apsw.Connection, lock: int, host: str, epoch: int) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._host = host
        self._epoch = epoch
        self._writer: Writer | None = None
        # Called on the loop with the records of every commit, in their order.
        self.committed: Callable[[Sequence[Row]], None] = lambda rows: None
        self._next = int(read_meta(connection, "reserved") or 1)
        self._reserved = self._next

    @classmethod
    def open(cls, path: Path, host: str, account: str, epoch: int, release: str) -> "Journal":
        """Lock and open; the first sequence numbers are reserved before this returns.

        Raises:
            JournalError: in use, damaged, of another host or account, or of a later epoch than the
            settings say.
        """
        lock = storage.lock(path)
        connection: apsw.Connection | None = None
        try:
            connection = storage.connect(path)
            for key, value in (("host", host), ("account", account)):
                known = read_meta(connection, key)
                if known not in (None, value):
                    raise JournalError(
                        f"{path}: belongs to {key} {known!r}, the settings say {value!r}; correct one of them"
                    )
            known_epoch = int(read_meta(connection, "epoch") or epoch)
            if epoch < known_epoch:
                raise JournalError(
                    f"{path}: is of epoch {known_epoch}, the settings say {epoch}; an epoch never goes back"
                )
            journal = cls(path, connection, lock, host, epoch)
            journal._reserved = journal._next + RESERVE
            body = {"host": host, "account": account, "epoch": epoch, "release": release, "pid": os.getpid()}
            with storage.transaction(connection):
                opening = [Record(Kind.OPENED, body), Record(Kind.RESERVED, {"below": journal._reserved})]
                rows = storage.append(connection, opening, *storage.tail(connection))
                storage.fold(connection, opening, rows[-1][0])
        except BaseException as error:
            if connection is not None:
                connection.close(True)
            os.close(lock)
            if isinstance(error, apsw.Error):
                raise JournalError(f"{path}: {error}; check the disk") from error
            raise
        return journal

    def start(self, observe: Callable[[float, int], None], failed: Callable[[JournalError], None]) -> None:
        """Start the writing thread on the running loop.

        Args:
            observe: called on the loop with (seconds, records) after every commit.
            failed: called on the loop, once, with the error that ended writing.
        """

        def written(seconds: float, rows: Sequence[Row]) -> None:
            self.committed(rows)
            observe(seconds, len(rows))

        self._writer = Writer(self._connection, self._path, asyncio.get_running_loop(), written, failed)
        self._writer.start()

    @property
    def error(self) -> JournalError | None:
        return None if self._writer is None else self._writer.error

    @property
    def busy_seconds(self) -> float:
        """For how long the present commit has been running: a disk that hangs shows here."""
        return 0.0 if self._writer is None else self._writer.busy_seconds

    @property
    def failed_seconds(self) -> float:
        """For how long it has been broken; 0 = it is not."""
        return 0.0 if self._writer is None else self._writer.failed_seconds

    def next_client_id(self) -> str:
        """A client order id that no order, of this or an earlier process, has had."""
        if self._next >= self._reserved:
            raise JournalError(
                f"{self._path}: no reserved sequence number left; the disk is too slow or stuck"
            )
        sequence = self._next
        self._next += 1
        if self._reserved - self._next == RESERVE // 2:
            self._reserve(self._reserved + RESERVE)
        return client_id(self._host, self._epoch, sequence)

    def _reserve(self, below: int) -> None:
        def durable(future: "asyncio.Future[int]") -> None:
            if not future.cancelled() and future.exception() is None:
                self._reserved = below

        self.append(Record(Kind.RESERVED, {"below": below})).add_done_callback(durable)

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def last_sequence(self) -> int:
        """The last event's; before `start`."""
        return storage.tail(self._connection)[0]

    def append(self, record: Record) -> "asyncio.Future[int]":
        """Queue one event; the future gives its sequence once it is durable (or never will be:
        JournalError).
        """
        assert self._writer is not None, "start() comes first"
        return self._writer.submit(record)

    def later(self, record: Record) -> None:
        """Queue one event that nobody waits for; the venue can tell it again, so it may lie for a while."""
        assert self._writer is not None, "start() comes first"
        self._writer.submit(record, urgent=False)

    async def find(self, *, client_id: str | None = None, venue_order_id: str | None = None) -> Order | None:
        """An order, final or not, with the trades that are booked for it."""
        assert self._writer is not None, "start() comes first"
        column, value = (
            ("client_id", client_id) if client_id is not None else ("venue_order_id", venue_order_id)
        )
        # `column` is one of the two names above.
        where = f"{column} = ?"
        orders: list[Order] = await self._writer.submit(
            lambda connection: _orders(connection, where, (value,))
        )
        return orders[0] if orders else None

    def snapshot(self) -> Snapshot:
        """What the tables hold. For the start: before `start`, on the caller's thread."""
        connection = self._connection
        balances = storage.query(connection, "SELECT asset, baseline, changes FROM balances")
        baseline_ns = read_meta(connection, "baseline_ns")
        finals = ", ".join(f"'{state.value}'" for state in sorted(FINAL))
        return Snapshot(
            orders=_orders(connection, f"state NOT IN ({finals})", ()),
            baseline={asset: Decimal(baseline) for asset, baseline, _ in balances}
            if baseline_ns is not None
            else None,
            changes={asset: Decimal(changes) for asset, _, changes in balances},
            positions={
                s: Decimal(q) for s, q in storage.query(connection, "SELECT symbol, quantity FROM positions")
            },
            cursors=(cursors := dict(storage.query(connection, "SELECT symbol, trade_id FROM cursors"))),
            day=(day := _json(read_meta(connection, Kind.DAY))),
            fills_after_day=[] if day is None else self._fills_after_day(),
            payments_after_day=[] if day is None else self._payments_after_day(),
            baseline_ns=int(baseline_ns or 0),
            payments=self._payments_since(int(cursors.get(FUNDING, 0)) - FUNDING_OVERLAP_MS),
            by_hand=self._by_hand(),
            latch=_json(read_meta(connection, Kind.LATCH)),
            traded=bool(storage.query(connection, "SELECT 1 FROM orders LIMIT 1")),
        )

    def _fills_after_day(self) -> list[Fill]:
        """Fills that were booked after the last DAY event, each once, in the journal's order."""
        found: dict[tuple[str, str, str], Fill] = {}
        for kind, content in self._after_day(Kind.FILL, Kind.ACCEPTED):
            for body in content["fills"] if kind == Kind.ACCEPTED else [content]:
                fill = records.trade(body)
                found.setdefault((fill.symbol, fill.trade_id, body["client_id"]), fill)
        return list(found.values())

    def _payments_after_day(self) -> list[Payment]:
        """The same for funding payments; without those that the baseline holds."""
        bodies = (body for _, body in self._after_day(Kind.FUNDING) if body["changes"])
        return list({paid.key: paid for paid in map(records.payment, bodies)}.values())

    def _after_day(self, *kinds: Kind) -> list[tuple[str, dict[str, Any]]]:
        """Events of these kinds after the last DAY event, oldest first."""
        found: list[tuple[str, dict[str, Any]]] = []
        for kind, body in self._connection.execute("SELECT kind, body FROM events ORDER BY seq DESC"):
            if kind == Kind.DAY:
                break
            if kind in kinds:
                found.append((kind, orjson.loads(body)))
        return found[::-1]

    def _payments_since(self, at_ms: int) -> dict[tuple[str, str], int]:
        sql = "SELECT symbol, payment_id, at_ms FROM funding WHERE at_ms >= ?"
        return {(row[0], row[1]): row[2] for row in storage.query(self._connection, sql, (at_ms,))}

    def _by_hand(self) -> set[tuple[str, str]]:
        sql = "SELECT symbol, trade_id FROM fills WHERE client_id = ?"
        return set(storage.query(self._connection, sql, (records.BY_HAND,)))

    async def close(self) -> None:
        """Write what is queued, fold the WAL into the file, let go of the lock.

        Raises:
            JournalError: writing had failed; what memory knew since then is not on disk.
        """
        error = None
        if self._writer is not None:
            self._writer.stop()
            await asyncio.to_thread(self._writer.join)
            error = self._writer.error
        if error is None:
            # A busy reader (a backup) may keep the WAL; that is no loss, so the answer is not looked at.
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except apsw.Error as failure:
                error = JournalError(f"{self._path}: {failure}; check the disk")
        self._connection.close(True)
        os.close(self._lock)
        if error is not None:
            raise error


def _json(text: str | None) -> dict[str, Any] | None:
    return None if text is None else orjson.loads(text)


def _orders(connection: apsw.Connection, where: str, values: tuple[object, ...]) -> list[Order]:
    columns = "client_id, symbol, side, kind, quantity, price, created_ns, state, venue_order_id, reason"
    orders = []
    sql = f"SELECT {columns} FROM orders WHERE {where}"  # noqa: S608 - both are literals of this module
    for row in storage.query(connection, sql, values):
        order = Order(
            client_id=row[0],
            symbol=row[1],
            side=Side(row[2]),
            kind=OrderKind(row[3]),
            quantity=Decimal(row[4]),
            price=None if row[5] is None else Decimal(row[5]),
            created_ns=row[6],
            state=OrderState(row[7]),
            venue_order_id=row[8],
            reason=row[9],
        )
        sql = "SELECT trade_id, quantity FROM fills WHERE client_id = ?"
        booked = storage.query(connection, sql, (order.client_id,))
        for trade_id, quantity in booked:
            order.trade_ids.add(trade_id)
            order.filled += Decimal(quantity)
        orders.append(order)
    return orders
