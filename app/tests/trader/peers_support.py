"""Starts the real `trader watch-peers` beside hosts that are put on, and an emulator that judges it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from tests.trader.panic_support import requests_of
from tests.trader.support import APP, PROGRAM, until
from tests.venue_sim.support import RunningVenue

PEER, ME = "trader-01", "trader-02"
LOST_SECONDS = 4.5
PATIENCE_SECONDS = 40.0
# A program whose clock is an hour ahead, and what it starts has the same.
WRONG_CLOCK = (
    "import time; t, n = time.time, time.time_ns; time.time = lambda: t() + 3600;"
    f" time.time_ns = lambda: n() + 3600 * 10**9; {PROGRAM}"
)


class Endpoint:
    """A loopback port that answers with a text, hangs, or is closed.

    Args:
        body: the text, asked for at each request.
    """

    def __init__(self, body: Callable[[], str]) -> None:
        self.body = body
        self.hanging = False
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/metrics"

    def open(self) -> None:
        """Listen; again on the same port."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                until(lambda: not endpoint.hanging, "the end of the hang", PATIENCE_SECONDS)
                body = endpoint.body().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.handle_error = lambda *args: None  # type: ignore[method-assign] # askers that have gone
        server.daemon_threads = True
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self._server = server

    def close(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class FakeHost:
    """What a peer sees of a host.

    Args:
        ahead_seconds: by how much its clock is wrong.
    """

    def __init__(self, name: str = PEER, ahead_seconds: float = 0.0) -> None:
        self.name = name
        self.ahead_seconds = ahead_seconds
        self.beating = True
        self.stopped = False
        self._beats = 0
        self._beat_at = time.time()
        self.health = Endpoint(self._health)
        self.exporter = Endpoint(self._metrics)

    def kill(self) -> None:
        """The service is dead; the host lives."""
        self.beating = False
        self.health.close()

    def power_off(self) -> None:
        self.kill()
        self.exporter.close()

    def revive(self) -> None:
        self.beating = True
        self.health.open()

    def close(self) -> None:
        self.health.close()
        self.exporter.close()

    def _beat(self) -> None:
        if self.beating:
            self._beats += 1
            self._beat_at = time.time()

    def _health(self) -> str:
        self._beat()
        return json.dumps({"host": self.name, "started_at_ns": 1, "heartbeats": self._beats})

    def _metrics(self) -> str:
        self._beat()
        return (
            f"trader_heartbeat_timestamp_seconds {self._beat_at + self.ahead_seconds:.3f}\n"
            f"trader_heartbeat_stopped {int(self.stopped)}\n"
        )


class RunningWatcher:
    """One `trader watch-peers` in a process of its own.

    Args:
        folder: its own.
        hosts: whom it watches: health and exporter by name.
        changes: replace top-level settings.
    """

    def __init__(
        self,
        folder: Path,
        venue: RunningVenue,
        hosts: dict[str, tuple[str, str]],
        program: str = PROGRAM,
        **changes: Any,
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.venue = venue
        self.settings_path = folder / "peers.yml"
        self.textfiles = folder / "textfiles"
        self.textfiles.mkdir()
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        self._code = program
        self.program = self.write_program("trader", program)
        for name in hosts:
            key = venue.accounts[f"{name}/peer"]
            self.secrets = (key.api_key, key.api_secret)
            content = {"api_key": key.api_key, "api_secret": key.api_secret}
            (self.credentials / f"peer-{name}").write_text(json.dumps(content))
            self.write_target(name)
        self.settings: dict[str, Any] = {
            "host": ME,
            "programs": [str(self.program)],
            "hosts": {
                name: {
                    "health": health,
                    "exporter": exporter,
                    "settings": str(folder / f"{name}.yml"),
                    "credential": f"peer-{name}",
                }
                for name, (health, exporter) in hosts.items()
            },
            "lost_seconds": LOST_SECONDS,
            "look_seconds": 0.25,
            "timeout_seconds": 0.5,
            "repeat_seconds": 1,
            "textfiles": str(self.textfiles),
            **changes,
        }
        self.write_settings()
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def write_settings(self) -> None:
        self.settings_path.write_text(yaml.safe_dump(self.settings))

    def write_target(self, name: str, **changes: Any) -> None:
        at = {"id": "binance", "hostname": self.venue.hostname, "ca_file": str(self.venue.ca_file)}
        target = {
            "host": name,
            "venue": at | {"recv_window_ms": 100},
            "symbols": ["BTC/USDT"],
            **changes,
        }
        (self.folder / f"{name}.yml").write_text(yaml.safe_dump(target))

    def write_program(self, name: str, code: str) -> Path:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-c", code])} "$@"\n')
        path.chmod(0o755)
        return path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials), "PYTHONPATH": str(APP)}

    def command(self) -> list[str]:
        return [sys.executable, "-c", self._code, "watch-peers", "--config", str(self.settings_path)]

    def start(self) -> Self:
        self.process = subprocess.Popen(
            [*self.venue.command_prefix(), *self.command()],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def count(self, name: str, **fields: Any) -> int:
        wanted = {"event": name, **fields}
        return sum(wanted.items() <= event.items() for event in list(self.events))

    def event(self, name: str, times: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait until an event has come so often, and return the last of them."""
        try:
            until(lambda: self.count(name, **fields) >= times, name, PATIENCE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"no event {name} {fields} in:\n" + "\n".join(self.lines)) from error
        wanted = {"event": name, **fields}
        return [e for e in list(self.events) if wanted.items() <= e.items()][-1]

    def metric(self, series: str) -> float | None:
        """None = it is not written yet."""
        try:
            lines = (self.textfiles / "breakwater_peers.prom").read_text().splitlines()
        except FileNotFoundError:
            return None
        line = next(line for line in lines if line.startswith(f"{series} "))
        return float(line.rsplit(" ", 1)[1])

    def has_metric(self, series: str, value: float) -> None:
        """Wait for it: the file is written beside the looks."""
        until(lambda: self.metric(series) == value, f"{series} {value}")

    def watched_on(self, seconds: float = 2 * LOST_SECONDS) -> None:
        """Let it watch for so long; it must live meanwhile, and have looked lately."""
        end = time.monotonic() + seconds
        until(lambda: time.monotonic() >= end or self.process.poll() is not None, "the time", seconds + 5)
        assert self.process.poll() is None, self.lines

    def did_nothing(self) -> None:
        """By the venue's record, and by its own word."""
        assert requests_of(self.venue, "peer") == []
        assert self.count("peer_fire") == 0, self.lines

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        text = "\n".join(self.lines)
        assert not any(secret in text for secret in self.secrets)
        assert "Traceback" not in text, text
        return code

    def close(self) -> None:
        process = getattr(self, "process", None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(PATIENCE_SECONDS)
