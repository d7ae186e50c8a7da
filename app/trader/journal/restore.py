"""A journal made anew from a backup and the records that were shipped since.

Nothing of what is there is changed before the new one is whole and proven: it is built under another name,
the old files are moved aside, and a rename puts it into its place.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from trader.journal import audit, backup, storage, tables
from trader.journal.lines import read_line
from trader.journal.records import Kind, Record, latch, link
from trader.journal.storage import JournalError, Row
from trader.journal.tables import read_meta

BUILDING = ".restoring"
SPARE_BYTES = 64 * 1024 * 1024
BATCH = 5_000
BESIDE = ("", "-wal", "-shm", "-journal")

Lines = Iterator[Row]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be restored.

    Args:
        host, account: whose journal; another one's is refused.
        epoch: the new one; above that of everything that is restored.
        at_ns: UTC; records after it are left out. None = all there are.
        by, reason: who does it and why; kept in the journal.
    """

    host: str
    account: str
    epoch: int
    by: str
    reason: str
    at_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it.

    Args:
        snapshot_events: what the backup brought; 0 = there was none.
        replayed: records that were taken from the shipped lines.
        events: the last sequence before this restore's own records.
        last_ns: UTC, of that record.
        torn: whether the shipped lines end in half a record, which was never acknowledged.
        left_out: shipped records that are later than `at_ns`.
        aside: where the old files are; None = there were none.
    """

    snapshot_events: int
    replayed: int
    events: int
    last_ns: int
    head: str
    epoch: int
    torn: bool
    left_out: int
    aside: str | None
    fetch_seconds: float
    replay_seconds: float
    verify_seconds: float


class Shipped:
    """The lines of the vault's copy, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.torn = False

    def rows(self, after: int) -> Lines:
        """Records with a sequence above `after`.

        Raises:
            JournalError: a line in the middle is no record.
        """
        with self._path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    self.torn = True
                    return
                try:
                    row = read_line(text)
                except JournalError as error:
                    raise JournalError(
                        f"{self._path}, line {number}: {error}; the copy is damaged"
                    ) from error
                if row[0] > after:
                    yield row


def restore(target: Path, snapshot: Path | None, lines: Path | None, wish: Wish) -> Restored:
    """Build the journal, prove it, and put it into its place.

    Args:
        target: where the service expects it; no service may have it.
        snapshot: folder of a backup (`backup.make`); None = the shipped lines alone, from the first record
            on.
        lines: file of shipped lines; None = the backup alone.

    Raises:
        JournalError: something does not hold; what was there is as it was.
    """
    if snapshot is None and lines is None:
        raise JournalError("nothing to restore from: neither a backup nor shipped records")
    storage.check_library(target)
    building = target.with_name(target.name + BUILDING)
    lock = storage.lock(target)
    try:
        for suffix in BESIDE:
            building.with_name(building.name + suffix).unlink(missing_ok=True)
        try:
            return _restore(target, building, snapshot, lines, wish)
        except apsw.Error as error:
            raise JournalError(f"{building}: {type(error).__name__}: {error}; nothing was changed") from error
        except OSError as error:
            name = error.filename or building
            raise JournalError(f"{name}: {error.strerror}; nothing was changed, check the disk") from error
    finally:
        os.close(lock)


def _restore(target: Path, building: Path, snapshot: Path | None, lines: Path | None, wish: Wish) -> Restored:
    began = time.monotonic()
    known = 0
    if snapshot is not None:
        manifest = backup.check(snapshot, wish.host)
        known = manifest.events
        _check_space(building, manifest.size)
        shutil.copyfile(snapshot / backup.COPY, building)
        building.chmod(0o600)
    fetched = time.monotonic()
    connection = storage.connect(building)
    try:
        shipped = None if lines is None else Shipped(lines)
        replayed, left_out = (0, 0) if shipped is None else _replay(connection, building, shipped, wish)
        events, head = storage.tail(connection)
        _check_owner(connection, building, wish, events)
        last_ns = int(storage.query(connection, "SELECT at_ns FROM events WHERE seq = ?", (events,))[0][0])
        _note(connection, wish, known, replayed)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close(True)
    replayed_at = time.monotonic()
    backup.check_integrity(building)
    found = audit.verify(building)
    if not found.sound:
        raise JournalError(f"{building}: {found.broken or found.difference}; nothing was changed")
    aside = _put_in_place(target, building)
    return Restored(
        snapshot_events=known,
        replayed=replayed,
        events=events,
        last_ns=last_ns,
        head=head.hex(),
        epoch=wish.epoch,
        torn=shipped is not None and shipped.torn,
        left_out=left_out,
        aside=aside,
        fetch_seconds=round(fetched - began, 3),
        replay_seconds=round(replayed_at - fetched, 3),
        verify_seconds=round(time.monotonic() - replayed_at, 3),
    )


