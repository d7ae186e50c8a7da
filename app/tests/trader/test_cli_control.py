"""Commands over the control socket, against a server with canned answers."""

import asyncio
import io
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trader.test_cli import one_line, trader
from trader.commands import control
from trader.service import answers
from trader.service.control import ControlServer, RefusedError
from trader.telemetry.events import Events

LATCH: answers.LatchAnswer = {
    "state": "tripped",
    "at_ns": 1_700_000_000_000_000_000,
    "by": "service",
    "reason": "-200 USD",
    "trigger": "pnl",
}
STATUS: answers.StatusAnswer = {
    "release": "r7",
    "sha256": "ab",
    "version": "0.1.0",
    "mode": "live",
    "state": "halted",
    "reasons": {"latch": "the kill switch is tripped"},
    "host": "trader-01",
    "account": "one",
    "epoch": 2,
    "started_at_ns": 1,
    "trading_since_ns": 0,
    "last_order_at_ns": 0,
    "last_reconciled_at_ns": 1,
    "open_orders": 1,
    "in_flight_orders": 0,
    "unknown_orders": 0,
    "positions": {"BTC/USDT": "-0.5"},
    "streams": {"quotes": 0.25},
    "shipping": {
        "mode": "bounded",
        "connected": True,
        "acknowledged": 7,
        "lacks_records": 0,
        "lacks_seconds": 0.0,
    },
    "orders": {"open": 1},
    "latch": LATCH,
    "kill": None,
    "clock": {"offset_ms": -3.5, "limit_ms": 500},
    "pnl": {"day": "2026-01-31", "usd": "-200.00", "limit_usd": "-200"},
    "budget": {"used_weight": 100, "limit": 6_000, "waiting": 0, "blocked_seconds": 0},
}
ORDER: answers.OrderAnswer = {
    "client_id": "trader-01-2-1",
    "venue_order_id": None,
    "symbol": "BTC/USDT",
    "side": "buy",
    "kind": "limit",
    "quantity": "0.1",
    "price": "60000",
    "filled": "0",
    "state": "unknown",
    "created_ns": 1_700_000_000_000_000_000,
    "reason": "RequestTimeout: x",
}


