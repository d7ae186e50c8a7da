"""`trader kill`: through a service with canned answers, and past one that is gone, hangs or gets nowhere."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.trader.test_cli import trader
from tests.trader.test_cli_control import LATCH
from trader.commands import kill as kill_command
from trader.service import answers
from trader.service.control import ControlServer, Handler
from trader.service.control_client import ControlError
from trader.telemetry.events import Events

WORDS = ("--by", "ann", "--reason", "quotes look wrong")
DONE: answers.KillAnswer = {
    "open_orders": 0, "cancelled": 3, "already_gone": 1, "failed": [], "seconds": 0.12,
    "verified_twice": True, "latch": LATCH, "problem": "",
}  # fmt: skip
NOT_YET: answers.KillAnswer = {
    **DONE, "open_orders": 2, "failed": ["BTCUSDT 1"], "verified_twice": False, "problem": "busy"
}  # fmt: skip


class Service:
    """Answers `kill` with the first of these, and `kill_progress` with the others; the last one stays."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "trader.yml"
        self.latch = folder / "state" / "latch.json"
        self.latch.parent.mkdir()
        self.settings: dict[str, Any] = {
            "control": {"socket": str(folder / "control.sock")},
            "journal": {"path": str(self.latch.parent / "journal.sqlite")},
        }
        self.write()
        self.answers: list[Any] = [DONE]
        self.asked: list[dict[str, str]] = []
        self.hangs = False
        handlers: dict[str, Handler] = {"kill": self._kill, "kill_progress": self._progress}
        self.server = ControlServer(folder / "control.sock", handlers, Events(io.StringIO()))

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings))

    async def _kill(self, by: str, reason: str) -> dict[str, Any]:
        self.asked.append({"by": by, "reason": reason})
        if self.hangs:
            await asyncio.sleep(3_600)
        return await self._progress()

    async def _progress(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer

    async def run(self, *words: str) -> Any:
        return await asyncio.to_thread(trader, "kill", "--config", self.config, *WORDS, *words)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    running = Service(tmp_path)
    await running.server.start()
    yield running
    await running.server.stop()


async def test_it_waits_for_the_second_zero(service: Service) -> None:
    service.answers = [NOT_YET | {"open_orders": None}, NOT_YET, NOT_YET, DONE]
    done = await service.run("--json")
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {name: value for name, value in DONE.items() if name != "problem"}
    assert json.loads(done.stdout) == wanted
    assert service.asked == [{"by": "ann", "reason": "quotes look wrong"}]
    assert len(service.answers) == 1, "it has asked until then"
    assert not service.latch.exists(), "the service has tripped it"


async def test_for_people(service: Service) -> None:
    done = await service.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("no order is open, the venue said so twice; 3 cancelled, 1 already gone, 0.12 s\n")


async def test_a_latch_that_is_not_on_the_disk_is_no_good_end(service: Service) -> None:
    service.answers = [DONE | {"latch": None}]
    done = await service.run()
    assert done.returncode == 2
    assert "its file is not written" in done.stderr


async def test_both_a_name_and_a_reason(service: Service) -> None:
    done = await asyncio.to_thread(trader, "kill", "--config", service.config, "--by", " ", "--reason", "x")
    assert (done.returncode, service.asked) == (2, [])
    assert "both need a text" in done.stderr


@pytest.mark.parametrize("how", ["gone", "hangs"])
async def test_without_a_service_the_latch_falls_first_and_then_it_panics(service: Service, how: str) -> None:
    if how == "gone":
        await service.server.stop()
    service.hangs = True
    done = await service.run()
    assert done.stderr.startswith("not by the service: ")
    assert ("is not running" if how == "gone" else "no answer within 1 s") in done.stderr
    assert "latch: tripped\n" in done.stderr
    file = json.loads(service.latch.read_text())
    assert [file[name] for name in ("state", "by", "reason", "trigger")] == [
        "tripped", "ann", "quotes look wrong", "manual",
    ]  # fmt: skip
    assert done.returncode == 2
    assert "venue.id: missing" in done.stderr, "panic has taken over, and these settings have no venue"


async def test_a_latch_that_cannot_be_found_keeps_nothing_from_panicking(service: Service) -> None:
    await service.server.stop()
    del service.settings["journal"]
    service.write()
    done = await service.run()
    assert "latch: not tripped here: journal.path: missing" in done.stderr
    assert "stop the service: systemctl stop trader" in done.stderr
    assert "venue.id: missing" in done.stderr


def test_a_service_that_gets_nowhere_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill_command, "PATIENCE_SECONDS", 0.05)

    class Client:
        def call(self, name: str, **params: str) -> dict[str, Any]:
            return dict(NOT_YET)

    client: Any = Client()
    with pytest.raises(ControlError, match=r"not done within .* open orders: 2; busy"):
        kill_command._by_service(client, "ann", "looks wrong")
