"""A journal from copies: what comes back, what is refused, and that nothing is changed before it is
proven.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result

from tests.trader.support import make_fill, make_order
from trader.cli import main
from trader.journal import Journal, JournalError, audit, backup, records, restore, storage
from trader.journal.lines import line
from trader.journal.lost import lost
from trader.journal.reader import reading
from trader.journal.tables import read_meta
from trader.model.transitions import OrderState

HOST = "trader-01"


def grow(path: Path, orders: int, epoch: int = 1, first: int = 1) -> None:
    """A journal with orders, states and fills, as a service leaves it."""
    opened = Journal.open(path, HOST, HOST, epoch, "dev")
    connection, rows = opened._connection, []
    for number in range(first, first + orders):
        order = make_order(f"{HOST}-{epoch}-{number}")
        rows.append(records.intent(order))
        order.state, order.venue_order_id = OrderState.FILLED, str(number)
        rows += [
            records.fill(order.client_id, make_fill(str(number)), {"BTC": make_fill().quantity}),
            records.state(order),
        ]
    with storage.transaction(connection):
        written = storage.append(connection, rows, *storage.tail(connection))
        storage.fold(connection, rows, written[-1][0])
    connection.close(True)
    os.close(opened._lock)


def shipped(path: Path, target: Path, upto: int | None = None) -> Path:
    with reading(path) as connection:
        rows = storage.query(connection, "SELECT seq, at_ns, kind, body, hash FROM events ORDER BY seq")
    target.write_bytes(b"".join(line(row) for row in rows[:upto]))
    return target


def wish(**changes: Any) -> restore.Wish:
    values = {"host": HOST, "account": HOST, "epoch": 2, "by": "ann", "reason": "its disk is gone"}
    return restore.Wish(**{**values, **changes})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of which a backup is old and the shipped lines are complete."""
    path = tmp_path / "live" / "journal.sqlite"
    path.parent.mkdir()
    grow(path, 40)
    backup.make(path, tmp_path / "backup")
    grow(path, 30, first=41)
    shipped(path, tmp_path / "lines.jsonl")
    return path


def contents(path: Path) -> list[tuple[Any, ...]]:
    with reading(path) as connection:
        return storage.query(connection, "SELECT client_id, state FROM orders ORDER BY client_id")


def test_backup_and_lines_give_back_the_whole_journal(journal: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "journal.sqlite"
    target.parent.mkdir()
    done = restore.restore(target, tmp_path / "backup", tmp_path / "lines.jsonl", wish())
    assert (done.snapshot_events, done.events, done.aside) == (122, 214, None)
    assert done.replayed == 92
    assert contents(target) == contents(journal)
    assert audit.verify(target).sound
    with reading(target) as connection:
        assert read_meta(connection, "epoch") == "2"
        assert json.loads(read_meta(connection, "latch") or "")["state"] == "tripped"
    with pytest.raises(JournalError, match="an epoch never goes back"):
        Journal.open(target, HOST, HOST, 1, "dev")


@pytest.mark.parametrize(("has_backup", "has_lines", "orders"), [(True, False, 40), (False, True, 70)])
def test_either_alone_is_enough(
    journal: Path, tmp_path: Path, has_backup: bool, has_lines: bool, orders: int
) -> None:
    target = tmp_path / "new.sqlite"
    restore.restore(
        target,
        tmp_path / "backup" if has_backup else None,
        tmp_path / "lines.jsonl" if has_lines else None,
        wish(),
    )
    assert len(contents(target)) == orders


def test_old_files_are_moved_aside_with_their_wal(journal: Path, tmp_path: Path) -> None:
    """The main file restored beside an old WAL gives more rows than were restored, and SQLite calls it
    sound.
    """
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).write_bytes(b"stale")
    old = journal.read_bytes()
    done = restore.restore(journal, tmp_path / "backup", None, wish())
    assert done.aside is not None
    kept = {path.name: path.read_bytes() for path in Path(done.aside).iterdir()}
    assert kept == {"journal.sqlite": old, "journal.sqlite-wal": b"stale", "journal.sqlite-shm": b"stale"}
    assert len(contents(journal)) == 40
    assert audit.verify(journal).sound


