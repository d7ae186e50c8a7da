"""The file: opening, locking, and the hash chain of the events."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from trader.journal import tables
from trader.journal.records import Record, link
from trader.journal.tables import read_meta, write_meta

SCHEMA_VERSION = "1"
GENESIS = b"\0" * 32
# SQLite before 3.51.3 can corrupt a WAL when a backup checkpoints at the moment of a commit
# (sqlite.org/wal.html#walresetbug).
MINIMUM_SQLITE = (3, 51, 3)
Row = tuple[int, int, str, bytes, bytes]  # sequence, UTC ns, kind, body, hash
WAL_LIMIT_BYTES = 64 * 1024 * 1024  # a WAL that a long reader blew up is cut back to this


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
        if os.geteuid() == 0:
            # A tool run by root must not leave a lock behind that the service's user cannot open.
            owner = lock_path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise JournalError(
            f"{lock_path}: {error.strerror}; the service's user must be able to write there"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise JournalError(
            f"{path}: in use by process {holder}; two writers never share a journal, stop that one first"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def check_library(path: Path) -> None:
    """Refuse a SQLite library with the WAL bug.

    Raises:
        JournalError: it has it.
    """
    if tuple(int(part) for part in apsw.sqlite_lib_version().split(".")) < MINIMUM_SQLITE:
        raise JournalError(
            f"{path}: SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug, 3.51.3 or newer is needed"
        )


def check_schema(connection: apsw.Connection, path: Path) -> None:
    """Refuse a journal of another layout.

    Raises:
        JournalError: the schema is not that of this release.
    """
    known = read_meta(connection, "schema")
    if known != SCHEMA_VERSION:
        raise JournalError(
            f"{path}: schema {known}, this release reads {SCHEMA_VERSION}; run the release that wrote it"
        )


def connect(path: Path) -> apsw.Connection:
    """Open the database with the durability that "intent before wire" needs, and bring the tables up to date.

    Raises:
        JournalError: not a journal of this version, damaged, or a SQLite library with the WAL bug.
    """
    check_library(path)
    connection: apsw.Connection | None = None
    try:
        connection = open_database(path)
        connection.execute("PRAGMA journal_mode=WAL")
        tables.create(connection)
        if read_meta(connection, "schema") is None:
            write_meta(connection, "schema", SCHEMA_VERSION)
        check_schema(connection, path)
        verify_tail(connection, path)
        with transaction(connection):
            tables.catch_up(connection)
    except BaseException as error:
        if connection is not None:
            connection.close(True)
        if isinstance(error, (apsw.Error, ValueError, KeyError)):
            raise JournalError(f"{path}: {error}; restore the journal from a backup") from error
        raise
    return connection


def open_database(path: Path) -> apsw.Connection:
    """A connection that may write; every commit is on the disk when it returns."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(2_000)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    return connection


def query(connection: apsw.Connection, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query; the columns' types are those of the schema."""
    return connection.execute(sql, values).fetchall()


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


def append(connection: apsw.Connection, records: Sequence[Record], seq: int, previous: bytes) -> list[Row]:
    """Write events, chained to the last one; the tables do not know of them yet (see `fold`).

    One event alone needs no transaction around it: it is one.

    Args:
        seq: the last event's sequence.
        previous: the last event's hash.

    Returns:
        The rows as they were written.
    """
    rows: list[Row] = []
    for record in records:
        seq += 1
        kind, payload = record.kind.value, record.payload()
        previous = link(previous, seq, record.at_ns, kind, payload)
        rows.append((seq, record.at_ns, kind, payload, previous))
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    return rows


def fold(connection: apsw.Connection, records: Sequence[Record], last: int) -> None:
    """Apply events to the tables; must run inside a transaction.

    Args:
        last: the sequence of the last of them.
    """
    for record in records:
        tables.fold(connection, record.kind, record.at_ns, record.body)
    write_meta(connection, tables.FOLDED, str(last))
