"""A real Bugsink on loopback: a server that speaks Sentry's protocol, with its own venv under var/tools."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks.trader_process import until

TOOLS = Path(__file__).resolve().parents[3] / "var" / "tools"
VERSION = "2.6.1"  # of bugsink; a test dependency only (PolyForm Shield), never shipped
START_SECONDS = 60.0
SETTINGS = """
BUGSINK["PHONEHOME"] = False
DATABASES["default"]["NAME"] = {folder!r} + "/db.sqlite3"
DATABASES["snappea"]["NAME"] = {folder!r} + "/snappea.sqlite3"
"""


def programs() -> Path:
    """Folder of Bugsink's programs; installed the first time."""
    folder = TOOLS / f"bugsink-{VERSION}"
    TOOLS.mkdir(parents=True, exist_ok=True)
    with FileLock(TOOLS / ".bugsink.lock"):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", f"bugsink=={VERSION}"], check=True, capture_output=True)
            (folder / "ready").touch()
    return folder / "bin"


class Bugsink:
    """One server with one project."""

    def __init__(self, folder: Path) -> None:
        self._bin = programs()
        self._folder = folder
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            self.port = int(server.getsockname()[1])
        self._run("bugsink-create-conf", "--template=local", "--host=127.0.0.1", f"--port={self.port}",
                  "-o", "bugsink_conf.py")  # fmt: skip
        with (folder / "bugsink_conf.py").open("a") as file:
            file.write(SETTINGS.format(folder=str(folder)))
        self._run("bugsink-manage", "migrate", "--verbosity=0")
        self._run("bugsink-manage", "migrate", "--database=snappea", "--verbosity=0")
        os.environ["CREATE_SUPERUSER"] = f"ci@example.org:{secrets.token_hex(8)}"
        self._run("bugsink-manage", "prestart")
        self._token = self._run("bugsink-manage", "create_auth_token").split()[-1]
        words = [
            f"--bind=127.0.0.1:{self.port}",
            "--workers=1",
            "--threads=4",
            "--no-control-socket",
            "bugsink.wsgi",
        ]
        self._log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            [self._bin / "gunicorn", *words], cwd=folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        until(lambda: self._get("/health/ready", raw=True), "Bugsink to be ready", START_SECONDS)
        team = self._post("/teams/", {"name": "desk"})
        self._post("/projects/", {"name": "trading", "team": team["id"]})
        (project,) = self._get("/projects/")["results"]
        self.project = project["id"]
        self.dsn = self._get(f"/projects/{self.project}/")["dsn"]

    def issues(self) -> list[dict[str, Any]]:
        return list(self._get(f"/issues/?project={self.project}")["results"])

    def events(self) -> list[dict[str, Any]]:
        """Everything that arrived, whole."""
        found = []
        for issue in self.issues():
            for one in self._get(f"/events/?issue={issue['id']}")["results"]:
                found.append(self._get(f"/events/{one['id']}/")["data"])
        return found

    def wait_for(self, count: int, seconds: float = 20.0) -> list[dict[str, Any]]:
        """The events, once there are so many."""
        return list(until(lambda: len(found := self.events()) >= count and found, f"{count} events", seconds))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self._log.close()

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [self._bin / program, *words], cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        return done.stdout

    def _post(self, path: str, body: object) -> Any:
        return self._ask(urllib.request.Request(self._url(path), json.dumps(body).encode()))

    def _get(self, path: str, *, raw: bool = False) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}" if raw else self._url(path)
        try:
            return self._ask(urllib.request.Request(url), raw=raw)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{url}: {error.code} {error.read(500)!r}") from None
        except OSError:
            return None

    def _ask(self, request: urllib.request.Request, *, raw: bool = False) -> Any:
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = answer.read()
        return body if raw else json.loads(body)

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/canonical/0{path}"
