"""One thread owns the database: it writes what has queued up in one transaction, with one fsync.

The event loop is never blocked by a disk, and intents that arrive together share the price of being durable.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from trader.journal import storage
from trader.journal.records import Record
from trader.journal.storage import JournalError

Query = Callable[[apsw.Connection], Any]
_Item = tuple[Record | Query, "asyncio.Future[Any]", bool]

LAG_SECONDS = 0.02


class Writer(threading.Thread):
    """The journal's thread.

    Args:
        connection: used by this thread only, from `start` on.
        observe: called on the loop with (seconds, records) after every commit.
        failed: called on the loop, once, with the error that ended writing.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        observe: Callable[[float, int], None],
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
        self._busy_since: float | None = None

    @property
    def error(self) -> JournalError | None:
        """Why nothing is written any more; None while all is well."""
        return self._error

    def submit(self, item: Record | Query, *, urgent: bool = True) -> "asyncio.Future[Any]":
        """Queue one record (the future resolves when it is durable) or one read (it resolves to the answer).

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

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)

    def run(self) -> None:
        stopping = False
        while not stopping:
            items, stopping = self._gather()
            if items:
                self._busy_since = time.perf_counter()
                self._commit(items, self._busy_since)
                self._busy_since = None

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
            self._report([(future, None) for _, future, _ in items], self._error, 0.0, 0)
            return
        answers: list[tuple[asyncio.Future[Any], Any]] = []
        sequence, digest, records = self._sequence, self._hash, 0
        try:
            with storage.transaction(self._connection):
                for item, future, _ in items:
                    answer = None
                    if isinstance(item, Record):
                        sequence, records = sequence + 1, records + 1
                        digest = storage.append(self._connection, item, sequence, digest)
                    else:
                        answer = item(self._connection)
                    answers.append((future, answer))
        except Exception as error:  # noqa: BLE001 - a thread that dies unseen would leave every intent waiting
            self._error = JournalError(
                f"{self._path}: {type(error).__name__}: {error}; check the disk, then restart"
            )
            self._report([(future, None) for _, future, _ in items], self._error, 0.0, 0)
            return
        self._sequence, self._hash = sequence, digest
        self._report(answers, None, time.perf_counter() - started, records)

    def _report(
        self,
        answers: list[tuple["asyncio.Future[Any]", Any]],
        error: JournalError | None,
        seconds: float,
        records: int,
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, answers, error, seconds, records)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _deliver(
        self,
        answers: list[tuple["asyncio.Future[Any]", Any]],
        error: JournalError | None,
        seconds: float,
        records: int,
    ) -> None:
        for future, answer in answers:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        if error is not None:
            self._failed(error)
        elif records:
            self._observe(seconds, records)


def _retrieve(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()
