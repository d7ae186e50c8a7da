"""What surrounds a rollout in a test: settings, proofs, a Prometheus that says what the test wants."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from ops.canary.plan import Plan
from ops.canary.plan_settings import make_plan
from ops.canary.record import Record, create
from ops.canary.soak import Clock

RELEASE = "trader-1.2.3-aaaaaaaaaaaa"
SHA256 = "a" * 64
OLD_RELEASE = "trader-1.2.2-bbbbbbbbbbbb"
OLD_SHA256 = "b" * 64


def settings(url: str = "http://127.0.0.1:9", **changes: Any) -> dict[str, Any]:
    """A plan file's content: scrapes every second, three phases, two criteria."""
    return {
        "prometheus_url": url,
        "scrape_interval_seconds": 1,
        # The fake's clock is its own, and it has no alerts unless a test gives it some.
        "gates": {"pages": False, "clock_seconds": 1e12},
        "phases": [{"percent": percent, "soak_seconds": 10} for percent in (25, 50, 100)],
        "criteria": [
            {
                "name": "errors",
                "unit": "ratio",
                "below": 0.01,
                "query": 'errors{host=~"$hosts"}[$window]',
                "minimum_samples_query": 'orders{host=~"$hosts"}[$window]',
                "minimum_samples": 20,
            },
            {
                "name": "differences",
                "unit": "differences",
                "max": 0,
                "query": 'diffs{host=~"$hosts"}[$window]',
            },
        ],
    } | changes


def plan_of(hosts: int, url: str = "http://127.0.0.1:9", **changes: Any) -> Plan:
    names = [f"trader-{number:02}" for number in range(1, hosts + 1)]
    return make_plan(settings(url, **changes), names, inventory="lab", release=RELEASE, sha256=SHA256)


def rollout(folder: Path, plan: Plan) -> Record:
    record = create(folder / "lab", "20260101T000000Z-aaaaaaaaaaaa", plan)
    record.append("started", release=RELEASE, by="ops@control", plan_sha256=plan.to_json()["plan_sha256"])
    return record


def proof(host: str, release: str = RELEASE, sha256: str = SHA256, **changes: Any) -> dict[str, Any]:
    """What the batch playbook writes as its last step on a host."""
    return {
        "host": host,
        "release": release,
        "sha256": sha256,
        "pid": 4711,
        "pid_release": release,
        "pid_sha256": sha256,
        "reported_release": release,
        "reported_sha256": sha256,
        "ready": True,
        "started_at": "2026-01-01T00:00:01Z",
        "ready_at": "2026-01-01T00:00:04Z",
        "pause_seconds": 1.5,
    } | changes


def prove(record: Record, number: int) -> None:
    """All hosts of a phase changed as they should."""
    for host in record.plan.phase(number).batch:
        record.begun_file(number, host).write_text(
            json.dumps({"previous_release": OLD_RELEASE, "previous_sha256": OLD_SHA256})
        )
        record.proof_file(number, host).write_text(json.dumps(proof(host)))


@dataclass
class Host:
    """What Prometheus says of one host. None = no such series; for `up` = no such target."""

    up: float | None = 1
    lately: float | None = 1
    age_seconds: float = 0.5
    release: str | None = RELEASE
    sha256: str = SHA256
    started: float = 1000.0
    state: float | None = 2
    scrapes: float | None = 10
    reported: float | None = 10
    restarts: float | None = 0
    series: dict[str, list[str]] = field(
        default_factory=lambda: {"errors": ["0"], "orders": ["500"], "diffs": ["0"]}
    )


class FakePrometheus:
    """Speaks /api/v1/query for a fleet; `clock` drives its time and the control node's in a soak."""

    def __init__(self, hosts: list[str]) -> None:
        self.hosts = {host: Host() for host in hosts}
        self.seconds = 1_800_000_000.0
        self.rate = 1.0  # how fast Prometheus' clock runs beside ours
        self.away = False
        self.refuse = ""  # a query that contains this is answered with an error
        self.on_tick: Callable[[float], None] = lambda elapsed: None
        self.queries: list[str] = []
        # Beginning of a query -> the samples of its answer: labels and value.
        self.answers: dict[str, list[tuple[dict[str, str], str]]] = {}
        self._slept = 0.0
        self.url = ""

    def clock(self) -> Clock:
        def sleep(seconds: float) -> None:
            self._slept += seconds
            self.seconds += seconds * self.rate
            self.on_tick(self._slept)

        return Clock(monotonic=lambda: self._slept, sleep=sleep)

    def answer(self, query: str) -> list[dict[str, Any]]:
        for start, samples in self.answers.items():
            if query.startswith(start):
                return [{"metric": labels, "value": [self.seconds, value]} for labels, value in samples]
        found = re.search(r'host=~"([^"]*)"', query)
        wanted = re.compile(found[1] if found else ".*")
        result: list[dict[str, Any]] = []
        for name, host in self.hosts.items():
            if wanted.fullmatch(name):
                for labels, value in self._series(query, host):
                    result.append({"metric": labels | {"host": name}, "value": [self.seconds, value]})
        return result

    def _series(self, query: str, host: Host) -> list[tuple[dict[str, str], str]]:
        if host.up is None and "{" in query and not re.match(r"errors|orders|diffs", query):
            return []
        build = {"release": host.release or "", "sha256": host.sha256}
        reported = None if f'release="{host.release}"' not in query else host.reported
        known: list[tuple[str, float | None, dict[str, str]]] = [
            ("timestamp(up", self.seconds - host.age_seconds, {}),
            ("max_over_time(up", host.lately, {}),
            ("sum by (host) (sum_over_time(up", host.scrapes, {}),
            ("sum by (host) (count_over_time(trader_build_info", reported, {}),
            ("sum by (host) (changes(trader_process_start", host.restarts, {}),
            ("up{", host.up, {}),
            (
                "timestamp(trader_build_info",
                None if host.release is None else self.seconds - host.age_seconds,
                build,
            ),
            ("trader_process_start_timestamp_seconds{", host.started, {}),
            ("trader_trading_state{", host.state, {}),
        ]
        for start, value, labels in known:
            if query.startswith(start):
                return [] if value is None else [(labels, f"{value!r}")]
        for name, values in host.series.items():
            if query.startswith(name):
                return [({"n": str(index)}, value) for index, value in enumerate(values)]
        return []


@contextmanager
def serve(fake: FakePrometheus) -> Iterator[FakePrometheus]:
    """Serve a fake on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if fake.away:
                self.close_connection = True
                return
            query = parse_qs(urlparse(self.path).query)["query"][0]
            fake.queries.append(query)
            status = 200
            document: dict[str, Any] = {"status": "success"}
            if fake.refuse and fake.refuse in query:
                status = 400
                document = {"status": "error", "errorType": "bad_data", "error": "parse error"}
            elif query == "time()":
                document["data"] = {"resultType": "scalar", "result": [fake.seconds, str(fake.seconds)]}
            else:
                document["data"] = {"resultType": "vector", "result": fake.answer(query)}
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still not: {what}")
        time.sleep(0.1)