def test_up_to_a_moment(journal: Path, tmp_path: Path) -> None:
    with reading(journal) as connection:
        at_ns = storage.query(connection, "SELECT at_ns FROM events WHERE seq = 150")[0][0]
    done = restore.restore(
        tmp_path / "new.sqlite", tmp_path / "backup", tmp_path / "lines.jsonl", wish(at_ns=at_ns)
    )
    with reading(journal) as connection:
        expected = storage.query(connection, "SELECT max(seq) FROM events WHERE at_ns <= ?", (at_ns,))[0][0]
    assert done.events == expected
    assert done.left_out == 214 - expected


def test_what_was_lost_is_counted(journal: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.sqlite"
    restore.restore(target, tmp_path / "backup", tmp_path / "lines.jsonl", wish())
    assert (lost(target).epoch, lost(target).orders, lost(target).milliseconds) == (2, 0, 0)
    order = make_order(f"{HOST}-1-99", created_ns=lost(target).restored_ns + 5_000_000)
    added = [
        records.intent(order, adopted=True),
        records.fill(order.client_id, make_fill("99"), {}),
        records.intent(make_order(f"{HOST}-2-1")),
    ]
    connection = storage.open_database(target)
    storage.append(connection, added, *storage.tail(connection))
    connection.close(True)
    found = lost(target)
    assert (found.orders, found.milliseconds, found.amounts) == (1, 5, {"USDT": "240.000"})


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)


def corrupt_pack(folder: Path) -> None:
    flip(folder / "backup" / "journal.sqlite", 9_000)


def corrupt_pack_and_its_sum(folder: Path) -> None:
    """Whoever changes the copy changes the sum too: SQLite or the chain says it."""
    copy, manifest = folder / "backup" / "journal.sqlite", folder / "backup" / "manifest.json"
    copy.write_bytes(copy.read_bytes().replace(b'"limit"', b'"Limit"'))
    content = json.loads(manifest.read_text())
    content["sha256"] = backup._sha256(copy)
    manifest.write_text(json.dumps(content))


def cut_pack(folder: Path) -> None:
    copy = folder / "backup" / "journal.sqlite"
    copy.write_bytes(copy.read_bytes()[:20_000])


def empty_pack(folder: Path) -> None:
    (folder / "backup" / "journal.sqlite").write_bytes(b"")


def no_manifest(folder: Path) -> None:
    (folder / "backup" / "manifest.json").unlink()


