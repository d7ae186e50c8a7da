"""Prometheus rules do what they say: each alert fires on what it names and stays quiet otherwise."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.rules

RULES = ("rules/trader.yml.j2", "rules/fleet.yml.j2")
UP = [f'up{{job="trader", host="trader-0{n}"}}' for n in (1, 2)]
Series = dict[str, str]


def promtool_test(
    promtool: Path, render: Callable[[str], Path], series: Series, alert: str, at: str, hosts: list[str]
) -> subprocess.CompletedProcess[str]:
    """Let promtool replay series (1 sample each 10 s) and expect the alert for exactly these hosts."""
    files = [str(render(name)) for name in RULES]
    expected: list[dict[str, Any]] = [{"exp_labels": {"host": host}} for host in hosts]
    case = {
        "rule_files": files,
        "evaluation_interval": "10s",
        "tests": [
            {
                "interval": "10s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count by (host) (ALERTS{{alertname="{alert}", alertstate="firing"}})',
                        "eval_time": at,
                        "exp_samples": [
                            {"labels": f'{{host="{entry["exp_labels"]["host"]}"}}', "value": 1}
                            for entry in expected
                        ],
                    }
                ],
            }
        ],
    }
    path = Path(files[0]).with_name("case.yml")
    path.write_text(yaml.safe_dump(case))
    return subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)


CASES = [
    ("TraderDown", {UP[0]: "1x20", UP[1]: "1 1 0x20"}, "2m", ["trader-02"]),
    ("TraderDown", {UP[0]: "1x20", UP[1]: "1 1 0 1x20"}, "2m", []),
    ("TargetMissing", {UP[0]: "1x20", UP[1]: "1 1 stale"}, "2m", ["trader-02"]),
    ("TargetMissing", {UP[0]: "1x20", UP[1]: "0x20"}, "2m", []),
    ("TraderHalted", {'trader_trading_state{host="trader-01"}': "0x20"}, "2m", ["trader-01"]),
    ("TraderHalted", {'trader_trading_state{host="trader-01"}': "2x20"}, "2m", []),
    (
        "ReconciliationDifference",
        {'trader_reconcile_unexplained_differences{host="trader-01"}': "0 1 0x20"},
        "2m",
        ["trader-01"],  # one that came and went is still to be looked at
    ),
    (
        "ReconciliationDifference",
        {'trader_reconcile_unexplained_differences{host="trader-01"}': "0x20"},
        "2m",
        [],
    ),
]


@pytest.mark.parametrize(("alert", "series", "at", "hosts"), CASES)
def test_alert(
    promtool: Path, render: Callable[[str], Path], alert: str, series: Series, at: str, hosts: list[str]
) -> None:
    done = promtool_test(promtool, render, series, alert, at, hosts)
    assert done.returncode == 0, done.stdout + done.stderr


def test_release_skew_needs_an_hour(promtool: Path, render: Callable[[str], Path]) -> None:
    series = {
        'trader_build_info{host="trader-01", sha256="a"}': "1x400",
        'trader_build_info{host="trader-02", sha256="b"}': "1x400",
    }
    early = promtool_test(promtool, render, series, "ReleaseSkew", "30m", [])
    assert early.returncode == 0, early.stdout + early.stderr
    late = promtool_test(promtool, render, series, "ReleaseSkew", "62m", [])
    assert late.returncode != 0, "after an hour it must fire"


def test_a_wrong_expectation_is_found(promtool: Path, render: Callable[[str], Path]) -> None:
    done = promtool_test(promtool, render, {UP[0]: "0x20"}, "TraderDown", "2m", [])
    assert done.returncode != 0


@pytest.mark.parametrize("name", RULES)
def test_rules_are_valid(promtool: Path, render: Callable[[str], Path], name: str) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", render(name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_valid_and_labels_every_target(
    promtool: Path, render: Callable[[str], Path]
) -> None:
    path = render("prometheus.yml.j2")
    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {job["job_name"]: job for job in yaml.safe_load(path.read_text())["scrape_configs"]}
    hosts = {job: [entry["labels"]["host"] for entry in jobs[job]["static_configs"]] for job in jobs}
    assert hosts["trader"] == ["trader-01", "trader-02"]
    assert hosts["node"] == ["monitor-01", "trader-01", "trader-02"]
