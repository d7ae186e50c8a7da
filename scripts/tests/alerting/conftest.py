"""A real Alertmanager with the configuration that the role writes, and a server that takes what it sends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ops import paths
from ops.prometheus_tools import TOOLS, program

ROLE = paths.ROOT / "roles" / "alertmanager"
PATIENCE_SECONDS = 20.0
# Debian's Alertmanager reads its templates from /usr/share and nowhere else; the unpacked ones are put there
# for it alone.
WITH_TEMPLATES = (
    'mount -t overlay overlay -o "lowerdir=$1/usr/share:/usr/share" /usr/share && shift && exec "$@"'
)


def until(found: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


class Catcher:
    """An HTTP server on loopback that keeps every message; `status` is what it answers."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        catcher = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                catcher.messages.append(
                    {"path": self.path, "auth": self.headers.get("Authorization", ""), "body": body}
                )
                self.send_response(catcher.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def at(self, path: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["path"] == path]


def configuration(folder: Path, **over: Any) -> str:
    """The role's alertmanager.yml for these variables, with its secrets as files of `folder`."""
    variables: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()) | {
        "ansible_managed": "Ansible managed",
        "alertmanager_deadman_url": "http://127.0.0.1:9/heartbeat",
        "__alertmanager_secret_folder": str(folder),
        **over,
    }
    variables.setdefault("alertmanager_ticket", variables["alertmanager_page"])
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"to_json": json.dumps, "bool": bool}
    return environment.get_template("alertmanager.yml.j2").render(variables)


class Alertmanager:
    """Debian's Alertmanager on loopback."""

    def __init__(self, folder: Path, text: str) -> None:
        folder.mkdir(exist_ok=True)
        self.file = folder / "alertmanager.yml"
        self.file.write_text(text)
        self.url = f"http://127.0.0.1:{free_port()}"
        own = [] if os.geteuid() == 0 else ["--map-root-user"]
        words = ["unshare", "--mount", *own, "sh", "-euc", WITH_TEMPLATES, "sh", str(TOOLS)]
        words += [str(program("prometheus-alertmanager")), f"--config.file={self.file}"]
        words += [f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
        words += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(words, stdout=self.log, stderr=subprocess.STDOUT)
        until(self._ready, f"Alertmanager, see {folder / 'log'}")

    def _ready(self) -> bool:
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2):
                return True
        except OSError:
            return False

    def fire(self, *alerts: Mapping[str, str], over: bool = False) -> None:
        """Post alerts as Prometheus does; `over`: they ended a second ago."""
        now = datetime.now(UTC)
        end = now - timedelta(seconds=1) if over else now + timedelta(minutes=5)
        body = [
            {
                "labels": dict(one),
                "startsAt": (now - timedelta(minutes=1)).isoformat(),
                "endsAt": end.isoformat(),
            }
            for one in alerts
        ]
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(request, timeout=5).close()

    def states(self) -> dict[tuple[tuple[str, str], ...], str]:
        """active or suppressed, by the sorted labels of each alert."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            return {
                tuple(sorted(alert["labels"].items())): alert["status"]["state"]
                for alert in json.load(answer)
            }

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    caught = Catcher()
    yield caught
    caught.server.shutdown()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Alertmanager]]:
    """Start an Alertmanager with these variables of the role."""
    running: list[Alertmanager] = []

    def begin(**over: Any) -> Alertmanager:
        running.append(Alertmanager(tmp_path / "alertmanager", configuration(tmp_path / "secrets", **over)))
        return running[-1]

    yield begin
    for one in running:
        one.stop()
