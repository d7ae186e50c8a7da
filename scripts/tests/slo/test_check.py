"""`./scripts/slo check` on copies of the project in which one thing after the other has drifted."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops import paths, pictures
from ops.errors import OperatorError
from ops.runbooks import pages
from ops.slo import check, claims, model, mutate, rules
from ops.slo.cases import RuleTest

CASES, PAGES = "monitoring/cases", "docs/runbooks"
RULES, METRICS = "roles/prometheus/templates/rules", "app/trader/telemetry/metrics.yml"
TABLES = "docs/slo.md"
WRITTEN = "What a person wrote."


def copy_of_the_project(root: Path) -> Path:
    for folder in ("scripts/ops", "monitoring", "roles/prometheus"):
        shutil.copytree(paths.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / METRICS).parent.mkdir(parents=True)
    shutil.copy(paths.ROOT / METRICS, root / METRICS)
    (root / "docs").mkdir()
    shutil.copy(paths.ROOT / TABLES, root / TABLES)
    # A page for every alert, finished: what is still to be written in the project is not the matter here.
    pages.write(model.load(), root / PAGES)
    for path in (root / PAGES).glob("*.md"):
        path.write_text(path.read_text().replace(pages.TODO, WRITTEN))
    return root


def slo(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.slo", *arguments],
        env=os.environ | {"PYTHONPATH": str(root / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )


def findings(root: Path) -> set[str]:
    done = slo(root, "check", "--json")
    assert not done.stderr, done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == (1 if found else 0)
    return set(found)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    return findings(copy_of_the_project(tmp_path_factory.mktemp("before")))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def a_new_alert() -> str:
    spec = {
        "summary": "something new",
        "expr": 'max by (host) (up{job="trader"}) < $threshold',
        "threshold": 1,
        "severity": "page",
        "noData": "resolves",
    }
    head = {"apiVersion": "breakwater/v1", "kind": "State", "metadata": {"name": "Newcomer", "topic": "host"}}
    return "---\n" + yaml.safe_dump(head | {"spec": spec})


@pytest.fixture(scope="module")
def new(before: set[str], tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What is found in a copy in which all of this has drifted and was not before."""
    root = copy_of_the_project(tmp_path_factory.mktemp("after"))
    # rules
    append(root / RULES / "objectives.yml.j2", "# by hand\n")
    (root / RULES / "fleet.yml.j2").unlink()
    (root / RULES / "mine.yml.j2").write_text("groups: []\n")
    # the one source: a figure, and an alert that has nothing yet
    edit(root / "monitoring/slo.yml", "threshold: 0.25\n", "threshold: 0.3\n")
    append(root / "monitoring/slo.yml", a_new_alert())
    # cases
    (root / CASES / "TraderDown.yml").unlink()
    append(root / CASES / "UnknownOrder.yml", "todo: true\n")
    append(root / CASES / "DiskFull.yml", "colour: red\n")
    append(root / CASES / "DiskLow.yml", "resolves: false\n")
    edit(root / CASES / "DailyLoss80.yml", "companions: [DailyLoss50]", "companions: [DailyLoss5]")
    (root / CASES / "Nobody.yml").write_text("change: {}\n")
    # the service
    edit(root / METRICS, "0.1, 0.25, 0.5, 1, 2.5, 5, 10]", "0.1, 0.25, 1, 2.5, 5, 10]")
    # pages
    edit(root / PAGES / "CrashLoop.md", "| threshold | 3 |", "| threshold | 4 |")
    (root / PAGES / "HostMissing.md").unlink()
    append(root / PAGES / "KillSwitchTripped.md", "TODO\n")
    edit(root / PAGES / "SlippageHigh.md", "## Mitigate", "## Mitigation")
    (root / PAGES / "Nobody.md").write_text("# Nobody\n")
    edit(root / TABLES, "| `OrderErrorsSymptom` | 5m |", "| `OrderErrorsSymptom` | 6m |")
    edit(root / TABLES, "<!-- slo alerts -->", "")
    # survivors
    append_survivors(root, {"TraderDown: on Sundays": "No test runs on Sundays."})
    return findings(root) - before


def append_survivors(root: Path, more: dict[str, str]) -> None:
    path = root / "monitoring/mutation_survivors.yml"
    path.write_text(yaml.safe_dump((yaml.safe_load(path.read_text()) or {}) | more))


