"""Each check says no when it should, and none of them keeps another from running."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw
import pytest

from tests.trader.support import BTC, PROGRAM, RunningTrader, make_order
from tests.trader.test_cli import trader, written
from tests.trader.test_journal_audit import edit, open_journal, write
from tests.venue_sim.support import RunningVenue
from trader.journal import records
from trader.kill_switch import Latch, latch
from trader.model.values import Instrument
from trader.preflight import (
    Check,
    Finding,
    PreflightSettings,
    Subject,
    Verdict,
    checks,
    host,
    plan,
    run_checks,
    venue,
)
from trader.preflight.checks import blocking, ok
from trader.venue.interface import VenueError

OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL


@dataclass
class May:
    trade: bool | None = True
    withdraw: bool | None = False
    text: str = "as the venue says"


@dataclass
class FakeVenue:
    """Answers as told."""

    instruments: dict[str, Instrument] = field(default_factory=lambda: {"BTC/USDT": BTC})
    may: May = field(default_factory=May)
    offset_ms: int = 0
    away: bool = False

    async def connect(self) -> None:
        if self.away:
            raise VenueError("markets: ExchangeNotAvailable: no route")

    async def time_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    async def permissions(self) -> May:
        return self.may


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return Subject(
        venue_id="binance",
        host="trader-01",
        account="one",
        epoch=1,
        symbols=["BTC/USDT"],
        journal=folder / "j.sqlite",
        latch=folder / latch.FILE_NAME,
        longest_sequence=10**10,
        clock_limit_ms=500,
        checked_by=None,
        owner=os.geteuid(),
        load_credentials=lambda: None,
        bounds=PreflightSettings(min_free_mb=1),
    )


@pytest.fixture
async def traded(subject: Subject) -> Subject:
    """A host with a journal in which there is an order, and an armed latch."""
    await open_journal(subject.journal).close()
    write(subject.journal, records.intent(make_order()))
    Latch.load(subject.latch, has_traded=False)
    return subject


async def findings(subject: Subject, asked: FakeVenue | None = None) -> dict[str, Finding]:
    return dict(await run_checks(plan(subject, asked or FakeVenue())))


async def bad(subject: Subject, asked: FakeVenue | None = None) -> dict[str, str]:
    """What failed, and why; the host's own clock is whatever it is."""
    found = await findings(subject, asked)
    assert all(f.next_step for f in found.values() if f.verdict is not OK)
    return {name: f.detail for name, f in found.items() if f.verdict is FAIL}


async def test_a_new_host_and_one_that_has_traded_pass(traded: Subject, subject: Subject) -> None:
    assert await bad(traded) == {}
    new = replace(
        subject, journal=subject.journal.with_name("new.sqlite"), latch=subject.latch.with_name("new")
    )
    assert await bad(new) == {}


async def test_nothing_is_changed_by_it(traded: Subject) -> None:
    before = {path: path.read_bytes() for path in traded.journal.parent.iterdir()}
    await findings(traded)
    assert {path: path.read_bytes() for path in traded.journal.parent.iterdir()} == before


async def test_it_runs_beside_the_service(traded: Subject) -> None:
    journal = open_journal(traded.journal)
    assert await bad(traded) == {}
    await journal.close()


def _refuse() -> None:
    raise ValueError("$CREDENTIALS_DIRECTORY is not set")


def _tripped(subject: Subject) -> None:
    Latch.load(subject.latch, has_traded=True).trip("service", "down 200 USD", "pnl")


def _corrupt(subject: Subject) -> None:
    subject.latch.write_text("{")


HALTED = {"BTC/USDT": replace(BTC, trading=False)}
HARM: list[tuple[str, Callable[[Subject], Subject | None], str]] = [
    (
        "journal chain",
        lambda s: edit(s.journal, "UPDATE events SET at_ns = 1 WHERE seq = 2"),
        "event 2 (reserved)",
    ),
    ("journal owner", lambda s: replace(s, host="trader-02"), "it belongs to host 'trader-01'"),
    ("journal owner", lambda s: replace(s, account="two"), "it belongs to account 'one'"),
    ("epoch", lambda s: replace(s, epoch=0), "the settings say 0, the journal is of 1"),
    ("latch", _tripped, "tripped by service (pnl): down 200 USD"),
    ("latch", lambda s: s.latch.unlink(), "tripped by trader (latch): "),
    ("latch", _corrupt, "tripped by trader (latch): "),
    ("client ids", lambda s: replace(s, longest_sequence=10**30), "client order id"),
    ("risk limits", lambda s: replace(s, limits_problems=lambda: ["max_x: 0", "y"]), "max_x: 0; y"),
    ("credentials", lambda s: replace(s, load_credentials=_refuse), "$CREDENTIALS_DIRECTORY is not set"),
    ("state folder", lambda s: s.journal.parent.chmod(0o750), "has mode 0750"),
    ("state folder", lambda s: replace(s, owner=12_345), f"belongs to user {os.geteuid()}"),
    ("disk", lambda s: replace(s, bounds=PreflightSettings(min_free_mb=10**12)), "MB are wanted"),
    (
        "disk",
        lambda s: replace(s, bounds=PreflightSettings(min_free_mb=1, min_free_days=10**12)),
        "days are wanted",
    ),
]


@pytest.mark.parametrize(("name", "harm", "detail"), HARM, ids=[f"{n} {d[:24]}" for n, _, d in HARM])
async def test_harm_to_the_host_is_found(
    traded: Subject, name: str, harm: Callable[[Subject], Subject | None], detail: str
) -> None:
    found = await bad(harm(traded) or traded)
    assert list(found) == [name]
    assert detail in found[name]


