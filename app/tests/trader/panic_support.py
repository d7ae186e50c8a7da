"""Starts the real `trader panic` at an emulator, and reads the emulator's record against what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.trader.support import APP, PROGRAM, settings_of
from tests.venue_sim.support import RunningVenue

ACCOUNT = "trader-01"
DEADLINE_SECONDS = 60.0
CANCELS = ("DELETE", ".cancel")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a panic ended; `result` is its JSON, None when there is none."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.stdout)
        return answer

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = (*self.stdout.splitlines(), *self.stderr.splitlines())
        return [json.loads(line) for line in lines if line.startswith('{"at_ns"')]

    @property
    def complaints(self) -> list[str]:
        """Lines for people on stderr."""
        return [line for line in self.stderr.splitlines() if not line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == name)


class Panic:
    """One host that panics.

    Args:
        folder: its own; the journal's folder is `folder/state`.
        market: ccxt's id.
        credential: which of the account's keys lies there as `panic`.
        changes: replace top-level settings.
    """

    def __init__(
        self,
        folder: Path,
        venue: RunningVenue,
        market: str = "binance",
        credential: str = "panic",
        **changes: Any,
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.settings_path = folder / "trader.yml"
        at = {"id": market, "hostname": venue.hostname, "ca_file": str(venue.ca_file), "recv_window_ms": 100}
        symbol = "BTC/USDT" if market == "binance" else "BTC/USDT:USDT"
        journal = {"path": str(self.state / "journal.sqlite")}
        self.settings = settings_of(folder, venue=at, journal=journal, symbols=[symbol], **changes)
        self.write_settings()
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        key = venue.accounts[f"{ACCOUNT}/{credential}" if credential else ACCOUNT]
        self.secrets = (key.api_key, key.api_secret)
        self.write_key(*self.secrets)
        self._prefix = venue.command_prefix()

    def write_settings(self, **changes: Any) -> None:
        self.settings |= changes
        self.settings_path.write_text(yaml.safe_dump(self.settings))

    def write_key(self, api_key: str, api_secret: str, name: str = "panic") -> None:
        (self.credentials / name).write_text(json.dumps({"api_key": api_key, "api_secret": api_secret}))

    @property
    def latch(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.state / "latch.json").read_text())
        return content

    def start(self, *words: str, as_json: bool = True) -> subprocess.Popen[str]:
        """Start it with further words."""
        command = [sys.executable, "-c", PROGRAM, "panic", "--config", str(self.settings_path), *words]
        environment = os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials), "PYTHONPATH": str(APP)}
        return subprocess.Popen(
            [*self._prefix, *command, *(["--json"] if as_json else [])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for it; no secret may be in what it wrote."""
        stdout, stderr = process.communicate(timeout=DEADLINE_SECONDS)
        assert not any(secret in stdout + stderr for secret in self.secrets)
        assert "Traceback" not in stderr, stderr
        return Ended(process.returncode, stdout, stderr)

    def run(self, *words: str, as_json: bool = True) -> Ended:
        """`trader panic` from its start to its end."""
        return self.end(self.start(*words, as_json=as_json))


def open_at_venue(venue: RunningVenue, market: str = "spot") -> set[str]:
    """Client ids of the account's orders that the record leaves open, conditional ones too."""
    last: dict[str, str] = {}
    for entry in venue.record():
        if entry.get("account") != ACCOUNT or entry.get("market") != market:
            continue
        if entry["kind"] == "order":
            last[entry["client_order_id"]] = entry["status"]
        elif entry["kind"] == "algo":
            last[entry["client_algo_id"]] = entry["status"]
    return {name for name, status in last.items() if status in ("NEW", "PARTIALLY_FILLED")}


def requests_of(venue: RunningVenue, key: str = "panic") -> list[dict[str, Any]]:
    """What came in with one key of the account, in order."""
    return [e for e in venue.record(kind="request") if (e["account"], e["key"]) == (ACCOUNT, key)]


MakePanic = Callable[..., Panic]