class Canned:
    """A service's answers, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "trader.yml"
        # The rest of the file has a mistake, which must not matter.
        self.config.write_text(
            yaml.safe_dump({"epoch": "x", "control": {"socket": str(folder / "control.sock")}})
        )
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status: dict[str, Any] = dict(STATUS)
        self.clean = True
        self.open_orders = 0
        names = ("status", "orders", "reconcile", "rearm", "reload")
        handlers = {name: getattr(self, f"_{name}") for name in names}
        self.server = ControlServer(folder / "control.sock", handlers, Events(io.StringIO()))

    async def _status(self) -> dict[str, Any]:
        return self.status

    async def _orders(self) -> dict[str, Any]:
        return {"orders": [ORDER]}

    async def _reconcile(self) -> dict[str, Any]:
        found = [] if self.clean else [{"kind": "balance", "text": "BTC: 1 there, 2 here"}]
        return {"clean": self.clean, "seconds": 0.25, "differences": found}

    async def _rearm(self, by: str, reason: str) -> dict[str, Any]:
        if self.open_orders:
            raise RefusedError(f"{self.open_orders} orders are open at the venue; cancel them, then re-arm")
        self.asked.append(("rearm", {"by": by, "reason": reason}))
        return {"latch": {**LATCH, "state": "armed", "by": by, "reason": reason}}

    async def _reload(self) -> dict[str, Any]:
        change = {"key": "risk.max_open_orders", "before": 10, "after": 20, "loosened": True}
        return {"changes": [] if self.clean else [change]}

    async def run(self, command: str, *words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(trader, command, "--config", self.config, *words, stdin=typed)


@pytest.fixture
async def canned(tmp_path: Path) -> AsyncIterator[Canned]:
    running = Canned(tmp_path)
    await running.server.start()
    yield running
    await running.server.stop()


async def test_status(canned: Canned) -> None:
    done = await canned.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    assert fields["host"] == "trader-01, account one, epoch 2"
    assert fields["reason latch"] == "the kill switch is tripped"
    assert fields["latch"] == "tripped by service at 2023-11-14T22:13:20.000Z: -200 USD"
    assert fields["trading for"] == "-"
    assert fields["stream quotes"] == "0.2 s old"
    assert fields["vault"] == "bounded: has every record up to 7"
    assert fields["clock offset"] == "-3.5 ms (limit 500 ms)"
    assert (fields["orders open"], fields["position BTC/USDT"]) == ("1", "-0.5")
    assert fields["pnl"] == "-200.00 USD on 2026-01-31 (trips at -200 USD)"
    assert fields["rate budget"] == "100 of 6000 used, 0 waiting"
    assert json.loads((await canned.run("status", "--json")).stdout) == STATUS


async def test_status_of_a_service_that_has_fewer_parts(canned: Canned) -> None:
    for part in answers.StatusAnswer.__optional_keys__ & canned.status.keys():
        del canned.status[part]
    done = await canned.run("status")
    fields = dict(line.split("\t") for line in done.stdout.splitlines())
    assert (fields["latch"], fields["pnl"], fields["orders open"]) == ("-", "-", "1")


async def test_orders(canned: Canned) -> None:
    head, row = (await canned.run("orders")).stdout.splitlines()
    shown = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert (shown["client_id"], shown["state"], shown["venue_order_id"]) == ("trader-01-2-1", "unknown", "-")
    assert shown["created"] == "2023-11-14T22:13:20.000Z"
    assert json.loads((await canned.run("orders", "--json")).stdout) == [ORDER]


async def test_reconcile_says_whether_it_is_clean(canned: Canned) -> None:
    done = await canned.run("reconcile")
    assert (done.returncode, done.stdout) == (0, "journal and venue agree (0.25 s)\n")
    canned.clean = False
    done = await canned.run("reconcile")
    assert (done.returncode, done.stdout) == (1, "difference\tdetail\nbalance\tBTC: 1 there, 2 here\n")
    assert (await canned.run("reconcile", "--json")).returncode == 1


async def test_rearm_asks_for_the_hosts_name(canned: Canned) -> None:
    words = ("--by", "ann", "--reason", "feed repaired")
    done = await canned.run("rearm", *words, typed="trader-02\n")
    assert done.returncode == 2
    assert done.stderr.endswith("Error: 'trader-02' is not 'trader-01'; nothing was changed\n")
    assert not canned.asked
    done = await canned.run("rearm", *words, typed="trader-01\n")
    assert done.returncode == 0
    assert done.stdout == "latch: armed by ann at 2023-11-14T22:13:20.000Z: feed repaired\n"
    assert canned.asked == [("rearm", {"by": "ann", "reason": "feed repaired"})]


async def test_rearm_without_a_terminal_changes_nothing(canned: Canned) -> None:
    done = await canned.run("rearm", "--by", "ann", "--reason", "x")
    assert done.returncode != 0
    assert not canned.asked


async def test_rearm_is_refused_by_the_service(canned: Canned) -> None:
    canned.open_orders = 2
    line = one_line(await canned.run("rearm", "--yes", "--by", "ann", "--reason", "x"))
    assert line == "Error: 2 orders are open at the venue; cancel them, then re-arm"
    assert "both need a text" in one_line(await canned.run("rearm", "--yes", "--by", " ", "--reason", "x"))


async def test_reload_tells_what_changed(canned: Canned) -> None:
    assert (await canned.run("reload")).stdout == "nothing changed\n"
    canned.clean = False
    row = (await canned.run("reload")).stdout.splitlines()[1]
    assert row == "risk.max_open_orders\t10\t20\tlooser"


@pytest.mark.parametrize("command", ["status", "orders", "reconcile", "reload"])
def test_without_a_service_it_is_one_line(tmp_path: Path, command: str) -> None:
    config = tmp_path / "trader.yml"
    config.write_text(yaml.safe_dump({"control": {"socket": str(tmp_path / "control.sock")}}))
    assert "the service is not running" in one_line(trader(command, "--config", config))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "trader.yml: not a settings file; correct it"),
        ("- a", "trader.yml: not a settings file; correct it"),
        ("control: {port: 1}", "trader.yml: control.port: "),
        ("control: 1", "trader.yml: control: "),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: str, message: str) -> None:
    config = tmp_path / "trader.yml"
    config.write_text(content)
    assert message in one_line(trader("status", "--config", config))
    assert "absent.yml: No such file" in one_line(trader("status", "--config", tmp_path / "absent.yml"))


@pytest.mark.parametrize(
    ("shipping", "text"),
    [
        ({"mode": "off"}, None),
        ({"mode": "strict", "acknowledged": None}, "strict: not reached yet"),
        (
            {
                "mode": "bounded",
                "acknowledged": 5,
                "lacks_records": 3,
                "lacks_seconds": 2.5,
                "connected": False,
            },
            "bounded: lacks 3 records for 2.5 s, and is not reached now",
        ),
    ],
)
def test_what_the_vault_has_is_told(shipping: dict[str, Any], text: str | None) -> None:
    assert control._shipping(shipping) == text