@pytest.mark.parametrize(
    ("asked", "checked_by", "name", "detail"),
    [
        (FakeVenue(away=True), None, "venue", "VenueError: markets: ExchangeNotAvailable"),
        (FakeVenue(instruments={}), None, "venue", "not traded there: BTC/USDT"),
        (
            FakeVenue(HALTED),
            None,
            "venue",
            "takes no orders now: BTC/USDT",
        ),
        (FakeVenue(offset_ms=2_500), None, "venue clock", "+2"),
        (FakeVenue(offset_ms=-2_500), None, "venue clock", "-25"),
        (FakeVenue(may=May(withdraw=True)), "ann", "key permissions", "it may withdraw (as the venue says)"),
        (FakeVenue(may=May(withdraw=None)), None, "key permissions", "the venue does not tell"),
        (FakeVenue(may=May(trade=False)), None, "key permissions", "it may not trade"),
    ],
)
async def test_what_is_wrong_at_the_venue_is_found(
    traded: Subject, asked: FakeVenue, checked_by: str | None, name: str, detail: str
) -> None:
    found = await bad(replace(traded, checked_by=checked_by), asked)
    assert list(found) == [name]
    assert found[name].startswith(detail)


async def test_a_person_may_have_looked_up_withdrawal(traded: Subject) -> None:
    found = await findings(replace(traded, checked_by="ann"), FakeVenue(may=May(withdraw=None)))
    assert found["key permissions"] == ok("withdrawal looked up by ann")


@pytest.mark.parametrize(
    ("offset_ms", "error_ms", "verdict"),
    [(400, 50, OK), (-400, 50, OK), (480, 50, WARN), (520, 50, WARN), (-520, 50, WARN), (560, 50, FAIL)],
)
def test_an_offset_is_judged_with_its_error(offset_ms: float, error_ms: float, verdict: Verdict) -> None:
    assert venue.judge_offset(offset_ms, error_ms, limit_ms=500).verdict is verdict


async def test_the_quickest_answer_counts() -> None:
    class Slow(FakeVenue):
        delays = iter((0.2, 0.0, 0.2))

        async def time_ms(self) -> int:
            now = await super().time_ms()
            await asyncio.sleep(next(self.delays))
            return now

    assert (await venue.clock_offset(Slow(), limit_ms=90)).verdict is OK


def test_a_library_with_the_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.sqlite_library().verdict is OK
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    assert host.sqlite_library().verdict is FAIL


def test_the_kernels_clock_is_judged() -> None:
    assert host.kernel_clock().verdict in (OK, WARN)
    assert host.judge_clock(0x2001).verdict is OK
    assert host.judge_clock(0x2040).verdict is WARN


def test_root_owns_no_state(subject: Subject) -> None:
    assert host.state_folder(subject.journal.parent, os.geteuid()).verdict is OK
    without = host.state_folder(subject.journal.parent, None)
    assert (without.verdict is FAIL) == (os.geteuid() == 0)


async def test_one_that_hangs_or_breaks_keeps_no_other_from_running() -> None:
    end = threading.Event()

    def hang() -> Finding:
        end.wait(10)
        return ok("late")

    def break_down() -> Finding:
        raise RuntimeError("first line\nsecond line")

    async def hang_too() -> Finding:
        await asyncio.Event().wait()
        return ok("never")

    found = dict(
        await run_checks(
            [
                blocking("hangs", hang, 0.05),
                Check("hangs too", hang_too, 0.05),
                blocking("breaks", break_down),
                blocking("works", lambda: ok("well")),
            ]
        )
    )
    end.set()
    assert [f.verdict for f in found.values()] == [FAIL, FAIL, FAIL, OK]
    assert found["hangs"].detail == found["hangs too"].detail == "no answer within 0.05 s"
    assert found["breaks"].detail == "RuntimeError: first line"
    assert isinstance(checks.fail("x", "y"), Finding)


def preflight(running: RunningTrader, asked: RunningVenue, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command, where the emulator's names are known."""
    command = [*asked.command_prefix(), sys.executable, "-c", PROGRAM, "preflight", "--config"]
    return subprocess.run(
        [*command, str(running.settings_path), *words],
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_against_the_emulator(
    quiet_venue: RunningVenue, make_trader: Callable[..., RunningTrader]
) -> None:
    running = make_trader(quiet_venue)
    running.folder.chmod(0o700)
    if os.geteuid() == 0:
        os.chown(running.folder, 65_534, 65_534)
    done = preflight(running, quiet_venue, "--json")
    assert done.stderr == ""
    table = {row["check"]: row for row in json.loads(done.stdout)}
    for name in ("settings", "venue", "venue clock", "journal chain", "latch", "credentials", "state folder"):
        assert table[name]["result"] == "ok", table[name]
    assert done.returncode == int(any(row["result"] == "FAIL" for row in table.values()))
    quiet_venue.stop()
    done = preflight(running, quiet_venue)
    assert (done.returncode, done.stderr) == (1, "")
    rows = {line.split("\t")[0]: line.split("\t") for line in done.stdout.splitlines()}
    assert rows["venue"][1] == "FAIL"
    assert "VenueError" in rows["venue"][2]
    assert rows["disk"][1] == "ok"


def test_settings_that_are_wrong_are_a_failed_check(tmp_path: Path) -> None:
    done = trader("preflight", "--config", written(tmp_path, venue={"id": "mtgox"}))
    assert (done.returncode, done.stderr) == (1, "")
    head, row = done.stdout.splitlines()
    assert head.split("\t") == ["check", "result", "detail", "next step"]
    assert row.split("\t")[:2] == ["settings", "FAIL"]
    assert "'mtgox' is not covered" in row