def _replay(connection: apsw.Connection, path: Path, shipped: Shipped, wish: Wish) -> tuple[int, int]:
    """Append what the copy has beyond the backup, link by link.

    Returns:
        How many, and how many were left out because they are too late.
    """
    sequence, previous = storage.tail(connection)
    first, replayed, left_out, batch = sequence, 0, 0, []
    for row in shipped.rows(sequence):
        if wish.at_ns is not None and row[1] > wish.at_ns:
            left_out += 1
            continue
        seq, at_ns, kind, body, digest = row
        if seq != sequence + 1:
            raise JournalError(
                f"{path}: record {sequence + 1} is missing, record {seq} follows {sequence} in the copy"
            )
        if link(previous, seq, at_ns, kind, body) != digest:
            raise JournalError(f"{path}: record {seq} of the copy does not continue record {sequence}")
        sequence, previous = seq, digest
        batch.append(row)
        if len(batch) == BATCH:
            replayed += _insert(connection, batch)
            batch = []
    replayed += _insert(connection, batch)
    tables.write_meta(connection, tables.FOLDED, str(first))
    with storage.transaction(connection):
        tables.catch_up(connection)
    return replayed, left_out


def _insert(connection: apsw.Connection, rows: list[Row]) -> int:
    with storage.transaction(connection):
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", rows)
    return len(rows)


def _check_owner(connection: apsw.Connection, path: Path, wish: Wish, events: int) -> None:
    if events == 0:
        raise JournalError(f"{path}: nothing to restore: no record before the chosen time")
    for key, value in (("host", wish.host), ("account", wish.account)):
        if (there := read_meta(connection, key)) != value:
            raise JournalError(f"{path}: is of {key} {there!r}, not of {value!r}; nothing was changed")
    epoch = int(read_meta(connection, "epoch") or 0)
    if wish.epoch <= epoch:
        raise JournalError(
            f"{path}: is of epoch {epoch}, the new one must be above it and is {wish.epoch}; nothing was"
            f" changed"
        )


def _note(connection: apsw.Connection, wish: Wish, snapshot_events: int, replayed: int) -> None:
    """This restore, and a latch that is down whatever the copy says: no restore lowers it."""
    body = {
        "host": wish.host,
        "account": wish.account,
        "epoch": wish.epoch,
        "by": wish.by,
        "reason": wish.reason,
        "at_ns": wish.at_ns,
        "snapshot_events": snapshot_events,
        "replayed": replayed,
    }
    records = [Record(Kind.RESTORED, body), latch("tripped", wish.by, f"restored: {wish.reason}")]
    with storage.transaction(connection):
        rows = storage.append(connection, records, *storage.tail(connection))
        storage.fold(connection, records, rows[-1][0])


def _check_space(building: Path, size: int) -> None:
    free = shutil.disk_usage(building.parent).free
    # The copy, its tables made anew in the temporary folder for the proof, and a WAL.
    needed = 2 * size + SPARE_BYTES
    if free < needed:
        raise JournalError(
            f"{building.parent}: {free >> 20} MB are free, {needed >> 20} MB are needed; nothing was changed"
        )


def _put_in_place(target: Path, building: Path) -> str | None:
    """Old files aside, all of them: an old WAL beside the new file would be replayed into it."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = target.with_name(f"aside-{stamp}")
    moved = False
    # The main file last: a reader meets the old journal, or none.
    for suffix in reversed(BESIDE):
        old = target.with_name(target.name + suffix)
        if old.exists():
            aside.mkdir(mode=0o700, exist_ok=True)
            old.rename(aside / old.name)
            moved = True
    for suffix in BESIDE[1:]:
        building.with_name(building.name + suffix).unlink(missing_ok=True)
    building.rename(target)
    backup.sync_folder(target.parent)
    if os.geteuid() == 0:
        owner = target.parent.stat()
        for path in (target, *([aside, *aside.iterdir()] if moved else [])):
            os.chown(path, owner.st_uid, owner.st_gid)
    return str(aside) if moved else None
