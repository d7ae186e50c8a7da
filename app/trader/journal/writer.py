"""One thread owns the database: it writes what has queued up in one transaction, with one fsync.

The event loop is never blocked by a disk, and intents that arrive together share the price of being durable.
What makes an event durable is its row; the tables that are derived from it may follow a little later.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import apsw

from trader.journal import storage
from trader.journal.records import Kind, Record
from trader.journal.storage import JournalError, Row

Query = Callable[[apsw.Connection], Any]
_Item = tuple[Record | Query, "asyncio.Future[Any]", bool]
_Answer = tuple["asyncio.Future[Any]", Any]
Observe = Callable[[float, Sequence[Row]], None]

LAG_SECONDS = 0.02
FOLD_AT = 500  # events that the tables lag behind before an order may have to wait for them
# Never in the events alone: RESERVED above all, because a release that does not know of the lag would give
# ids again. A crash leaves these to the next start, which folds them.
LAGGING = frozenset({Kind.INTENT, Kind.STATE, Kind.FILL, Kind.CURSOR, Kind.NOTE})
# In pages of 4 KiB. Small enough that the same blocks of the WAL are written again and again: a commit that
# makes the file longer is the slower one.
CHECKPOINT_PAGES = 1_000
CHECKPOINT_PAGES_BUSY = 8_000


class Writer(threading.Thread):
    """The journal's thread.

    Args:
        connection: used by this thread only, from `start` on.
        observe: called on the loop with (seconds, rows) after every commit that wrote any.
        failed: called on the loop, once, with the error that ended writing.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        observe: Observe,
        failed: Callable[[JournalError], None],
    ) -> None:
        super().__init__(name="journal", daemon=True)
        self._connection = connection
        self._path = path
        self._loop = loop
        self._observe = observe
        self._failed = failed
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._sequence, self._hash = storage.tail(connection)
        self._error: JournalError | None = None
        self._failed_at: float | None = None
        self._busy_since: float | None = None
        self._unfolded: list[Record] = []
        self._wal_pages = 0
        # Also ends SQLite's own habit of doing this inside a commit.
        connection.set_wal_hook(self._wal_grew)

    @property
    def error(self) -> JournalError | None:
        """Why nothing is written any more; None while all is well."""
        return self._error

    def submit(self, item: Record | Query, *, urgent: bool = True) -> "asyncio.Future[Any]":
        """Queue one record (the future resolves to its sequence when it is durable) or one read (to the
        answer).

        Args:
            urgent: somebody waits. Else it may lie for `LAG_SECONDS`, to share an fsync with others.

        Raises (through the future):
            JournalError: writing has failed, now or before.
        """
        future = self._loop.create_future()
        # Most callers of a state or fill record do not wait for it; its failure reaches everybody through
        # `failed`.
        future.add_done_callback(_retrieve)
        if self._error is not None:
            future.set_exception(self._error)
        else:
            self._queue.put((item, future, urgent))
        return future

    @property
    def busy_seconds(self) -> float:
        """For how long the present commit has been running; 0 = none is."""
        started = self._busy_since
        return 0.0 if started is None else time.perf_counter() - started

    @property
    def failed_seconds(self) -> float:
        """For how long nothing has been written any more; 0 = all is well."""
        failed = self._failed_at
        return 0.0 if failed is None else time.perf_counter() - failed

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)

    def run(self) -> None:
        stopping = False
        while not stopping:
            items, stopping = self._gather()
            self._busy_since = time.perf_counter()
            if items:
                self._commit(items, self._busy_since)
            self._tidy(idle=stopping or (self._queue.empty() and not any(urgent for *_, urgent in items)))
            self._busy_since = None
        if self._unfolded and self._error is None:
            try:
                self._fold_late()
            except Exception as error:  # noqa: BLE001 - told by `error`, which closing looks at
                self._error = self._failure(error)

    def _gather(self) -> tuple[list[_Item], bool]:
        """What goes into the next commit, and whether it is the last."""
        items: list[_Item] = []
        until: float | None = None
        while True:
            try:
                item = self._queue.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return items, False
            if item is None:
                return items, True
            items.append(item)
            # From the first urgent one on, only what is there already comes along.
            if item[2]:
                until = 0.0
            elif until is None:
                until = time.monotonic() + LAG_SECONDS

    def _commit(self, items: list[_Item], started: float) -> None:
        if self._error is not None:
            self._report([(future, None) for _, future, _ in items], self._error, 0.0, ())
            return
        records = [item for item, *_ in items if isinstance(item, Record)]
        try:
            if self._may_lag(items, records):
                # One event is a transaction by itself: every statement less is a hand-over of the
                # interpreter's lock less.
                with storage.transaction(self._connection) if len(records) > 1 else nullcontext():
                    rows = storage.append(self._connection, records, self._sequence, self._hash)
                answers: list[_Answer] = [
                    (future, row[0]) for (_, future, _), row in zip(items, rows, strict=True)
                ]
                self._unfolded += records
            else:
                with storage.transaction(self._connection):
                    rows = storage.append(self._connection, records, self._sequence, self._hash)
                    self._unfolded += records
                    self._fold(rows[-1][0] if rows else None)
                    numbers = iter([row[0] for row in rows])
                    answers = [
                        (future, next(numbers) if isinstance(item, Record) else item(self._connection))
                        for item, future, _ in items
                    ]
                self._unfolded = []
        except Exception as error:  # noqa: BLE001 - dying unseen would leave every intent waiting
            self._fail(error, [(future, None) for _, future, _ in items])
            return
        if rows:
            self._sequence, *_, self._hash = rows[-1]
        self._report(answers, None, time.perf_counter() - started, rows)

    def _may_lag(self, items: list[_Item], records: list[Record]) -> bool:
        """Whether the tables can wait: an order's way to the wire is shorter without them.

        The next commit that nobody waits for brings them up to date; an order is followed by one at once.
        """
        return (
            any(urgent for *_, urgent in items)
            and len(records) == len(items)
            and all(record.kind in LAGGING for record in records)
        )

    def _fold(self, last: int | None = None) -> None:
        """Bring the tables up to date, inside a transaction; `last` is the sequence of the last event."""
        storage.fold(self._connection, self._unfolded, self._sequence if last is None else last)

    def _tidy(self, *, idle: bool) -> None:
        """What would make a commit slow is done after it: tables that lag far, and the move of the WAL into
        the file.
        """
        if self._error is not None:
            return
        try:
            if len(self._unfolded) >= FOLD_AT:
                self._fold_late()
            if self._wal_pages >= (CHECKPOINT_PAGES if idle else CHECKPOINT_PAGES_BUSY):
                self._checkpoint()
        except Exception as error:  # noqa: BLE001 - as in a commit
            self._fail(error, [])

    def _fold_late(self) -> None:
        # Without an fsync of its own: the next commit's covers it, and what a crash takes is folded again.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with storage.transaction(self._connection):
            self._fold()
        self._connection.execute("PRAGMA synchronous=FULL")
        self._unfolded = []

    def _checkpoint(self) -> None:
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._wal_pages = 0
        except apsw.BusyError:
            return  # somebody else, for example a backup, is at it

    def _wal_grew(self, connection: apsw.Connection, database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _failure(self, error: Exception) -> JournalError:
        return JournalError(f"{self._path}: {type(error).__name__}: {error}; check the disk, then restart")

    def _fail(self, error: Exception, answers: list[_Answer]) -> None:
        self._failed_at = time.perf_counter()
        self._error = self._failure(error)
        self._report(answers, self._error, 0.0, ())

    def _report(
        self,
        answers: list[_Answer],
        error: JournalError | None,
        seconds: float,
        rows: Sequence[Row],
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, answers, error, seconds, rows)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _deliver(
        self,
        answers: list[_Answer],
        error: JournalError | None,
        seconds: float,
        rows: Sequence[Row],
    ) -> None:
        # First, so that who waits for a record's copy finds it under way.
        if error is None and rows:
            self._observe(seconds, rows)
        for future, answer in answers:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        if error is not None:
            self._failed(error)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()