def missing_line(folder: Path) -> None:
    lines = (folder / "lines.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "lines.jsonl").write_bytes(b"".join(lines[:150] + lines[151:]))


def changed_line(folder: Path) -> None:
    text = (folder / "lines.jsonl").read_text().splitlines(keepends=True)
    text[150] = text[150].replace('\\"', '\\" ', 1)
    (folder / "lines.jsonl").write_text("".join(text))


def broken_line(folder: Path) -> None:
    lines = (folder / "lines.jsonl").read_bytes().splitlines(keepends=True)
    lines[150] = b"{}\n"
    (folder / "lines.jsonl").write_bytes(b"".join(lines))


TWINS: list[tuple[Callable[[Path], None], str]] = [
    (corrupt_pack, "sha256 differs"),
    (corrupt_pack_and_its_sum, "another backup"),
    (cut_pack, "sha256 differs"),
    (empty_pack, "sha256 differs"),
    (no_manifest, "no backup of a journal"),
    (missing_line, "record 151 is missing"),
    (changed_line, "record 151 of the copy does not continue"),
    (broken_line, "line 151"),
]


@pytest.mark.parametrize(("sabotage", "word"), TWINS, ids=lambda value: getattr(value, "__name__", ""))
def test_copies_that_do_not_hold_change_nothing(
    journal: Path, tmp_path: Path, sabotage: Callable[[Path], None], word: str
) -> None:
    before = journal.read_bytes()
    sabotage(tmp_path)
    with pytest.raises(JournalError, match=word):
        restore.restore(journal, tmp_path / "backup", tmp_path / "lines.jsonl", wish())
    assert journal.read_bytes() == before
    assert not list(journal.parent.glob("aside-*"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"epoch": 1}, "must be above it"),
        ({"host": "trader-02"}, "of host 'trader-01'"),
        ({"account": "trader-02"}, "of account 'trader-01'"),
        ({"at_ns": 1}, "of host"),
    ],
)
def test_wishes_that_are_refused(journal: Path, tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    before = journal.read_bytes()
    snapshot = None if "at_ns" in changes else tmp_path / "backup"
    word = "nothing to restore" if "at_ns" in changes else word
    with pytest.raises(JournalError, match=word):
        restore.restore(journal, snapshot, tmp_path / "lines.jsonl", wish(**changes))
    assert journal.read_bytes() == before


def test_a_service_that_runs_is_left_alone(journal: Path, tmp_path: Path) -> None:
    running = Journal.open(journal, HOST, HOST, 1, "dev")
    with pytest.raises(JournalError, match="in use by process"):
        restore.restore(journal, tmp_path / "backup", None, wish())
    running._connection.close(True)


def test_a_disk_without_room(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("usage", (), {"free": 1 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(JournalError, match="1 MB are free"):
        restore.restore(journal, tmp_path / "backup", None, wish())


def test_a_library_with_the_wal_bug(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    with pytest.raises(JournalError, match="WAL-reset bug"):
        restore.restore(journal, tmp_path / "backup", None, wish())


def test_half_a_line_at_the_end_was_never_acknowledged(journal: Path, tmp_path: Path) -> None:
    with (tmp_path / "lines.jsonl").open("ab") as file:
        file.write(b'{"seq": 215, "at')
    done = restore.restore(tmp_path / "new.sqlite", tmp_path / "backup", tmp_path / "lines.jsonl", wish())
    assert done.torn
    assert done.events == 214


def test_a_restore_that_was_cut_off_is_done_again(journal: Path, tmp_path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"new.sqlite.restoring{suffix}").write_bytes(b"half")
    done = restore.restore(tmp_path / "new.sqlite", tmp_path / "backup", tmp_path / "lines.jsonl", wish())
    assert done.events == 214
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_backup_while_the_journal_is_written(tmp_path: Path) -> None:
    """In steps it would never end; the copy is one moment's state, and the writer goes on."""
    path = tmp_path / "journal.sqlite"
    grow(path, 2_000)
    stop = threading.Event()
    written = []

    def write() -> None:
        connection = storage.open_database(path)
        while not stop.is_set():
            record = records.note("more")
            storage.append(connection, [record], *storage.tail(connection))
            written.append(1)
            time.sleep(0.002)
        connection.close(True)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(written) < 20:
            time.sleep(0.01)
        made = [backup.make(path, tmp_path / f"backup-{number}") for number in range(5)]
    finally:
        stop.set()
        thread.join()
    for number, manifest in enumerate(made):
        assert backup.check(tmp_path / f"backup-{number}", HOST) == manifest
    assert made[-1].events > made[0].events, "it was written meanwhile"


def test_a_backup_that_fails_leaves_the_earlier_one(journal: Path, tmp_path: Path) -> None:
    earlier = backup.check(tmp_path / "backup")
    empty = tmp_path / "empty.sqlite"
    storage.connect(empty).close()
    for source, word in ((empty, "empty journal"), (tmp_path / "nowhere", "No such file")):
        with pytest.raises(JournalError, match=word):
            backup.make(source, tmp_path / "backup")
        assert backup.check(tmp_path / "backup") == earlier


def test_a_copy_is_one_file_that_any_sqlite_reads(journal: Path, tmp_path: Path) -> None:
    assert {path.name for path in (tmp_path / "backup").iterdir()} == {"journal.sqlite", "manifest.json"}
    with sqlite3.connect(tmp_path / "backup" / "journal.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (40,)


def command(*words: str) -> Result:
    return CliRunner().invoke(main, ["journal", *words])


def test_the_commands(journal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "by-command"
    made = command("backup", str(journal), "--to", str(folder), "--json")
    assert made.exit_code == 0
    assert json.loads(made.output)["events"] == 214
    assert "whole" not in command("check-backup", str(folder), "--host", HOST).output
    wrong = command("check-backup", str(folder), "--host", "trader-02")
    assert (wrong.exit_code, "is of host 'trader-01'" in wrong.output) == (2, True)
    words = ["--host", HOST, "--account", HOST, "--epoch", "2", "--by", "ann", "--reason", "gone"]
    target = tmp_path / "restored.sqlite"
    done = command("restore", str(target), "--backup", str(folder), *words)
    assert done.exit_code == 0, done.output
    assert "last record" in done.output
    nothing = command("restore", str(tmp_path / "other.sqlite"), *words)
    assert "neither a backup nor shipped records" in nothing.output
    assert (
        "--at: 'noon'"
        in command("restore", str(target), "--backup", str(folder), *words, "--at", "noon").output
    )
