"""The file: opening, locking, schema, and the fold of an event into the derived tables."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw

from trader.journal.records import Kind, Record, link

SCHEMA_VERSION = "1"
GENESIS = b"\0" * 32
# SQLite before 3.51.3 can corrupt a WAL when a backup checkpoints at the moment of a commit
# (sqlite.org/wal.html#walresetbug).
MINIMUM_SQLITE = (3, 51, 3)

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, hash BLOB NOT
  NULL) STRICT; CREATE TABLE IF NOT EXISTS orders ( client_id TEXT PRIMARY KEY, symbol TEXT NOT NULL, side
  TEXT NOT NULL, kind TEXT NOT NULL, quantity TEXT NOT NULL, price TEXT, created_ns INTEGER NOT NULL,
  state TEXT NOT NULL, venue_order_id TEXT, reason TEXT NOT NULL) STRICT; CREATE INDEX IF NOT EXISTS
  orders_live ON orders (state) WHERE state NOT IN ('filled', 'canceled', 'rejected', 'expired'); CREATE
  INDEX IF NOT EXISTS orders_venue ON orders (venue_order_id); CREATE TABLE IF NOT EXISTS fills ( symbol
  TEXT NOT NULL, trade_id TEXT NOT NULL, client_id TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT
  NULL, price TEXT NOT NULL, fee TEXT NOT NULL, fee_asset TEXT, at_ms INTEGER NOT NULL, PRIMARY KEY
  (symbol, trade_id, client_id)) STRICT, WITHOUT ROWID; CREATE INDEX IF NOT EXISTS fills_order ON fills
  (client_id); CREATE TABLE IF NOT EXISTS balances (asset TEXT PRIMARY KEY, baseline TEXT NOT NULL,
  changes TEXT NOT NULL) STRICT; CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, quantity
  TEXT NOT NULL) STRICT; CREATE TABLE IF NOT EXISTS cursors (symbol TEXT PRIMARY KEY, trade_id TEXT NOT
  NULL) STRICT;
"""


class JournalError(Exception):
    """The journal cannot be used, in one line that names the file and the next step."""


def lock(path: Path) -> int:
    """Take the single-writer lock beside the journal.

    Returns:
        The descriptor that holds it; closing it (or dying) lets go.

    Raises:
        JournalError: another process has it, or the folder cannot be written.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(
            f"{lock_path}: {error.strerror}; the service's user must be able to write there"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise JournalError(
            f"{path}: in use by process {owner}; two writers never share a journal, stop that one first"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def connect(path: Path) -> apsw.Connection:
    """Open the database with the durability that "intent before wire" needs, and make the tables.

    Raises:
        JournalError: not a journal of this version, damaged, or a SQLite library with the WAL bug.
    """
    if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < MINIMUM_SQLITE:
        raise JournalError(
            f"{path}: SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug, 3.51.3 or newer is needed"
        )
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(2_000)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(SCHEMA)
        known = read_meta(connection, "schema")
        if known is None:
            write_meta(connection, "schema", SCHEMA_VERSION)
        elif known != SCHEMA_VERSION:
            raise JournalError(
                f"{path}: schema {known}, this release reads {SCHEMA_VERSION}; run the release that wrote it"
            )
        verify_tail(connection, path)
    except apsw.Error as error:
        raise JournalError(f"{path}: {error}; restore the journal from a backup") from error
    return connection


def query(connection: apsw.Connection, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query; the columns' types are those of the schema."""
    return connection.execute(sql, values).fetchall()


