"""The questions against a real Prometheus, which scrapes a fleet of one good host and one for each fault."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.canary import metrics
from ops.canary.judge import standing_criteria
from ops.canary.observe import missing, observe
from ops.canary.plan import Plan
from ops.canary.plan_settings import SCHEMA, make_plan
from ops.canary.prometheus import Prometheus, PrometheusError, QueryError
from ops.canary.record import create
from ops.canary.soak import soak
from ops.errors import OperatorError
from ops.prometheus_tools import program
from tests.canary_helpers import RELEASE, SHA256, FakePrometheus, plan_of, serve, wait_until

ROOT = Path(__file__).parents[3]
EXAMPLE = yaml.safe_load(SCHEMA.read_text())["examples"][0]
# host: (orders a second by outcome, latency in seconds, unexplained differences, trading state)
FLEET: dict[str, tuple[dict[str, float], float, float, float]] = {
    "good": ({"acknowledged": 50, "rejected": 0, "unknown": 0}, 0.004, 0, 2),
    "rejected": ({"acknowledged": 50, "rejected": 2, "unknown": 0}, 0.004, 0, 2),
    "unknown": ({"acknowledged": 50, "rejected": 0, "unknown": 2}, 0.004, 0, 2),
    "slow": ({"acknowledged": 50, "rejected": 0, "unknown": 0}, 0.2, 0, 2),
    "very-slow": ({"acknowledged": 50, "rejected": 0, "unknown": 0}, 0.9, 0, 2),
    "different": ({"acknowledged": 50, "rejected": 0, "unknown": 0}, 0.004, 1, 2),
    "halted": ({"acknowledged": 50, "rejected": 0, "unknown": 0}, 0.004, 0, 1),
    "idle": ({"acknowledged": 0, "rejected": 0, "unknown": 0}, 0.004, 0, 2),
    "rare": ({"acknowledged": 1, "rejected": 0, "unknown": 0}, 0.004, 0, 2),
}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def exposition(host: str, age_seconds: float) -> str:
    rates, latency, differences, state = FLEET[host]
    counts = {outcome: int(rate * age_seconds) for outcome, rate in rates.items()}
    done = counts["acknowledged"]
    lines = [f'trader_build_info{{release="{RELEASE}",sha256="{SHA256}",version="1"}} 1']
    lines += [f'trader_orders_total{{outcome="{outcome}"}} {count}' for outcome, count in counts.items()]
    lines += [
        f'trader_order_latency_seconds_bucket{{le="{bucket}"}} {done * (latency <= bucket)}'
        for bucket in BUCKETS
    ]
    lines += [
        f'trader_order_latency_seconds_bucket{{le="+Inf"}} {done}',
        f"trader_order_latency_seconds_count {done}",
    ]
    lines += [f"trader_reconcile_unexplained_differences {differences}", f"trader_trading_state {state}"]
    lines += ["trader_process_start_timestamp_seconds 1700000000"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    begin = time.monotonic()

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = exposition(self.path.strip("/"), time.monotonic() - begin).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    thread = threading.Thread(target=exporter.serve_forever)
    thread.start()
    address = f"127.0.0.1:{exporter.server_port}"
    jobs: list[dict[str, Any]] = []
    targets = [
        {"targets": [address], "labels": {"host": host, "__metrics_path__": f"/{host}"}} for host in FLEET
    ]
    jobs.append({"job_name": "trader", "scrape_interval": "1s", "static_configs": targets})
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(program("prometheus")),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
    ]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    client = Prometheus(f"http://127.0.0.1:{port}")

    def scraped() -> bool:
        try:
            seen = observe(client, list(FLEET), 1)
        except PrometheusError:
            return False
        return all(missing(one, 1) is None for one in seen.values())

    try:
        wait_until(scraped, 30, f"every host is scraped; {folder}/log says more")
        yield client
    finally:
        server.terminate()
        server.wait(timeout=20)
        exporter.shutdown()
        thread.join()
        exporter.server_close()


def example_plan(url: str, hosts: list[str], soak_seconds: float) -> Plan:
    changes = {"prometheus_url": url, "scrape_interval_seconds": 1}
    phases = [{"percent": 100, "soak_seconds": soak_seconds}]
    settings = EXAMPLE | changes | {"phases": phases}
    return make_plan(settings, hosts, inventory="lab", release=RELEASE, sha256=SHA256)


def test_the_published_example_judges_a_real_fleet(prometheus: Prometheus, tmp_path: Path) -> None:
    """One soak over all hosts; each must be found guilty of its own fault and of nothing else."""
    plan = example_plan(prometheus.url, list(FLEET), 6)
    record = create(tmp_path, "r1", plan)
    verdict = soak(record, plan.phase(1), prometheus, print)
    assert verdict["verdict"] == "fail"
    found: dict[str, dict[str, str]] = {host: {} for host in FLEET}
    for criterion in verdict["criteria"]:
        for host in criterion["hosts"]:
            if host["verdict"] != "pass":
                found[host["host"]][criterion["name"]] = host["verdict"]
    latency = dict.fromkeys(("order latency P95", "order latency P99"), "inconclusive")
    assert found == {
        "good": {},
        "rejected": {"order error share": "fail"},
        "unknown": {"order error share": "fail"},
        "slow": {"order latency P95": "fail"},
        "very-slow": {"order latency P95": "fail", "order latency P99": "fail"},
        "different": {"unexplained differences": "fail"},
        "halted": {"trading all the time": "fail"},
        "idle": {"order error share": "inconclusive"} | latency,
        "rare": {"order error share": "inconclusive"} | latency,
    }


def test_a_good_real_host_passes(prometheus: Prometheus, tmp_path: Path) -> None:
    plan = example_plan(prometheus.url, ["good"], 4)
    verdict = soak(create(tmp_path, "r1", plan), plan.phase(1), prometheus, print)
    assert (verdict["verdict"], verdict["reasons"]) == ("pass", [])


def test_what_is_seen_of_a_real_host_and_of_none(prometheus: Prometheus) -> None:
    seen = observe(prometheus, ["halted", "absent"], 1)
    halted = seen["halted"]
    assert (halted.up, halted.down, halted.up_lately, halted.release) == (True, False, True, RELEASE)
    assert (halted.state, halted.started_seconds) == (1, 1700000000)
    assert missing(seen["absent"], 1) == "Prometheus has no sample of it"


def test_a_query_that_is_wrong_or_no_vector(prometheus: Prometheus) -> None:
    now = prometheus.now()
    with pytest.raises(QueryError, match="parse error"):
        prometheus.query("up{", now)
    with pytest.raises(QueryError, match="the result is a scalar, not a vector"):
        prometheus.query("1", now)


def test_an_address_that_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with pytest.raises(PrometheusError, match="cannot be reached"):
            Prometheus(f"http://127.0.0.1:{taken.getsockname()[1]}").now()


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serve(FakePrometheus(["trader-01"])) as fake:
        assert Prometheus(fake.url).now() == fake.seconds


def test_the_names_that_the_judge_uses_are_metrics_of_the_service() -> None:
    known = metrics.known_names(ROOT / metrics.FILE)
    example = make_plan(EXAMPLE, ["a"], inventory="lab", release=RELEASE, sha256=SHA256)
    metrics.check_plan(example, known)
    standing = " ".join(one.query for one, _ in standing_criteria("r", "s", ["a"], 60, 5))
    observed = {"trader_build_info", "trader_process_start_timestamp_seconds", "trader_trading_state"}
    assert {name for name in known if f"{name}{{" in standing} | {"trader_trading_state"} == observed
    assert observed <= known


def test_a_misspelt_metric_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metrics.yml").write_text("metrics:\n- {name: trader_x_seconds, type: histogram}\n")
    known = metrics.known_names(tmp_path / "metrics.yml")
    assert known == {"trader_x_seconds_bucket", "trader_x_seconds_sum", "trader_x_seconds_count"}
    criteria = [{"name": "n", "unit": "s", "max": 1, "query": "trader_x_seconds[$window]"}]
    with pytest.raises(
        OperatorError, match=r"canary\.criteria\[0\]\.query: the service has no metric trader_x_s"
    ):
        metrics.check_plan(plan_of(1, criteria=criteria), known)
    with pytest.raises(OperatorError, match="cannot read the service's metrics"):
        metrics.known_names(tmp_path / "absent.yml")
