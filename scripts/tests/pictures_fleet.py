"""A fleet that is only its metrics: one server on loopback for every exporter, and a real Prometheus.

It serves what metrics.yml and foreign_metrics.yml declare and nothing else, so that a picture of something
else stays empty.
"""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any
from urllib.parse import quote

import jinja2
import yaml

from ops import paths
from ops.prometheus_tools import program
from ops.slo import rendered
from ops.slo.model import Model
from tests.pictures_series import GROUPS, TRADERS, Fleet, number, text_of

ROLE = paths.ROOT / "roles" / "prometheus"
HISTORY_SECONDS = 7_200
STEP_SECONDS = 60
RUNBOOKS = "https://runbooks.example"


class Running:
    """A Prometheus over a fleet.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        status, text = get(f"{self.url}/api/v1/query?query={quote(expr)}")
        assert status == 200, f"{expr}: {text}"
        found: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return found

    def wait_for(self, condition: Callable[[], object], seconds: float = 60) -> bool:
        """Ask again until it holds; False = it did not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.5)
        return False


@contextmanager
def prometheus(fleet: Fleet, model: Model, folder: Path, *, rules: bool = True) -> Iterator[Running]:
    """A Prometheus with the role's rules (unless they are broken) and pages, and two hours of history.

    What waits is cut to a second: groups run once a second, and alerts fire two seconds after they are true.
    """
    with _exporter(fleet) as address:
        data = folder / "data"
        _history(fleet, address, folder, data)
        if rules:
            _rules(model, folder)
        _configuration(fleet, address, folder)
        consoles(folder, model)
        with socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (folder / "prometheus.log").open("w") as log:
            process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={data}",
                    "--storage.tsdb.retention.time=40d",
                    f"--web.listen-address=127.0.0.1:{port}",
                    f"--web.console.templates={folder / 'consoles'}",
                    f"--web.console.libraries={folder / 'console_libraries'}",
                ],
                stdout=log,
                stderr=log,
            )
            try:
                running = Running(f"http://127.0.0.1:{port}")
                ready = running.wait_for(
                    lambda: get(f"{running.url}/-/ready")[0] == 200 or process.poll() is not None
                )
                assert ready, (folder / "prometheus.log").read_text()
                assert process.poll() is None, (folder / "prometheus.log").read_text()
                yield running
            finally:
                process.terminate()
                process.wait(30)


def get(url: str) -> tuple[int, str]:
    """Status and text of an answer; 0 = there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@contextmanager
def _exporter(fleet: Fleet) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, job, host = self.path.split("/")
            answers = (job, host) not in fleet.silent
            text = text_of(fleet.series[job, host], time.time()) if answers else ""
            # Prometheus hangs up when it is stopped.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(200 if answers else 503)
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _history(fleet: Fleet, address: str, folder: Path, data: Path) -> None:
    """Two hours of samples as blocks, made by promtool."""
    now = int(time.time())
    lines = []
    for (job, host), series in fleet.series.items():
        end = now - fleet.silent_seconds if (job, host) in fleet.silent else now - 5
        labels = f'job="{job}",host="{host}",instance="{address}"'
        for name, value in {**series, "up": 1}.items():
            full = name.replace("{", f"{{{labels},") if "{" in name else f"{name}{{{labels}}}"
            lines += [
                f"{full} {number(value, at):.15g} {at}"
                for at in range(now - HISTORY_SECONDS, end, STEP_SECONDS)
            ]
    for name, value in fleet.recorded.items():
        lines += [
            f"{name} {number(value, at):.15g} {at}"
            for at in range(now - HISTORY_SECONDS, now - fleet.recorded_until, STEP_SECONDS)
        ]
    text = folder / "history.txt"
    text.write_text("\n".join(lines) + "\n# EOF\n")
    subprocess.run(
        [program("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, data],
        check=True,
        capture_output=True,
    )


def _rules(model: Model, folder: Path) -> None:
    hostvars = {host: {"backup_expected": host in TRADERS} for host in GROUPS["all"]}
    groups = {name: list(hosts) for name, hosts in GROUPS.items()}
    for name, text in rendered.render(model, groups=groups, hostvars=hostvars).items():
        content = yaml.safe_load(text)
        for group in content["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "2s"
        (folder / f"rules.{name}").write_text(yaml.safe_dump(content))


def _configuration(fleet: Fleet, address: str, folder: Path) -> None:
    jobs = [
        {
            "job_name": f"{job} {host}",
            "metrics_path": f"/{job}/{host}",
            "static_configs": [{"targets": [address], "labels": {"host": host}}],
            "relabel_configs": [{"target_label": "job", "replacement": job}],
        }
        for job, host in fleet.series
    ]
    content = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{folder}/rules.*.yml"],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(content))


def consoles(folder: Path, model: Model) -> None:
    """The console pages as the role's task writes them, below a folder that stands for /etc/prometheus."""
    task = console_task()["ansible.builtin.template"]
    delimiters = {name: task[name] for name in task if name.endswith("_string")}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        autoescape=False,
        **delimiters,
    )
    variables = {
        "ansible_managed": "Ansible managed",
        "prometheus_runbook_base_url": RUNBOOKS,
        "__prometheus_slo": [
            entry for entry in yaml.safe_load_all((paths.ROOT / "monitoring/slo.yml").read_text()) if entry
        ],
        "__prometheus_limits": {name: state.threshold for name, (_, state) in model.states.items()},
        "__prometheus_targets": {one.slug: one.target for one in model.objectives},
        "__prometheus_bounds": {
            one.slug: one.good.partition('le="')[2].rstrip('"}') for one in model.objectives
        },
    }
    for item in console_task()["loop"]:
        target = folder / item["dest"]
        target.parent.mkdir(exist_ok=True)
        target.write_text(environment.get_template(f"consoles/{item['src']}").render(variables))


def console_task() -> dict[str, Any]:
    """The role's task that writes the pages."""
    tasks = yaml.safe_load((ROLE / "tasks" / "configure.yml").read_text())
    found: dict[str, Any] = next(task for task in tasks if "console pages" in task["name"])
    return found
