"""Proves that a journal holds together, and makes its tables anew; a large one needs no more memory."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import apsw
import orjson

from trader.journal import storage, tables
from trader.journal.reader import reading
from trader.journal.records import Kind, link
from trader.journal.storage import GENESIS, JournalError

Progress = Callable[[int, int], None]  # events done, of how many
STEP = 10_000
REBUILD_CACHE_KIB = 65_536

_Event = tuple[int, int, str, bytes, bytes]


@dataclass(slots=True)
class Audit:
    """What a verification found.

    Args:
        first_ns, last_ns: UTC, of the first and last event.
        head: hash of the last event, hex; whoever kept it earlier sees whether the end was cut off.
        broken: the first event that does not hold, and why; None = all do.
        difference: the first row of a table that the events do not lead to; None = all agree.
    """

    events: int = 0
    first_ns: int = 0
    last_ns: int = 0
    head: str = GENESIS.hex()
    broken: str | None = None
    difference: str | None = None

    @property
    def sound(self) -> bool:
        return self.broken is None and self.difference is None


class _Chain:
    """Checks one event after the other; remembers the first that does not hold."""

    def __init__(self, audit: Audit, previous: bytes = GENESIS, sequence: int = 0) -> None:
        self._audit = audit
        self._previous = previous
        self._sequence = sequence

    def check(self, event: _Event) -> tuple[Kind, dict[str, object]] | None:
        """The event's kind and body; None when it cannot be read at all."""
        seq, at_ns, kind, body, digest = event
        audit = self._audit
        audit.events += 1
        audit.first_ns = audit.first_ns or at_ns
        audit.last_ns, audit.head = at_ns, digest.hex()
        if seq != self._sequence + 1:
            self._broken(f"event {self._sequence + 1} is missing, event {seq} follows {self._sequence}")
        elif link(self._previous, seq, at_ns, kind, body) != digest:
            self._broken(f"event {seq} ({kind}) is not what was written: its hash does not hold")
        self._previous, self._sequence = digest, seq
        try:
            content = orjson.loads(body)
            known = Kind(kind)
        except ValueError as error:
            self._broken(f"event {seq} ({kind}) does not parse: {error}")
            return None
        if not isinstance(content, dict):
            self._broken(f"event {seq} ({kind}) does not parse: its body is no object")
            return None
        return known, content

    def _broken(self, text: str) -> None:
        self._audit.broken = self._audit.broken or text


def verify(path: Path, progress: Progress = lambda done, total: None) -> Audit:
    """Check the whole chain, and compare the tables with a rebuild in a temporary database.

    Reads one moment's state; the service may go on writing.

    Raises:
        JournalError: it cannot be read at all.
    """
    audit = Audit()
    with reading(path) as connection, _scratch() as rebuilt:
        last, _ = storage.tail(connection)
        upto = tables.folded(connection, last)
        chain = _Chain(audit)
        for event in _events(connection, last, progress):
            content = chain.check(event)
            if event[0] <= upto and content is not None:
                _fold(rebuilt, event, content, audit)
        audit.difference = _first_difference(connection, rebuilt)
    return audit


def verify_chain(path: Path, at_most: int) -> Audit:
    """Check the links of the last events only, without the tables.

    Raises:
        JournalError: it cannot be read at all.
    """
    audit = Audit()
    with reading(path) as connection:
        last, _ = storage.tail(connection)
        start = max(0, last - at_most)
        before = connection.execute("SELECT hash FROM events WHERE seq = ?", (start,)).fetchone()
        chain = _Chain(audit, before[0] if before else GENESIS, start)
        for event in _events(connection, last, lambda done, total: None, start):
            chain.check(event)
    return audit


