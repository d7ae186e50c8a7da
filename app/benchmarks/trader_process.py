"""The real `trader run` in a process of its own, for tests and benchmarks."""

from __future__ import annotations

import compileall
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

DEADLINE_SECONDS = 20.0
APP = Path(__file__).resolve().parent.parent
PROGRAM = "import sys; from trader.cli import main; main()"


def settings_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """Settings that are valid; `changes` replace top-level keys."""
    settings: dict[str, Any] = {
        "host": "trader-01",
        "account": "trader-01",
        "epoch": 1,
        "venue": {"id": "binance"},
        "symbols": ["BTC/USDT"],
        "journal": {"path": str(folder / "journal.sqlite")},
        "control": {"socket": str(folder / "control")},
        "http": {"host": "127.0.0.1", "port": 0},
        "strategy": {"name": "quoter", "parameters": {"order_size": "0.001", "seed": 1}},
        "drain": {"open_orders": "cancel", "deadline_seconds": 10},
        "reconcile": {"interval_seconds": 30},
    }
    return {**settings, **changes}


def until(condition: Callable[[], Any], what: str, deadline_seconds: float = DEADLINE_SECONDS) -> Any:
    """Wait until a condition holds and return its value."""
    end = time.monotonic() + deadline_seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {deadline_seconds:g} s: {what}")


def compile_as_a_release_is() -> None:
    """The bytecode of everything: a release has it from its build, a checkout from the first import."""
    compileall.compile_dir(APP / "trader", quiet=2)


class TraderProcess:
    """One `trader run` in a process of its own.

    Args:
        folder: where its settings, journal, credentials and sockets are.
        hostname, ca_file: of the emulator.
        key: API key and secret.
        prefix: words before the command.
        at: further settings of the section `venue`.
        changes: replace other top-level settings.

    Attributes:
        events: what it wrote on stdout, decoded.
        notified: datagrams that systemd would have got, in order.
    """

    def __init__(
        self,
        folder: Path,
        hostname: str,
        ca_file: Path,
        key: tuple[str, str],
        *,
        prefix: Sequence[str] = (),
        at: dict[str, Any] | None = None,
        **changes: Any,
    ) -> None:
        self.folder = folder
        self.settings_path = folder / "trader.yml"
        self.journal_path = folder / "journal.sqlite"
        venue = {"id": "binance", "hostname": hostname, "ca_file": str(ca_file), "timeout_ms": 2_000}
        settings = settings_of(folder, venue=venue | (at or {}), **changes)
        self.settings_path.write_text(yaml.safe_dump(settings))
        credentials = folder / "credentials"
        credentials.mkdir(exist_ok=True)
        self.secrets = key
        (credentials / "venue").write_text(json.dumps({"api_key": key[0], "api_secret": key[1]}))
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self.environment = {
            **os.environ,
            "CREDENTIALS_DIRECTORY": str(credentials),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "PYTHONPATH": str(APP),
        }
        self.prefix = list(prefix)
        self.events: list[dict[str, Any]] = []
        self.notified: list[str] = []
        self.lines: list[str] = []

    def start(self, *limits: str, **environment: str) -> Self:
        """Start it; `limits` are words before the command, for example of prlimit."""
        command = [*self.prefix, *limits, sys.executable, "-c", PROGRAM]
        command += ["run", "--config", str(self.settings_path)]
        self.events, self.lines, self.notified = [], [], []
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Wait for an event."""

        def found() -> dict[str, Any] | None:
            wanted = {"event": name, **fields}
            return next((e for e in self.events if wanted.items() <= e.items()), None)

        try:
            found_event: dict[str, Any] = until(found, name)
        except AssertionError as error:
            raise AssertionError(f"no event {name} {fields} in:\n" + "\n".join(self.lines)) from error
        return found_event

    def get(self, path: str) -> tuple[int, str]:
        """Ask the health server."""
        port = self.event("listening")["port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def health(self) -> dict[str, Any]:
        """The body of /healthz."""
        status, body = self.get("/healthz")
        assert status == 200
        answer: dict[str, Any] = json.loads(body)
        return answer

    def metric(self, series: str) -> float:
        """One series, written as it is exposed."""
        line = next(line for line in self.get("/metrics")[1].splitlines() if line.startswith(f"{series} "))
        return float(line.rsplit(" ", 1)[1])

    def notices(self) -> list[str]:
        """What systemd has been told so far."""
        self._notify.setblocking(False)
        while True:
            try:
                self.notified.append(self._notify.recv(4_096).decode())
            except BlockingIOError:
                return self.notified

    def pid(self) -> int:
        """Of the service itself: the words before it have all become it by exec."""
        return self.process.pid

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """The exit code; all that it wrote has been read then."""
        code = self.process.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        return code

    def close(self) -> None:
        """End the process, whatever it does."""
        process = getattr(self, "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
        self._notify.close()
