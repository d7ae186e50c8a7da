"""The dead man's receiver, as its own process: what is a heartbeat, and when it pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import paths
from tests.alerting.conftest import Catcher, free_port, until

pytestmark = pytest.mark.rules

PROGRAM = paths.ROOT / "roles" / "deadman" / "files" / "deadman.py"
TOKEN = "heartbeat-token"
WATCHDOG = {"status": "firing", "labels": {"alertname": "Watchdog", "severity": "none"}}
HEARTBEAT = {"version": "4", "status": "firing", "alerts": [WATCHDOG]}


class DeadMan:
    """One process; `start` again after `stop` is a restart."""

    def __init__(self, folder: Path, catcher: Catcher, way: str, patience: float) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        for name in ("credentials", "state"):
            (folder / name).mkdir()
        (folder / "credentials" / "deadman_token").write_text(TOKEN)
        (folder / "credentials" / "page_secret").write_text("page-secret")
        page = {
            "format": way,
            "url": f"{catcher.url}/page",
            "host": "vault-01",
            "runbook_url": "http://r/Watchdog.md",
        }
        settings = {"address": "127.0.0.1", "port": int(self.url.rpartition(":")[2]), "page": page}
        settings |= {"patience_seconds": patience, "repeat_seconds": 2}
        (folder / "deadman.json").write_text(json.dumps(settings))
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        environment = os.environ | {
            "CREDENTIALS_DIRECTORY": str(self.folder / "credentials"),
            "STATE_DIRECTORY": str(self.folder / "state"),
        }
        words = [sys.executable, "-IB", str(PROGRAM), str(self.folder / "deadman.json")]
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
        until(self._answers, "the dead man's receiver")

    def _answers(self) -> bool:
        try:
            self.state()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/state", timeout=5) as answer:
            return dict(json.load(answer))

    def post(self, content: object, token: str = TOKEN) -> int:
        request = urllib.request.Request(
            f"{self.url}/heartbeat", json.dumps(content).encode(), {"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def make(tmp_path: Path, catcher: Catcher) -> Iterator[Callable[..., DeadMan]]:
    made: list[DeadMan] = []

    def begin(way: str = "webhook", patience: float = 3) -> DeadMan:
        made.append(DeadMan(tmp_path, catcher, way, patience))
        return made[-1]

    yield begin
    for one in made:
        one.stop()


@pytest.mark.parametrize(
    "content",
    [
        HEARTBEAT | {"status": "resolved"},
        HEARTBEAT | {"alerts": [WATCHDOG | {"status": "resolved"}]},
        HEARTBEAT | {"alerts": [WATCHDOG | {"labels": {"alertname": "DiskLow"}}]},
        HEARTBEAT | {"alerts": []},
        HEARTBEAT | {"alerts": None},
        {},
        [],
        "Watchdog",
        None,
    ],
)
def test_nothing_but_a_watchdog_that_fires_is_a_heartbeat(
    make: Callable[..., DeadMan], content: object
) -> None:
    dead_man = make(patience=60)
    before = dead_man.state()["heartbeat_at"]
    assert dead_man.post(content) == 422
    assert dead_man.post(HEARTBEAT, token="wrong") == 401
    assert dead_man.state()["heartbeat_at"] == before
    assert dead_man.post(HEARTBEAT) == 200
    assert dead_man.state()["heartbeat_at"] > before


def test_it_pages_when_the_heartbeat_stops_and_until_it_is_back(
    make: Callable[..., DeadMan], catcher: Catcher
) -> None:
    dead_man = make()
    assert dead_man.post(HEARTBEAT) == 200
    # Alertmanager goes on posting after Prometheus' death; that must not calm it.
    until(lambda: dead_man.post(HEARTBEAT | {"status": "resolved"}) == 422 and catcher.messages, "the page")
    first = catcher.messages[0]
    assert first["auth"] == "Bearer page-secret"
    alert = first["body"]["alerts"][0]
    assert alert["labels"] == {"alertname": "AlertPathDead", "severity": "page", "host": "vault-01"}
    assert alert["annotations"]["runbook_url"].endswith("/Watchdog.md")
    until(lambda: len(catcher.messages) >= 2, "the page again")
    assert dead_man.state()["dead"] is True
    assert dead_man.post(HEARTBEAT) == 200
    assert dead_man.state()["dead"] is False


def test_it_does_not_page_while_the_heart_beats(make: Callable[..., DeadMan], catcher: Catcher) -> None:
    dead_man = make(patience=2)
    began = dead_man.state()["heartbeat_at"]
    until(
        lambda: dead_man.post(HEARTBEAT) == 200 and dead_man.state()["heartbeat_at"] > began + 5,
        "five seconds of heartbeats",
    )
    assert catcher.messages == []


def test_pagerduty_gets_its_own_shape(make: Callable[..., DeadMan], catcher: Catcher) -> None:
    make(way="pagerduty", patience=1)
    until(lambda: catcher.messages, "the incident")
    body = catcher.messages[0]["body"]
    assert (body["routing_key"], body["event_action"]) == ("page-secret", "trigger")
    assert body["payload"]["severity"] == "critical"
    assert catcher.messages[0]["auth"] == ""


def test_a_page_that_fails_is_tried_again(make: Callable[..., DeadMan], catcher: Catcher) -> None:
    catcher.status = 503
    dead_man = make(patience=1)
    until(lambda: dead_man.state()["page_failures_total"] >= 1, "a failed page")
    catcher.status = 200
    until(lambda: dead_man.state()["pages_total"] >= 1, "the page")


def test_a_restart_is_no_heartbeat(make: Callable[..., DeadMan], catcher: Catcher) -> None:
    dead_man = make(patience=4)
    before = dead_man.state()["heartbeat_at"]
    dead_man.stop()
    dead_man.start()
    assert dead_man.state()["heartbeat_at"] == before
    until(lambda: catcher.messages, "the page")
    assert dead_man.state()["heartbeat_age_seconds"] < 10


def test_a_state_file_that_is_broken_counts_from_now(make: Callable[..., DeadMan], catcher: Catcher) -> None:
    dead_man = make(patience=3)
    dead_man.stop()
    (dead_man.folder / "state" / "state.json").write_text("")
    dead_man.start()
    assert dead_man.state()["dead"] is False
    until(lambda: catcher.messages, "the page")


def test_prometheus_reads_it(make: Callable[..., DeadMan]) -> None:
    dead_man = make(patience=60)
    with urllib.request.urlopen(f"{dead_man.url}/metrics", timeout=5) as answer:
        series = dict(line.split() for line in answer.read().decode().splitlines())
    assert float(series["deadman_dead"]) == 0
    assert 0 <= float(series["deadman_heartbeat_age_seconds"]) < 60


def test_it_stays_small() -> None:
    assert len(PROGRAM.read_text().splitlines()) < 200
