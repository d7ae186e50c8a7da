#!/usr/bin/python3
"""Pages when the heartbeat of the alert path stops.

    deadman.py SETTINGS.json

Prometheus fires Watchdog all the time and Alertmanager posts it here; only one that fires is a heartbeat: the
death of Prometheus resolves it. Without one for `patience_seconds` a page goes out by a way of its own, and
again every `repeat_seconds`, until heartbeats are back. When the last one came is kept on disk.

    POST /heartbeat   from Alertmanager, with the bearer token
    GET /state        JSON for people and drills
    GET /metrics      for Prometheus, which watches this process in turn
"""

import hmac
import http.client
import json
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGEST = 1 << 20  # bytes of a heartbeat; Watchdog alone has one kilobyte
RETRY_SECONDS = 5.0


def is_heartbeat(content):
    """Whether Alertmanager's JSON (webhook, version 4) says that Watchdog fires.

    Args:
        content: as it was parsed; anything at all.
    """
    try:
        return content["status"] == "firing" and any(
            alert["status"] == "firing" and alert["labels"]["alertname"] == "Watchdog"
            for alert in content["alerts"]
        )
    except (KeyError, TypeError):
        return False


def page(settings, secret, silent_seconds):
    """The request that wakes a person.

    Args:
        settings: `format` (webhook or pagerduty: Events API v2), `url`, `host`, `runbook_url`.
        secret: bearer token or routing key; "" is none.
        silent_seconds: since the last heartbeat.
    """
    summary = f"No heartbeat of the alert path for {silent_seconds:.0f} s: alerts reach nobody"
    headers = {"Content-Type": "application/json"}
    if settings["format"] == "pagerduty":
        content = {
            "routing_key": secret,
            "event_action": "trigger",
            "dedup_key": "breakwater-alert-path-dead",
            "payload": {"summary": summary, "source": settings["host"], "severity": "critical"},
            "links": [{"href": settings["runbook_url"], "text": "runbook"}],
        }
    else:
        labels = {"alertname": "AlertPathDead", "severity": "page", "host": settings["host"]}
        notes = {"summary": summary, "runbook_url": settings["runbook_url"]}
        alert = {"status": "firing", "labels": labels, "annotations": notes}
        content = {"version": "4", "status": "firing", "receiver": "page", "alerts": [alert]}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
    return urllib.request.Request(settings["url"], json.dumps(content).encode(), headers)  # noqa: S310


class DeadMan:
    """When the last heartbeat came, and what was done about it.

    Args:
        settings: the file's content, whole.
        state: file that outlives this process.
        secret: of the page.
    """

    def __init__(self, settings, state, secret):
        self.settings, self.path, self.secret = settings, state, secret
        self.lock, self.pages, self.failures = threading.Lock(), 0, 0
        try:
            self.heartbeat_at = float(json.loads(state.read_text())["heartbeat_at"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            self.heartbeat_at = time.time()  # the first start, or a file that a power cut left empty
        # A clock that is set must not make a heartbeat younger: while we run, monotonic time counts.
        self.seen = time.monotonic() - max(0.0, time.time() - self.heartbeat_at)
        self.due = 0.0  # monotonic; the next page, when one is needed
        self.keep()

    def keep(self):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"heartbeat_at": self.heartbeat_at}))
        fresh.replace(self.path)

    def beat(self):
        """Take a heartbeat."""
        with self.lock:
            if self.dead():
                print(f"heartbeat is back after {self.age():.0f} s", flush=True)
            self.heartbeat_at, self.seen, self.due = time.time(), time.monotonic(), 0.0
            self.keep()

    def age(self):
        """Seconds since the last heartbeat."""
        return time.monotonic() - self.seen

    def dead(self):
        return self.age() > self.settings["patience_seconds"]

    def check(self):
        """Page if it is time."""
        if not self.dead() or time.monotonic() < self.due:
            return
        try:
            request = page(self.settings["page"], self.secret, self.age())
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - the operator's URL
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failures += 1
            self.due = time.monotonic() + RETRY_SECONDS
            print(f"<2>page failed, again in {RETRY_SECONDS:.0f} s: {error}", flush=True)
        else:
            self.pages += 1
            self.due = time.monotonic() + self.settings["repeat_seconds"]
            print(f"<1>paged: no heartbeat for {self.age():.0f} s", flush=True)

    def state(self):
        """What is told to people, drills and Prometheus."""
        return {
            "dead": self.dead(),
            "patience_seconds": self.settings["patience_seconds"],
            "heartbeat_at": self.heartbeat_at,
            "heartbeat_age_seconds": round(self.age(), 3),
            "pages_total": self.pages,
            "page_failures_total": self.failures,
        }


def handler(dead_man, token):
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def answer(self, status, text, kind="text/plain; version=0.0.4"):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            state = dead_man.state()
            if self.path == "/state":
                return self.answer(200, json.dumps(state) + "\n", "application/json")
            if self.path == "/metrics":
                return self.answer(200, "".join(f"deadman_{name} {float(state[name])}\n" for name in state))
            return self.answer(404, "GET /state or /metrics, POST /heartbeat\n")

        def do_POST(self):
            given, size = (self.headers.get(name, "") for name in ("Authorization", "Content-Length"))
            if self.path != "/heartbeat" or not size.isdigit() or int(size) > LARGEST:
                return self.answer(404, "POST /heartbeat with at most a megabyte\n")
            if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return self.answer(401, "the token is not ours\n")
            try:
                content = json.loads(self.rfile.read(int(size)))
            except (ValueError, RecursionError):
                content = None
            if not is_heartbeat(content):
                return self.answer(422, "not a Watchdog that fires: no heartbeat\n")
            dead_man.beat()
            return self.answer(200, "ok\n")

        def log_message(self, *_):
            pass

    return Handler


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    secrets = Path(os.environ["CREDENTIALS_DIRECTORY"])
    token = (secrets / "deadman_token").read_text()
    page_secret = secrets / "page_secret"
    secret = page_secret.read_text() if page_secret.exists() else ""
    dead_man = DeadMan(settings, Path(os.environ["STATE_DIRECTORY"]) / "state.json", secret)
    server = ThreadingHTTPServer((settings["address"], settings["port"]), handler(dead_man, token))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        dead_man.check()
        time.sleep(1)


if __name__ == "__main__":
    main()