def read_meta(connection: apsw.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def write_meta(connection: apsw.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def tail(connection: apsw.Connection) -> tuple[int, bytes]:
    """The last event's sequence and hash."""
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, GENESIS) if row is None else (row[0], row[1])


def verify_tail(connection: apsw.Connection, path: Path, depth: int = 200) -> None:
    """Recompute the last links of the chain: a cut or edited end is seen before anything is added to it.

    Raises:
        JournalError: a link does not hold.
    """
    sql = "SELECT seq, at_ns, kind, body, hash FROM events ORDER BY seq DESC LIMIT ?"
    rows = query(connection, sql, (depth + 1,))[::-1]
    previous, expected = (GENESIS, 1) if len(rows) <= depth else (rows[0][4], rows[0][0] + 1)
    for seq, at_ns, kind, body, digest in rows if len(rows) <= depth else rows[1:]:
        if seq != expected or link(previous, seq, at_ns, kind, body) != digest:
            raise JournalError(
                f"{path}: event {seq} does not follow the one before it; restore the journal from a backup"
            )
        previous, expected = digest, seq + 1


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """All or nothing, with the error that was the reason: on a full disk SQLite has rolled back by itself."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def append(connection: apsw.Connection, record: Record, seq: int, previous: bytes) -> bytes:
    """Write one event and fold it into the tables; must run inside a transaction.

    Returns:
        The event's hash, which the next one is chained to.
    """
    payload = record.payload()
    digest = link(previous, seq, record.at_ns, record.kind.value, payload)
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)", (seq, record.at_ns, record.kind.value, payload, digest)
    )
    fold(connection, record)
    return digest


def fold(connection: apsw.Connection, record: Record) -> None:
    """Apply one event to the derived tables."""
    body = record.body
    match record.kind:
        case Kind.INTENT:
            connection.execute(
                "INSERT INTO orders VALUES (:client_id, :symbol, :side, :kind, :quantity, :price,"
                " :created_ns, 'pending', NULL, '')",
                body,
            )
        case Kind.STATE:
            connection.execute(
                "UPDATE orders SET state = :state, reason = :reason,"
                " venue_order_id = coalesce(venue_order_id, :venue_order_id) WHERE client_id = :client_id",
                body,
            )
        case Kind.FILL:
            _fold_fill(connection, body)
        case Kind.RESERVED:
            write_meta(connection, "reserved", str(body["below"]))
        case Kind.OPENED:
            for key in ("host", "account", "epoch"):
                write_meta(connection, key, str(body[key]))
        case Kind.BASELINE:
            for asset, amount in body["balances"].items():
                connection.execute(
                    "INSERT INTO balances VALUES (?, ?, '0')"
                    " ON CONFLICT (asset) DO UPDATE SET baseline = excluded.baseline",
                    (asset, amount),
                )
            _fold_cursors(connection, body["cursors"])
            write_meta(connection, "baseline_ns", str(record.at_ns))
        case Kind.CURSOR:
            _fold_cursors(connection, body["cursors"])
        case Kind.NOTE:
            pass


def _fold_cursors(connection: apsw.Connection, cursors: dict[str, str]) -> None:
    for symbol, trade_id in cursors.items():
        connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (symbol, trade_id))


def _fold_fill(connection: apsw.Connection, body: dict[str, object]) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO fills VALUES"
        " (:symbol, :trade_id, :client_id, :side, :quantity, :price, :fee, :fee_asset, :at_ms)",
        body,
    )
    if connection.changes() == 0:
        return  # the same trade, told twice
    changes = body["changes"]
    assert isinstance(changes, dict)
    for asset, amount in changes.items():
        row = connection.execute("SELECT changes FROM balances WHERE asset = ?", (asset,)).fetchone()
        known = Decimal(0) if row is None else Decimal(row[0])
        connection.execute(
            "INSERT INTO balances VALUES (?, '0', ?)"
            " ON CONFLICT (asset) DO UPDATE SET changes = excluded.changes",
            (asset, str(known + Decimal(amount))),
        )
    row = connection.execute("SELECT quantity FROM positions WHERE symbol = ?", (body["symbol"],)).fetchone()
    signed = Decimal(str(body["quantity"])) * (1 if body["side"] == "buy" else -1)
    position = (Decimal(0) if row is None else Decimal(row[0])) + signed
    connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (body["symbol"], str(position)))
