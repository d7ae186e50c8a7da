"""Reading a journal that may be in use: nothing is written, no lock of the service's is taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw

from trader.journal import storage, tables
from trader.journal.storage import JournalError


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """The journal as it is at this moment, for as long as the block lasts.

    A journal with a WAL is read as every reader of SQLite does. One without (its service has ended cleanly)
    is opened as immutable, because SQLite would otherwise leave an empty WAL beside it.

    Raises:
        JournalError: not there, no journal of this release, damaged, or a service started meanwhile.
    """
    storage.check_library(path)
    before = _identity(path)
    still = not path.with_name(path.name + "-wal").exists()
    name = f"file:{quote(str(path.resolve()))}?mode=ro" + ("&immutable=1" if still else "")
    connection: apsw.Connection | None = None
    try:
        connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(2_000)
        connection.execute("BEGIN")
        storage.check_schema(connection, path)
        yield connection
    except apsw.Error as error:
        raise JournalError(
            f"{path}: {_text(error)}; is it a journal? else restore it from a backup"
        ) from error
    finally:
        if connection is not None:
            connection.close(True)
    if still and _identity(path) != before:
        raise JournalError(f"{path}: a service started while it was read; run the command again")


def known_epoch(path: Path) -> int:
    """The epoch that a journal is of; 0 when there is none that can be read, which opening it will tell."""
    if not path.exists():
        return 0
    try:
        with reading(path) as connection:
            return int(tables.read_meta(connection, "epoch") or 0)
    except (JournalError, ValueError):
        return 0


def _identity(path: Path) -> tuple[int, int, int]:
    try:
        known = path.stat()
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}; give the path of a journal") from error
    return known.st_ino, known.st_size, known.st_mtime_ns


def _text(error: apsw.Error) -> str:
    return f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class Head:
    """What a journal says of itself.

    Args:
        last: sequence of the last event; 0 = none.
        at_ns: UTC, of the last event.
        events_per_day: over the last `GROWTH_DAYS`, or over its life if that is shorter.
        bytes_per_event: of the file, tables included.
    """

    host: str | None
    account: str | None
    epoch: int | None
    latch: str | None
    last: int
    at_ns: int
    events_per_day: float
    bytes_per_event: float


GROWTH_DAYS = 7
DAY_NS = 86_400 * 1_000_000_000


def head(connection: apsw.Connection, size_bytes: int, now_ns: int) -> Head:
    """Read it.

    Args:
        size_bytes: of the file.
        now_ns: UTC.
    """
    last, _ = storage.tail(connection)
    epoch = tables.read_meta(connection, "epoch")
    newest = _at_ns(connection, last)
    since = _first_since(connection, last, now_ns - GROWTH_DAYS * DAY_NS)
    days = max(now_ns - _at_ns(connection, since), DAY_NS // 24) / DAY_NS
    return Head(
        host=tables.read_meta(connection, "host"),
        account=tables.read_meta(connection, "account"),
        epoch=None if epoch is None else int(epoch),
        latch=tables.read_meta(connection, "latch"),
        last=last,
        at_ns=newest,
        events_per_day=(last - since + 1) / days if last else 0.0,
        bytes_per_event=size_bytes / last if last else 0.0,
    )


def _at_ns(connection: apsw.Connection, seq: int) -> int:
    row = connection.execute("SELECT at_ns FROM events WHERE seq = ?", (seq,)).fetchone()
    return 0 if row is None else int(row[0])


def _first_since(connection: apsw.Connection, last: int, at_ns: int) -> int:
    """The first event at or after a time, by bisection: there is no index on time."""
    low, high = 1, last
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _at_ns(connection, middle) >= at_ns else (middle + 1, high)
    return low


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at a journal: the last rows of a table, oldest first.

    Args:
        time: column that `since` is compared with; None = the table has no times.
        unit_ns: nanoseconds in one unit of that column.
        newest: SQL to order by, newest first.
        only: SQL condition of the rows that belong to it.
    """

    table: str
    columns: tuple[str, ...]
    time: str | None
    unit_ns: int
    newest: str
    client_id: str | None
    only: str = "1"


def _body(key: str) -> str:
    """A column out of an event's body."""
    return f"json_extract(CAST(body AS TEXT), '$.{key}') AS \"{key}\""


VIEWS = {
    "orders": View(
        "orders",
        (
            "created_ns",
            "client_id",
            "symbol",
            "side",
            "kind",
            "quantity",
            "price",
            "state",
            "venue_order_id",
            "reason",
        ),
        "created_ns",
        1,
        "rowid",
        "client_id",
    ),
    "fills": View(
        "fills",
        ("at_ms", "client_id", "symbol", "trade_id", "side", "quantity", "price", "fee", "fee_asset"),
        "at_ms",
        1_000_000,
        "at_ms DESC, length(trade_id) DESC, trade_id",
        "client_id",
    ),
    "events": View(
        "events",
        ("seq", "at_ns", "kind", "CAST(body AS TEXT) AS body"),
        "at_ns",
        1,
        "seq",
        "json_extract(CAST(body AS TEXT), '$.client_id')",
    ),
    "positions": View("positions", ("symbol", "quantity"), None, 1, "symbol", None),
    "funding": View(
        "funding",
        ("at_ms", "symbol", "payment_id", "asset", "amount"),
        "at_ms",
        1_000_000,
        "at_ms DESC, payment_id",
        None,
    ),
    "accepted": View(
        "events",
        ("at_ns", *map(_body, ("by", "reason", "usd", "rows", "balances", "fills", "cursors"))),
        "at_ns",
        1,
        "seq",
        None,
        "kind = 'accepted'",
    ),
}


def names(view: View) -> list[str]:
    """The columns' names for people."""
    return [column.rpartition(" AS ")[2].strip('"') for column in view.columns]


def rows(
    connection: apsw.Connection, view: View, since_ns: int | None, client_id: str | None, limit: int
) -> list[tuple[Any, ...]]:
    """The newest rows that fit, oldest first.

    Args:
        since_ns: UTC; None = from the beginning. Not for a table without times.
        limit: at most so many.
    """
    conditions, values = [view.only], []
    if since_ns is not None and view.time is not None:
        conditions.append(f"{view.time} >= ?")
        values.append(str(since_ns // view.unit_ns))
    if client_id is not None and view.client_id is not None:
        conditions.append(f"{view.client_id} = ?")
        values.append(client_id)
    # Names come from VIEWS alone.
    sql = (
        f"SELECT {', '.join(view.columns)} FROM {view.table} WHERE {' AND '.join(conditions)}"  # noqa: S608
        f" ORDER BY {view.newest} DESC LIMIT ?"
    )
    return storage.query(connection, sql, (*values, limit))[::-1]
