"""`trader accept-baseline` as a person types it, against a service with canned answers."""

from __future__ import annotations

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
from trader.service import answers
from trader.service.control import ControlServer, RefusedError
from trader.telemetry.events import Events

SHOWN = {"rows": [{"asset": "USDT", "ours": "10000", "venue": "9500"}], "fills": ["BTC/USDT 7"]}
ANSWER: answers.AcceptAnswer = {
    "host": "trader-01",
    "rows": [{"asset": "USDT", "ours": "10000", "venue": "9500", "usd": "500.00"}],
    "shown": SHOWN,
    "usd": "500.00",
    "limit_usd": "1000",
    "above_limit": False,
    "accepted": False,
    "differs": None,
}
WHO = ("--by", "ann", "--reason", "500 USDT moved to the vault")


class Canned:
    """A service that answers so, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "trader.yml"
        self.config.write_text(yaml.safe_dump({"control": {"socket": str(folder / "control.sock")}}))
        self.asked: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = dict(ANSWER)
        self.refusal = ""
        handlers = {"accept_baseline": self._accept}
        self.server = ControlServer(folder / "control.sock", handlers, Events(io.StringIO()))

    async def _accept(
        self, by: str, reason: str, shown: dict[str, Any] | None = None, above_limit: bool = False
    ) -> dict[str, Any]:
        if self.refusal:
            raise RefusedError(self.refusal)
        if shown is not None:
            self.asked.append({"by": by, "reason": reason, "shown": shown, "above_limit": above_limit})
        return {**self.answer, "accepted": shown is not None}

    async def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = ("accept-baseline", "--config", self.config, *words)
        return await asyncio.to_thread(trader, *command, stdin=typed)


@pytest.fixture
async def canned(tmp_path: Path) -> AsyncIterator[Canned]:
    running = Canned(tmp_path)
    await running.server.start()
    yield running
    await running.server.stop()


async def test_it_shows_then_asks_for_the_hosts_name(canned: Canned) -> None:
    done = await canned.run(*WHO, typed="trader-02\n")
    assert done.returncode == 2
    assert done.stderr.endswith("Error: 'trader-02' is not 'trader-01'; nothing was changed\n")
    assert done.stdout == "asset\tours\tvenue\tusd\nUSDT\t10000\t9500\t500.00\ntrades by hand: BTC/USDT 7\n"
    assert canned.asked == []
    done = await canned.run(*WHO, typed="trader-01\n")
    assert done.returncode == 0
    assert done.stdout.endswith("accepted by ann; journal and venue agree\n")
    assert canned.asked == [
        {"by": "ann", "reason": "500 USDT moved to the vault", "shown": SHOWN, "above_limit": False}
    ]


async def test_without_a_terminal_and_without_yes_nothing_is_changed(canned: Canned) -> None:
    assert (await canned.run(*WHO)).returncode != 0
    assert canned.asked == []
    answer = await canned.run(*WHO, "--yes", "--json")
    assert answer.returncode == 0
    assert json.loads(answer.stdout) == {**ANSWER, "accepted": True}


@pytest.mark.parametrize("usd", ["1500.00", None])
async def test_above_the_limit_it_takes_the_word(canned: Canned, usd: str | None) -> None:
    canned.answer |= {"usd": usd, "above_limit": True}
    line = one_line(await canned.run(*WHO, "--yes"))
    worth = "not known" if usd is None else "1500.00 USD"
    assert line == (
        f"Error: their worth is {worth}, reconcile.max_accepted_usd is 1000: nothing was changed; give"
        " --above-limit if that is meant"
    )
    assert canned.asked == []
    assert (await canned.run(*WHO, "--yes", "--above-limit")).returncode == 0
    assert canned.asked[0]["above_limit"] is True


async def test_a_refusal_is_one_line_and_a_rest_is_exit_code_1(canned: Canned) -> None:
    canned.refusal = "2 orders of ours are open or unresolved"
    assert one_line(await canned.run(*WHO, "--yes")) == f"Error: {canned.refusal}"
    assert "both need a text" in one_line(await canned.run("--yes", "--by", "ann", "--reason", " "))
    canned.refusal = ""
    canned.answer["differs"] = "still not explained: BTC: 1 there, 2 here"
    done = await canned.run(*WHO, "--yes")
    assert done.returncode == 1
    assert done.stdout.endswith("accepted by ann; still not explained: BTC: 1 there, 2 here\n")


def test_without_a_service_it_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "trader.yml"
    config.write_text(yaml.safe_dump({"control": {"socket": str(tmp_path / "control.sock")}}))
    line = one_line(trader("accept-baseline", "--config", config, *WHO, "--yes"))
    assert "the service is not running" in line
