"""Who is told of which alert: every alert through the configuration that the role writes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.prometheus_tools import program
from ops.slo.model import Alert, load
from ops.slo.rules import all_alerts
from tests.alerting.conftest import configuration

pytestmark = pytest.mark.rules

ALERTS = {alert.name: alert for alert in all_alerts(load())}
WAYS = {
    "webhook": {"url": "http://127.0.0.1:9/page", "token": "t"},
    "pagerduty": {"url": "http://127.0.0.1:9/pd", "routing_key": "k"},
    "email": {"to": "oncall@example.org"},
}
SMTP = {"smarthost": "127.0.0.1:25", "from": "a@example.org", "username": "u", "password": "p"}
# What may be held back, and by what: each pair has its test on a real Alertmanager.
MONEY_BY = {"DailyLoss50": {"DailyLoss80", "DailyLoss100"}, "DailyLoss80": {"DailyLoss100"}}


def receiver(alert: Alert) -> str:
    return {"page": "page", "ticket": "ticket", "none": "deadman"}[alert.severity]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("routes")
    file = folder / "alertmanager.yml"
    file.write_text(configuration(folder, alertmanager_page=WAYS, alertmanager_smtp=SMTP))
    return file


def routed(file: Path, wanted: str, labels: dict[str, str]) -> int:
    words = [str(program("amtool")), "config", "routes", "test", f"--config.file={file}"]
    words += [f"--verify.receivers={wanted}", *(f"{name}={value}" for name, value in labels.items())]
    return subprocess.run(words, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_reaches_whom_its_severity_says(written: Path, name: str) -> None:
    alert = ALERTS[name]
    labels = {"alertname": name, "host": "trader-01", **alert.labels}
    assert routed(written, receiver(alert), labels) == 0
    other = "ticket" if receiver(alert) != "ticket" else "page"
    assert routed(written, other, labels) == 1


def test_an_alert_that_nobody_foresaw_wakes_a_person(written: Path) -> None:
    assert routed(written, "page", {"alertname": "New", "severity": "strange"}) == 0
    assert routed(written, "page", {"alertname": "New"}) == 0


@pytest.mark.parametrize("way", [*WAYS, "all"])
def test_each_way_is_a_configuration_without_secrets(tmp_path: Path, way: str) -> None:
    given = WAYS if way == "all" else {way: WAYS[way]}
    secret = {"webhook": {"token": "PLANTED"}, "pagerduty": {"routing_key": "PLANTED"}, "email": {}}
    page = {name: value | secret[name] for name, value in given.items()}
    text = configuration(tmp_path, alertmanager_page=page, alertmanager_smtp=SMTP | {"password": "PLANTED"})
    assert "PLANTED" not in text
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    done = subprocess.run([str(program("amtool")), "check-config", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_message_says_that_something_is_over(written: Path) -> None:
    """A dead Prometheus would say so of every page."""
    for one in yaml.safe_load(written.read_text())["receivers"]:
        ways = [way for name, list_ in one.items() if name.endswith("_configs") for way in list_]
        assert ways
        assert all(way["send_resolved"] is False for way in ways)


def rules(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(file.read_text())["inhibit_rules"])


def test_inhibition_demands_its_labels_on_both_sides(written: Path) -> None:
    """Alertmanager takes two missing labels for equal: an unrelated page would hold back another."""
    for rule in rules(written):
        for side in ("source_matchers", "target_matchers"):
            demanded = {matcher.partition("=~")[0] for matcher in rule[side] if matcher.endswith('=~".+"')}
            assert set(rule["equal"]) <= demanded


def test_money_is_held_back_by_the_next_step_of_the_same_loss_alone(written: Path) -> None:
    money = {name for name, alert in ALERTS.items() if alert.money}
    for rule in rules(written):
        source, target = (named(rule[side]) for side in ("source_matchers", "target_matchers"))
        for name in target & money:
            assert source <= MONEY_BY.get(name, set())
        # Those without a name are of objectives, which no money alert has.
        assert target or any(matcher.startswith("slo=") for matcher in rule["target_matchers"])
        assert source | target <= set(ALERTS), "names of alerts that do not exist"


def named(matchers: list[str]) -> set[str]:
    return {
        name
        for matcher in matchers
        if matcher.startswith("alertname=")
        for name in matcher.partition('"')[2].rstrip('"').split("|")
    }
