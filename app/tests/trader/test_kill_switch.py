"""The latch in the service: it holds at once, whatever the disk does, and the gate asks the loop's pulse."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trader.journal import Snapshot
from trader.kill_switch import Latch, LatchError, ProvenFlat
from trader.kill_switch.latch import FILE_NAME
from trader.orders.gate import LATCH, Gate
from trader.service import kill as kill_module
from trader.service.kill import KillSwitch
from trader.service.pulse import Pulse
from trader.telemetry.events import Events
from trader.telemetry.metrics import Metrics

SECOND_NS = 10**9


class NoJournal:
    """Remembers what it was told."""

    error = None

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def append(self, record: Any) -> asyncio.Future[None]:
        self.records.append(record.body)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Held:
    """A kill switch and all that it touches; `now_ns` is the clock."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.path = folder / FILE_NAME
        self.latch = Latch.load(self.path, has_traded=False)
        self.journal, self.pulse, self.out = NoJournal(), Pulse(), io.StringIO()
        self.gate = Gate(lambda state, reasons: None, "start", lambda: self.switch.why())
        self.metrics = Metrics()
        journal: Any = self.journal
        self.switch = KillSwitch(
            self.latch, journal, self.gate, self.metrics, Events(self.out), self.pulse, 30.0
        )
        self.gate.clear("start")
        self.trips = 0
        self.switch.tripped = self.count

    def count(self) -> None:
        self.trips += 1

    def told(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.out.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    def on_disk(self) -> str:
        return str(json.loads(self.path.read_text())["state"])


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held(tmp_path)
    monkeypatch.setattr(kill_module, "boot_ns", lambda: made.now_ns)
    return made


async def test_a_trip_holds_at_once_and_is_durable_soon(held: Held) -> None:
    held.switch.trip("ann", "looks wrong", "manual")
    assert (held.gate.halted, held.trips) == (True, 1)
    await held.switch.durable()
    assert held.on_disk() == "tripped"
    held.switch.trip("bob", "again", "manual")
    await held.switch.durable()
    assert (held.trips, held.switch.status.by) == (1, "ann"), "the first reason counts"
    assert [event["trigger"] for event in held.told("latch_tripped")] == ["manual"]
    assert held.journal.records == [{"state": "tripped", "by": "ann", "reason": "looks wrong"}]
    assert b'trader_kills_total{trigger="manual"} 1.0' in held.metrics.expose()


@pytest.fixture
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writing the latch hangs until the event is set."""
    free = threading.Event()
    real = Latch.trip

    def trip(self: Latch, *words: str) -> Any:
        assert free.wait(10)
        return real(self, *words)

    monkeypatch.setattr(Latch, "trip", trip)
    yield free
    free.set()


async def test_a_disk_that_hangs_keeps_nothing_from_stopping(held: Held, hung_disk: threading.Event) -> None:
    held.switch.trip("ann", "looks wrong", "manual")
    assert (held.gate.halted, held.trips, held.on_disk()) == (True, 1, "armed")
    assert not await held.switch.durable(0.01), "nobody waits for it for long"
    hung_disk.set()
    await held.switch.durable()
    assert held.on_disk() == "tripped"


async def test_a_disk_that_fails_is_told_and_the_trip_holds(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Latch, *words: str) -> None:
        raise LatchError("disk full")

    monkeypatch.setattr(Latch, "trip", fail)
    held.switch.trip("ann", "looks wrong", "manual")
    assert not await held.switch.durable()
    assert held.gate.halted
    assert held.told("latch_not_written")[0]["message"] == "disk full"
    with pytest.raises(LatchError, match="could not be written"):
        await held.switch.rearm("bob", "fine", ProvenFlat(0, time.monotonic()))


async def test_what_could_not_be_written_is_written_as_soon_as_it_can(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart finds nothing but the file."""
    monkeypatch.setattr(kill_module, "WRITE_AGAIN_SECONDS", 0.01)
    real, fail = Latch.trip, True

    def trip(self: Latch, *words: str) -> Any:
        if fail:
            raise LatchError("disk full")
        return real(self, *words)

    monkeypatch.setattr(Latch, "trip", trip)
    held.switch.trip("ann", "looks wrong", "manual")
    for _ in range(5):
        await asyncio.sleep(0.02)
        assert held.switch.look()
        await held.switch.durable()
    assert held.on_disk() == "armed"
    assert len(held.told("latch_not_written")) == 1, "told once"
    fail = False
    await asyncio.sleep(0.02)
    assert held.switch.look()
    assert await held.switch.durable()
    content = json.loads(held.path.read_text())
    assert (content["state"], content["by"], content["trigger"]) == ("tripped", "ann", "manual")


async def test_what_another_process_trips_is_taken_over(held: Held) -> None:
    assert not held.switch.look()
    Latch.load(held.path, has_traded=True).trip("ansible", "panic", "fleet")
    assert held.switch.look()
    assert (held.trips, held.gate.reasons[LATCH]) == (1, "kill switch tripped by ansible: panic")
    assert held.journal.records[0]["by"] == "ansible"
    assert b'trader_kills_total{trigger="other"} 1.0' in held.metrics.expose()
    assert held.switch.look()
    assert held.trips == 1


async def test_a_latch_that_disappears_is_tripped_and_written_anew(held: Held) -> None:
    held.path.unlink()
    assert held.switch.look()
    assert held.trips == 1
    assert await held.switch.durable()
    assert held.on_disk() == "tripped"


async def test_who_was_first_is_told_also_when_our_own_trigger_finds_it(held: Held) -> None:
    """After a sleep our own data is old too; that must not hide the person who pulled it meanwhile."""
    Latch.load(held.path, has_traded=True).trip("ann", "it hangs", "manual")
    held.switch.trip("trader", "quotes are 9 s old", "latency")
    [told] = held.told("latch_tripped")
    assert (told["by"], told["trigger"], told["message"]) == ("ann", "manual", "it hangs")
    assert held.gate.reasons[LATCH] == "kill switch tripped by ann: it hangs"
    assert b'trader_kills_total{trigger="manual"} 1.0' in held.metrics.expose()


async def test_the_gate_finds_a_loop_that_stood_still_before_anything_is_placed(held: Held) -> None:
    held.pulse.beat(held.now_ns)
    held.now_ns += 29 * SECOND_NS
    assert not held.gate.halted
    held.now_ns += 1 * SECOND_NS
    assert held.gate.halted, "the first who asks finds it"
    assert held.switch.status.trigger == "heartbeat"
    assert "no heartbeat of the event loop for 30.0 s" in held.switch.status.reason
    await held.switch.durable()
    assert held.on_disk() == "tripped"


async def test_the_beat_after_a_sleep_does_not_hide_it(held: Held) -> None:
    held.switch.beat()
    held.now_ns += 29 * SECOND_NS
    held.switch.beat()
    held.now_ns += 29 * SECOND_NS
    held.switch.beat()
    assert not held.switch.look(), "it has beaten in between"
    held.now_ns += 31 * SECOND_NS
    held.switch.beat()
    assert held.switch.status.trigger == "heartbeat"


async def test_rearming_waits_for_the_write_and_takes_trips_again(
    held: Held, hung_disk: threading.Event
) -> None:
    held.switch.trip("ann", "looks wrong", "manual")
    rearming = asyncio.ensure_future(held.switch.rearm("bob", "fine", ProvenFlat(0, time.monotonic())))
    await asyncio.sleep(0.01)
    assert not rearming.done(), "a write that ends later would trip it again on the disk"
    hung_disk.set()
    await rearming
    assert (held.on_disk(), held.gate.halted) == ("armed", False)
    held.switch.trip("ann", "once more", "manual")
    await held.switch.durable()
    assert (held.trips, held.on_disk()) == (2, "tripped")


@pytest.mark.parametrize("moment", ["before", "in the journal"])
async def test_a_pull_during_a_rearm_wins(held: Held, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    held.switch.trip("ann", "looks wrong", "manual")
    await held.switch.durable()
    proof = ProvenFlat(0, time.monotonic())
    if moment == "before":
        held.switch.trip("bob", "stop it", "manual")
    else:
        real = held.journal.append

        def append(record: Any) -> Any:
            if record.body["state"] == "armed" and record.body["reason"] == "fine":
                held.switch.trip("bob", "stop it", "manual")
            return real(record)

        monkeypatch.setattr(held.journal, "append", append)
    with pytest.raises(LatchError, match="pulled again"):
        await held.switch.rearm("carl", "fine", proof)
    assert (held.gate.halted, held.on_disk()) == (True, "tripped")
    states = [record["state"] for record in held.journal.records]
    assert states[-1] == "tripped", "the second witness says so too"
    await held.switch.rearm("carl", "looked again", ProvenFlat(0, time.monotonic()))
    assert (held.gate.halted, held.on_disk()) == (False, "armed")


@pytest.mark.parametrize("file", ["armed", "tripped"])
async def test_a_start_believes_whoever_says_tripped(tmp_path: Path, file: str) -> None:
    held = Held(tmp_path)
    if file == "tripped":
        Latch.load(held.path, has_traded=True).trip("ann", "looks wrong", "manual")
        witness = None
    else:
        witness = {"state": "tripped", "by": "ann", "reason": "looks wrong"}
    held.switch.begin(Snapshot(latch=witness))
    assert held.trips == 1, "what is open is cancelled again"
    assert held.gate.halted
    assert b"trader_latch_tripped 1.0" in held.metrics.expose()
    assert await held.switch.durable()
    assert held.on_disk() == "tripped"
    assert "looks wrong" in held.switch.status.reason
    if file == "tripped":
        assert [record["state"] for record in held.journal.records] == ["tripped"]


async def test_an_armed_start_trips_nothing(held: Held) -> None:
    held.switch.begin(Snapshot(latch={"state": "armed", "by": "ann", "reason": "fine"}))
    assert (held.trips, held.gate.halted) == (0, False)
    assert b"trader_latch_tripped 0.0" in held.metrics.expose()
