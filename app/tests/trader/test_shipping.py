"""Log shipping with the vault's real receiver as a process: what is acknowledged is there, whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from trader.journal import Journal, records
from trader.journal.lines import read_line
from trader.journal.storage import GENESIS, JournalError
from trader.orders.gate import Gate
from trader.shipping import Backlog, Shipper
from trader.shipping.settings import ShippingSettings
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

RECEIVER = Path(__file__).resolve().parents[3] / "roles" / "backup_vault" / "files" / "receive.py"
HOST = "trader-01"


class Ship:
    """A journal whose records go to a vault on this machine."""

    def __init__(self, folder: Path, mode: str = "bounded", epoch: int = 1, **limits: Any) -> None:
        self.folder, self.vault = folder, folder / "vault"
        self.journal = Journal.open(folder / "journal.sqlite", HOST, HOST, epoch, "dev")
        self.gate = Gate(lambda state, reasons: None, "not reconciled yet")
        self.gate.clear("start")
        self.lines: list[str] = []
        command = [sys.executable, "-IB", str(RECEIVER), str(self.vault), str(epoch)]
        settings = ShippingSettings(mode=mode, command=command, **limits)  # type: ignore[arg-type]
        self.metrics = Metrics()
        self.events = Events(host=HOST)
        self.shipper = Shipper(
            settings, folder / "journal.sqlite", self.journal, self.gate, self.metrics, self.events
        )
        self.journal.start(lambda seconds, count: None, lambda error: None)
        self.task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        self.task = asyncio.create_task(self.shipper.run())

    async def write(self, count: int = 1) -> int:
        done = [self.journal.append(records.note(f"note {number}")) for number in range(count)]
        return (await asyncio.gather(*done))[-1]

    def copy(self, epoch: int = 1) -> list[Any]:
        return [read_line(text) for text in (self.vault / f"{epoch:06d}.jsonl").read_bytes().splitlines(True)]

    async def until(self, condition: Any, what: str) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - what is looked at lies in other processes too
                await asyncio.sleep(0.01)
        assert condition(), what

    async def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None
        await self.journal.close()


@pytest.fixture
async def ship(tmp_path: Path) -> AsyncIterator[Ship]:
    made = Ship(tmp_path)
    yield made
    await made.end()


async def test_a_record_is_on_the_vault_when_it_is_acknowledged(ship: Ship) -> None:
    assert ship.gate.halted, "before the vault has said what it has nothing is sent"
    ship.begin()
    await ship.until(lambda: not ship.gate.halted, "the gate")
    last = await ship.write(500)
    assert await ship.shipper._backlog.wait(last, 10)
    copy = ship.copy()
    assert [row[0] for row in copy] == list(range(1, last + 1))
    previous = GENESIS
    for seq, at_ns, kind, body, digest in copy:
        assert hashlib.sha256(previous + f"{seq}|{at_ns}|{kind}|".encode() + body).digest() == digest
        previous = digest


async def test_what_was_written_while_the_vault_was_away_is_sent_later(ship: Ship) -> None:
    last = await ship.write(5_000)
    ship.begin()
    await ship.until(lambda: ship.shipper._backlog.acknowledged == last, "the whole journal")
    assert [row[0] for row in ship.copy()] == list(range(1, last + 1))


async def kill_receiver(ship: Ship) -> None:
    process = ship.shipper._process
    assert process is not None
    process.kill()
    await ship.until(lambda: ship.shipper._process is not process, "the end of the connection")


async def test_a_receiver_that_dies_is_started_again_and_nothing_is_missing(ship: Ship) -> None:
    ship.begin()
    for _ in range(5):
        await ship.until(lambda: ship.shipper._process is not None, "a connection")
        writing = asyncio.create_task(ship.write(300))
        await asyncio.sleep(0.003)
        await kill_receiver(ship)
        last = await writing
    await ship.until(lambda: ship.shipper._backlog.acknowledged == last, "the rest")
    assert [row[0] for row in ship.copy()] == list(range(1, last + 1))


async def test_bounded_halts_when_the_vault_is_too_far_behind_and_goes_on_by_itself(tmp_path: Path) -> None:
    ship = Ship(tmp_path, max_ms=200, max_records=1_000)
    ship.begin()
    await ship.until(lambda: not ship.gate.halted, "the gate")
    command = ship.shipper._settings.command
    program = command[2]
    command[2] = str(tmp_path / "gone.py")
    await kill_receiver(ship)
    assert not ship.gate.halted, "it lacks nothing yet"
    await ship.write()
    await ship.until(lambda: ship.gate.halted, "the halt")
    assert "the vault lacks 1 records" in ship.gate.reasons["shipping"]
    command[2] = program
    await ship.until(lambda: not ship.gate.halted, "the way on")
    await ship.end()


async def test_bounded_halts_at_so_many_records(tmp_path: Path) -> None:
    ship = Ship(tmp_path, max_ms=60_000, max_records=10)
    ship.begin()
    await ship.until(lambda: not ship.gate.halted, "the gate")
    ship.shipper._settings.command[2] = str(tmp_path / "gone.py")
    await kill_receiver(ship)
    await ship.write(10)
    assert not ship.gate.halted
    await ship.write()
    assert ship.gate.halted
    await ship.end()


async def test_strict_waits_and_gives_up(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "strict", acknowledge_ms=2_000)
    ship.begin()
    await ship.until(lambda: not ship.gate.halted, "the gate")
    assert await ship.shipper.copied(await ship.write())
    ship.shipper._settings.command[2] = str(tmp_path / "gone.py")
    await kill_receiver(ship)
    assert ship.gate.halted, "at once, also while the vault lacks nothing"
    object.__setattr__(ship.shipper._settings, "acknowledge_ms", 50)
    assert not await ship.shipper.copied(await ship.write())
    await ship.end()


async def test_another_journal_is_not_added_to_the_copy(tmp_path: Path) -> None:
    first = Ship(tmp_path)
    first.begin()
    last = await first.write(100)
    await first.until(lambda: first.shipper._backlog.acknowledged == last, "the copy")
    await first.end()
    before = (tmp_path / "vault" / "000001.jsonl").read_bytes()
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    blank = Ship(tmp_path)
    blank.begin()
    await blank.until(lambda: "restore it" in (blank.shipper.why() or ""), "the refusal")
    await blank.write(200)
    assert blank.gate.halted
    assert (tmp_path / "vault" / "000001.jsonl").read_bytes() == before
    await blank.end()


async def test_a_host_of_an_older_epoch_is_refused(tmp_path: Path) -> None:
    ship = Ship(tmp_path)
    ship.vault.mkdir()
    (ship.vault / "000002.jsonl").touch()
    ship.begin()
    await ship.until(lambda: "restored as epoch 2" in (ship.shipper.why() or ""), "the refusal")
    assert ship.gate.halted
    await ship.end()


async def test_half_a_line_at_the_end_is_cut_off(ship: Ship) -> None:
    ship.begin()
    last = await ship.write(3)
    await ship.until(lambda: ship.shipper._backlog.acknowledged == last, "the copy")
    await kill_receiver(ship)
    path = ship.vault / "000001.jsonl"
    with path.open("ab") as file:
        file.write(b'{"seq": 99, "at')
    last = await ship.write(3)
    await ship.until(lambda: ship.shipper._backlog.acknowledged == last, "the rest")
    assert [row[0] for row in ship.copy()] == list(range(1, last + 1))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"nonsense\n", b"no record"),
        (b'{"seq": 7, "at_ns": 1, "kind": "note", "body": "{}", "hash": "00"}\n', b"does not continue"),
        (
            b'{"seq": 1, "at_ns": 1, "kind": "note", "body": "{}", "hash": "' + b"0" * 64 + b'"}\n',
            b"does not",
        ),
    ],
)
async def test_the_receiver_refuses_what_does_not_continue(tmp_path: Path, line: bytes, word: bytes) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-IB", str(RECEIVER), str(tmp_path), "1",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate(line)
    assert said.startswith(b"have 0 -\nrefuse ")
    assert word in said
    assert process.returncode == 1
    assert (tmp_path / "000001.jsonl").read_bytes() == b""


def test_ages_and_counts_of_the_backlog() -> None:
    now = [100.0]
    backlog = Backlog(5, lambda: now[0])
    assert backlog.records == 5
    backlog.acknowledge(5)
    assert (backlog.records, backlog.seconds) == (0, 0.0)
    backlog.commit(7)
    now[0] += 1
    backlog.commit(8)
    now[0] += 1
    assert (backlog.records, backlog.seconds) == (3, 2.0)
    assert backlog.acknowledge(7) == 2.0
    assert (backlog.records, backlog.seconds) == (1, 1.0)
    assert backlog.acknowledge(3) is None, "an old word changes nothing"
    assert backlog.records == 1


def test_settings_need_a_command() -> None:
    with pytest.raises(ValueError, match=r"shipping\.command"):
        ShippingSettings(mode="strict")


def test_a_line_that_is_none() -> None:
    with pytest.raises(JournalError, match="is no record"):
        read_line(json.dumps({"seq": 1}).encode() + os.linesep.encode())