DRIFTS = {
    "a template was edited": rf"^{RULES}/objectives\.yml\.j2: differs .*; run ./scripts/slo generate$",
    "a template is missing": rf"^{RULES}/fleet\.yml\.j2: differs .*; run ./scripts/slo generate$",
    "a file that nothing generates": rf"^{RULES}/mine\.yml\.j2: nothing generates it; remove it",
    "another threshold, in its rule": rf"^{RULES}/states\.yml\.j2: differs .*; run ./scripts/slo generate$",
    "another threshold, in its page": rf"^{PAGES}/ClockSkew\.md: its head differs .*; run ./scripts/slo",
    "a new alert without a case": rf"^{CASES}/Newcomer\.yml: missing; ./scripts/slo generate writes",
    "a new alert without a page": rf"^{PAGES}/Newcomer\.md: missing; ./scripts/slo generate writes",
    "a case is missing": rf"^{CASES}/TraderDown\.yml: missing; ./scripts/slo generate writes",
    "a case is a skeleton": rf"^{CASES}/UnknownOrder\.yml: still a skeleton; fill it in",
    "a case has a key that is none": rf"^{CASES}/DiskFull\.yml: colour: .*; correct it$",
    "a case shows too little": r"^DiskLow: no test has a look after its recovery; add it to its case",
    "a companion that is no alert": rf"^{CASES}/DailyLoss80\.yml: .*no alert DailyLoss5; correct the name$",
    "a case of no alert": rf"^{CASES}/Nobody\.yml: no state .*; remove it$",
    "a bucket is missing": rf"^{METRICS}: trader_order_latency_seconds has no bucket 0\.5.*; add the bucket$",
    "a page's head was edited": rf"^{PAGES}/CrashLoop\.md: its head differs .*; run ./scripts/slo generate$",
    "a page is missing": rf"^{PAGES}/HostMissing\.md: missing; ./scripts/slo generate writes",
    "a page is not finished": rf"^{PAGES}/KillSwitchTripped\.md: section Verify is missing or not written",
    "a page lacks a section": rf"^{PAGES}/SlippageHigh\.md: section Mitigate is missing or not written",
    "a page of no alert": rf"^{PAGES}/Nobody\.md: no alert has this name; remove it$",
    "a table differs": rf"^{TABLES}: its tables differ .*; run ./scripts/slo generate$",
    "a table's marker is gone": rf"^{TABLES}: the marker <!-- slo alerts --> .*; restore it$",
    "a rule that the linter refuses": r"HostMissing\.md is missing \[runbook\]$",
    "a survivor that is no mutant": r"^monitoring/mutation_survivors\.yml: .*on Sundays.*remove it$",
}


@pytest.mark.parametrize("line", DRIFTS.values(), ids=DRIFTS.keys())
def test_a_drift_is_found(new: set[str], line: str) -> None:
    assert any(re.search(line, found) for found in new), "\n".join(sorted(new))


def test_what_was_not_touched_is_not_named(new: set[str]) -> None:
    assert not [line for line in new if "KillSwitchUnfinished" in line or "DailyLoss100" in line]


def test_generate_mends_what_is_generated(tmp_path: Path, before: set[str]) -> None:
    root = copy_of_the_project(tmp_path)
    append(root / RULES / "objectives.yml.j2", "# by hand\n")
    (root / RULES / "fleet.yml.j2").unlink()
    (root / RULES / "mine.yml.j2").write_text("groups: []\n")
    edit(root / PAGES / "CrashLoop.md", "| threshold | 3 |", "| threshold | 4 |")
    edit(root / TABLES, "| `CrashLoop` | page | 3 |", "| `CrashLoop` | page | 4 |")
    done = slo(root, "generate")
    assert done.returncode == 0, done.stderr
    assert f"wrote {PAGES}/CrashLoop.md" in done.stdout.splitlines()
    assert WRITTEN in (root / PAGES / "CrashLoop.md").read_text()
    assert findings(root) <= before


def test_a_dashboard_that_was_edited_or_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "monitoring/dashboards"
    folder.mkdir(parents=True)
    edited, missing, good = folder / "edited.json", folder / "missing.json", folder / "good.json"
    edited.write_text("{}")
    good.write_text("[]")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "generate", lambda root: dict.fromkeys((edited, missing, good), "[]"))
    assert list(check._dashboards(model.load())) == [
        f"monitoring/dashboards/{name}: differs from what is generated; run ./scripts/slo generate"
        for name in ("edited.json", "missing.json")
    ]


def test_a_survivor_without_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mutation_survivors.yml"
    path.write_text("'TraderDown: never fires': ''\n")
    monkeypatch.setattr(mutate, "SURVIVORS", path)
    with pytest.raises(OperatorError, match="TraderDown: never fires needs a reason"):
        mutate.reasons()
    assert list(check._survivors(model.load())) == [
        "monitoring/mutation_survivors.yml: TraderDown: never fires needs a reason; say why no test sees it"
    ]


ALERTS = rules.all_alerts(model.load())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_promise_of_an_alert_has_a_test(alert: model.Alert) -> None:
    assert claims.missing(alert, claims.tests_of(alert)) == []


@pytest.mark.parametrize("claim", claims.CLAIMS)
def test_a_promise_without_a_test_is_found(claim: str) -> None:
    """Of an alert that makes every promise, without the tests that show this one."""
    alert = next(one for one in ALERTS if one.name == "KillSwitchUnfinished")
    left = [test for test in claims.tests_of(alert) if claim not in claims.shown(alert, test)]
    assert claim in claims.missing(alert, left)


def test_every_alert_that_a_test_names_exists() -> None:
    known = {alert.name for alert in ALERTS}
    for alert in ALERTS:
        assert claims.names(claims.tests_of(alert)) <= known


def test_a_name_in_a_test_is_found() -> None:
    test = RuleTest("misspelled", {})
    test.checks.append((0, 'ALERTS{alertname="KillSwitchTriped"}', [('{alertname="Watchdog"}', 1)]))
    assert claims.names([test]) == {"KillSwitchTriped", "Watchdog"}


def test_nothing_drifted_in_the_project() -> None:
    assert check.problems(model.load()) == []
