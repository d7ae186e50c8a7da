"""The playbook's silences on a real Alertmanager: planned work is quiet, money is not, and it ends."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops import paths
from ops.run import run
from ops.slo.model import load
from ops.slo.rules import all_alerts
from tests.alerting.conftest import Alertmanager, Catcher, free_port, until
from tests.alerting.test_inhibition import key, labels

pytestmark = pytest.mark.rules

BEGIN = paths.ROOT / "playbooks" / "silence" / "begin.yml"
PLANNED = {alert.name for alert in all_alerts(load()) if alert.planned}


def inventory(folder: Path, port: int) -> Path:
    hosts = {"trader-01": {"ansible_host": "198.51.100.1"}, "trader-02": {"ansible_host": "198.51.100.2"}}
    monitor = {"ansible_host": "127.0.0.1", "alertmanager_port": port}
    groups = {"trader": {"hosts": hosts}, "monitor": {"hosts": {"monitor-01": monitor}}}
    file = folder / "hosts.yml"
    file.write_text(yaml.safe_dump({"all": {"children": groups}}))
    return file


def playbook(file: Path, name: str, **extra: object) -> tuple[int, str]:
    words = ["ansible-playbook", "-i", str(file), name, "-e", json.dumps(extra)]
    done = run(words, expect=None)
    return done.status, "\n".join(done.lines)


def silences(server: Alertmanager) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{server.url}/api/v2/silences", timeout=5) as answer:
        return list(json.load(answer))


def held(server: Alertmanager) -> set[tuple[str, str]]:
    """Name and host of every alert that does not go out."""
    found = [dict(alert) for alert, state in server.states().items() if state == "suppressed"]
    return {(alert["alertname"], alert["host"]) for alert in found}


def test_planned_work_is_quiet_and_money_is_not(
    start: Callable[..., Alertmanager], catcher: Catcher, tmp_path: Path
) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    file = inventory(tmp_path, int(server.url.rpartition(":")[2]))
    status, said = playbook(file, "playbooks/silence.yml", target="trader-01", minutes=30, reason="new disk")
    assert status == 0, said
    (one,) = silences(server)
    assert one["comment"] == "new disk"
    lasts = datetime.fromisoformat(one["endsAt"]) - datetime.fromisoformat(one["startsAt"])
    assert 29 * 60 < lasts.total_seconds() <= 30 * 60
    server.fire(
        *(
            labels(name, host=host)
            for name in ("TraderDown", "KillSwitchTripped", "TraderHalted")
            for host in ("trader-01", "trader-02")
        )
    )
    # TraderHalted of trader-02 is held back by its tripped kill switch, not by the silence.
    wanted = {("TraderDown", "trader-01"), ("TraderHalted", "trader-01"), ("TraderHalted", "trader-02")}
    until(lambda: held(server) == wanted, "what the work causes is held back")
    assert server.states()[key(labels("KillSwitchTripped", host="trader-01"))] == "active"


def test_it_ends_when_the_work_is_done(
    start: Callable[..., Alertmanager], catcher: Catcher, tmp_path: Path
) -> None:
    server = start(alertmanager_page={"webhook": {"url": f"{catcher.url}/page"}})
    file = inventory(tmp_path, int(server.url.rpartition(":")[2]))
    work = tmp_path / "work.yml"
    steps = [
        {"ansible.builtin.include_tasks": str(BEGIN.with_name(name))} for name in ("begin.yml", "end.yml")
    ]
    work.write_text(
        yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": steps}])
    )
    status, said = playbook(
        file, str(work), silence_hosts=["trader-01"], silence_minutes=15, silence_reason="release"
    )
    assert status == 0, said
    assert [one["status"]["state"] for one in silences(server)] == ["expired"]
    # Nobody answers there: the work goes on, and says that it may page.
    nobody = inventory(tmp_path, free_port())
    status, said = playbook(
        nobody, str(work), silence_hosts=["trader-01"], silence_minutes=15, silence_reason="release"
    )
    assert status == 0, said
    assert "Not silenced, the work may page" in said


@pytest.mark.parametrize(
    "given",
    [
        {"target": "trader-01", "minutes": 241, "reason": "x"},
        {"target": "trader-01", "minutes": 0, "reason": "x"},
        {"target": "trader-01", "minutes": 30},
        {"minutes": 30, "reason": "x"},
        {"target": "nobody", "minutes": 30, "reason": "x"},
    ],
)
def test_a_silence_without_end_reason_or_hosts_is_refused(tmp_path: Path, given: dict[str, object]) -> None:
    status, said = playbook(inventory(tmp_path, free_port()), "playbooks/silence.yml", **given)
    assert status != 0
    assert "Not silenced: name hosts" in said


def test_nothing_but_planned_alerts_is_named() -> None:
    named = re.search(r"name: alertname, value: ([\w|]+)", BEGIN.read_text())
    assert named is not None
    assert set(named.group(1).split("|")) == PLANNED
    assert not [alert for alert in all_alerts(load()) if alert.planned and alert.money]
