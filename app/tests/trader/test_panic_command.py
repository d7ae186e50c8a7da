"""`trader panic` with settings, keys and disks in disrepair: the latch first, one line, no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.trader.panic_support import ACCOUNT, Panic, open_at_venue
from tests.venue_sim.clients import ccxt_client
from tests.venue_sim.support import RunningVenue


@pytest.fixture
def host(quiet_venue: RunningVenue, tmp_path: Path) -> Panic:
    return Panic(tmp_path / "host", quiet_venue)


async def place(venue: RunningVenue) -> None:
    async with ccxt_client(venue) as client:
        await client.create_order("BTC/USDT", "limit", "buy", "0.01", "50000", {"newClientOrderId": "mine"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "No such file or directory; the latch was not found either"),
        (
            "venue: [",
            "not valid YAML in line 1; give --config a file with no more than venue and journal.path",
        ),
        ("- a list", "must hold keys and values; venue.id and journal.path are needed"),
        ("\x00", "not valid YAML"),
    ],
)
def test_settings_that_cannot_be_read(host: Panic, text: str | None, complaint: str) -> None:
    host.settings_path.unlink() if text is None else host.settings_path.write_text(text)
    ended = host.run()
    assert (ended.code, ended.stdout) == (2, "")
    lines = ended.complaints
    assert lines[0].startswith(f"trader panic: {host.settings_path}: ")
    assert complaint.partition(";")[0] in lines[0]
    assert not (host.state / "latch.json").exists()


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no venue": ({"venue": {}}, "venue.id: missing; write the venue's name by ccxt, for example binance"),
    "not a section": ({"venue": "binance"}, "venue.id: missing"),
    "unknown venue": ({"venue": {"id": "nowhere"}}, "venue.id: 'nowhere' is not covered"),
    "cannot be moved": ({"venue": {"id": "kraken", "hostname": "x:1"}}, "venue.hostname: kraken cannot"),
    "no authority": (
        {"venue": {"id": "binance", "ca_file": "/none.pem"}},
        "venue.ca_file: /none.pem: No such",
    ),
}


@pytest.mark.parametrize(("changes", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_venue_that_cannot_be_asked(host: Panic, changes: dict[str, Any], complaint: str) -> None:
    host.write_settings(**changes)
    ended = host.run("--by", "ann", "--reason", "now")
    assert ended.code == 2
    [line] = ended.complaints
    assert complaint in line
    assert (host.latch["state"], host.latch["by"]) == ("tripped", "ann"), "the latch is first"


async def test_all_else_in_the_settings_may_be_wrong(quiet_venue: RunningVenue, host: Panic) -> None:
    await place(quiet_venue)
    wrong = {name: ["nonsense"] for name in host.settings if name not in ("venue", "journal")}
    at = host.settings["venue"] | {"recv_window_ms": "soon", "id_": 1}
    host.write_settings(**wrong, venue=at, latch={"textfiles": 3}, more={"a": 1})
    ended = host.run()
    assert ended.code == 0, ended.stderr
    assert open_at_venue(quiet_venue) == set()
    assert ended.event("panic_began")["verify_pause_seconds"] == 11.0, "the longest that the service may use"


KEYS: dict[str, tuple[str | None, str]] = {
    "absent": (None, "panic: No such file or directory; load the credential 'panic', or give --credential"),
    "no json": ("hush-hush", "panic: not JSON"),
    "no secret": ('{"api_key": "hush-hush"}', "panic: api_key and api_secret must be there, as text"),
    "numbers": ('{"api_key": 1, "api_secret": 2}', "panic: api_key and api_secret must be there"),
    "a list": ('["hush-hush"]', "panic: api_key and api_secret must be there"),
}


@pytest.mark.parametrize(("content", "complaint"), KEYS.values(), ids=KEYS)
def test_a_key_that_cannot_be_read(host: Panic, content: str | None, complaint: str) -> None:
    path = host.credentials / "panic"
    path.unlink() if content is None else path.write_text(content)
    host.write_key("another", "another", name="venue")
    ended = host.run("--by", "ann", "--reason", "now")
    assert ended.code == 2
    [line] = ended.complaints
    assert complaint in line
    assert "hush" not in line
    assert host.latch["by"] == "ann"
    if content is None:
        assert line.endswith("one that is there: venue")


async def test_no_folder_of_keys(host: Panic, monkeypatch: pytest.MonkeyPatch) -> None:
    host.credentials = Path()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    process = host.start()
    ended = host.end(process)
    assert ended.code == 2
    assert "panic: No such file" in ended.complaints[0]


async def test_a_refused_key(quiet_venue: RunningVenue, host: Panic) -> None:
    host.write_key("k" * 30, "s" * 30)
    ended = host.run()
    assert ended.code == 2
    [line] = ended.complaints
    assert "the venue refuses the key: binance" in line
    assert line.endswith("give another one with --credential")


def no_folder(host: Panic) -> None:
    host.write_settings(journal={"path": str(host.folder / "none" / "journal.sqlite")})


def not_told(host: Panic) -> None:
    host.write_settings(journal={})


def is_a_folder(host: Panic) -> None:
    (host.state / "latch.json").mkdir()


def no_textfiles(host: Panic) -> None:
    host.write_settings(latch={"textfiles": str(host.folder / "none")})


def hanging_disk(host: Panic) -> None:
    os.mkfifo(host.state / "latch.json")  # whoever opens it to read waits for ever


LATCHES = {
    no_folder: "none/latch.json",
    not_told: "journal.path: missing in the settings",
    is_a_folder: "latch.json",
    no_textfiles: "none: No such file or directory; the latch is tripped, its metric is not",
    hanging_disk: "the latch could not be written yet; its disk hangs",
}


@pytest.mark.parametrize(
    ("breaks", "complaint"), LATCHES.items(), ids=lambda case: getattr(case, "__name__", "")
)
async def test_a_latch_that_cannot_be_tripped_stops_nothing(
    quiet_venue: RunningVenue, host: Panic, breaks: Any, complaint: str
) -> None:
    await place(quiet_venue)
    breaks(host)
    ended = host.run()
    assert open_at_venue(quiet_venue) == set(), "everything is cancelled all the same"
    assert ended.code == 1
    [line] = ended.complaints
    assert line.startswith("trader panic: latch: ")
    assert complaint in line
    assert line.endswith("trip it on this host or keep the service stopped")
    assert (ended.result["open_orders"], ended.result["verified_twice"]) == (0, True)


@pytest.mark.parametrize("before", ["absent", "armed", "corrupt", "tripped"])
def test_whatever_the_latch_was_it_is_tripped(host: Panic, before: str) -> None:
    path = host.state / "latch.json"
    state = {"state": before, "at_ns": 1, "by": "pnl", "reason": "loss", "trigger": "pnl", "history": []}
    if before == "corrupt":
        path.write_text('{"state": "arm')
    elif before != "absent":
        path.write_text(json.dumps(state))
    host.write_settings(latch={"textfiles": str(host.folder)}, venue={})
    assert host.run("--by", "ann", "--reason", "now", "--trigger", "crash").code == 2
    assert host.latch["state"] == "tripped"
    assert host.latch["by"] == ("pnl" if before == "tripped" else "ann"), "the first reason counts"
    assert "trader_latch_tripped 1" in (host.folder / "breakwater_latch.prom").read_text()


async def test_a_venue_that_lies_ends_in_code_1(quiet_venue: RunningVenue, host: Panic) -> None:
    await place(quiet_venue)
    quiet_venue.fault(kind="ignore_cancel", account=ACCOUNT, duration_seconds=60)
    ended = host.run("--deadline", "0.5")
    assert ended.code == 1
    [line] = ended.complaints
    assert line.startswith("trader panic: 1 ORDERS ARE STILL OPEN: BTCUSDT ")
    assert ended.result["failed"][0].endswith("(mine)")


async def test_nobody_reads(quiet_venue: RunningVenue, host: Panic) -> None:
    await place(quiet_venue)
    process = host.start()
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(30) in (0, 1)
    assert open_at_venue(quiet_venue) == set()