def rebuild(path: Path, progress: Progress = lambda done, total: None) -> int:
    """Drop the derived tables and make them anew from the events, in one transaction.

    Returns:
        How many events they were made of.

    Raises:
        JournalError: a trader has the journal, it cannot be written, or its chain does not hold; nothing is
        changed then.
    """
    with reading(path):  # is it one at all: taking the lock makes a file
        pass
    lock = storage.lock(path)
    connection: apsw.Connection | None = None
    audit = Audit()
    try:
        connection = storage.open_database(path)
        with storage.transaction(connection):
            tables.clear(connection)
            last, _ = storage.tail(connection)
            chain = _Chain(audit)
            for event in _events(connection, last, progress):
                content = chain.check(event)
                if content is not None:
                    _fold(connection, event, content, audit)
                if audit.broken is not None:
                    raise JournalError(
                        f"{path}: {audit.broken}; nothing was changed, restore the journal from a backup"
                    )
            tables.write_meta(connection, tables.FOLDED, str(last))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except apsw.Error as error:
        raise JournalError(
            f"{path}: {type(error).__name__}: {error}; nothing was changed, check the disk"
        ) from (error)
    finally:
        if connection is not None:
            connection.close(True)
        os.close(lock)
    return audit.events


def _events(connection: apsw.Connection, last: int, progress: Progress, start: int = 0) -> Iterator[_Event]:
    # As bytes: damaged text would not be decoded.
    sql = "SELECT seq, at_ns, CAST(kind AS BLOB), body, hash FROM events WHERE seq > ? ORDER BY seq"
    for number, (seq, at_ns, kind, body, digest) in enumerate(connection.execute(sql, (start,))):
        if number % STEP == 0:
            progress(number, last - start)
        yield seq, at_ns, kind.decode(errors="backslashreplace"), body, digest
    progress(last - start, last - start)


def _fold(
    connection: apsw.Connection, event: _Event, content: tuple[Kind, dict[str, Any]], audit: Audit
) -> None:
    seq, at_ns, kind, *_ = event
    try:
        tables.fold(connection, content[0], at_ns, content[1])
    except (LookupError, TypeError, AssertionError, ArithmeticError, apsw.ConstraintError) as error:
        text = f"event {seq} ({kind}) does not parse: {type(error).__name__}: {error}"
        audit.broken = audit.broken or text


class _scratch:  # noqa: N801 - reads as the function it is used as
    """A temporary database that SQLite keeps in memory and, when it grows, on disk."""

    def __enter__(self) -> apsw.Connection:
        self._connection = apsw.Connection("")
        self._connection.execute(f"PRAGMA cache_size=-{REBUILD_CACHE_KIB}")
        tables.create(self._connection)
        self._connection.execute("BEGIN")
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close(True)


def _first_difference(there: apsw.Connection, rebuilt: apsw.Connection) -> str | None:
    for table, keys in tables.KEYS.items():
        for ours, theirs in zip_longest(_sorted(there, table, keys), _sorted(rebuilt, table, keys)):
            if ours != theirs:
                return _name(table, keys, ours, theirs)
    return None


def _sorted(connection: apsw.Connection, table: str, keys: tuple[str, ...]) -> Iterator[dict[str, object]]:
    # Names come from KEYS alone. A journal that only former releases have written lacks the newest tables.
    if not connection.table_exists(None, table):
        return
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}")  # noqa: S608
    columns: list[str] = []
    for row in cursor:
        columns = columns or [name for name, _ in cursor.get_description()]
        if table == "meta" and row[0] in tables.OWN:
            continue
        yield dict(zip(columns, row, strict=True))


def _name(
    table: str, keys: tuple[str, ...], there: dict[str, object] | None, rebuilt: dict[str, object] | None
) -> str:
    """The smaller key of the two is the row that one side lacks; with one key, the columns differ."""

    def key(row: dict[str, object] | None) -> tuple[str, ...] | None:
        return None if row is None else tuple(str(row[name]) for name in keys)

    ours, theirs = key(there), key(rebuilt)
    if there is not None and rebuilt is not None and ours == theirs:
        column = next(name for name in there if there[name] != rebuilt[name])
        return (
            f"{table} {'/'.join(ours or ())}: {column} is {there[column]!r} in the table,"
            f" {rebuilt[column]!r} by the events"
        )
    if theirs is None or (ours is not None and ours < theirs):
        return f"{table} {'/'.join(ours or ())}: in the table, no event leads to it"
    return f"{table} {'/'.join(theirs)}: not in the table, the events lead to it"
