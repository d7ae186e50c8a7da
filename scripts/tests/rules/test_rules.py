"""Prometheus rules do what slo.yml says: each alert, by the real promtool, on series that cross its
threshold."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ops.errors import OperatorError
from ops.slo import burn, cases, mutants, mutate, objective_cases, record_cases, rendered, rules
from ops.slo.cases import RuleTest
from ops.slo.model import Alert, Model, Objective, load
from ops.slo.replay import Replay

pytestmark = pytest.mark.rules

ALERTS = rules.all_alerts(load())


def by_name(name: str) -> Alert:
    return next(alert for alert in ALERTS if alert.name == name)


def promtool_test(
    promtool: Path, folder: Path, groups: object, tests: list[RuleTest], step: int, every: int = 1
) -> str:
    rule_file, case = folder / "rules.yml", folder / "case.yml"
    rule_file.write_text(yaml.safe_dump({"groups": groups}))
    document = {
        "rule_files": [str(rule_file)],
        "evaluation_interval": f"{step * every}s",
        "tests": [test.document() | {"interval": f"{step}s"} for test in tests],
    }
    case.write_text(yaml.safe_dump(document))
    done = subprocess.run([promtool, "test", "rules", case], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert(replay: Replay, alert: Alert) -> None:
    assert replay.run(alert) == ""


def test_nothing_fires_in_the_healthy_fleet(promtool: Path, tmp_path: Path, model: Model) -> None:
    groups = [group for text in rendered.render(model).values() for group in yaml.safe_load(text)["groups"]]
    series = cases.series(cases.healthy(), [(0, {}), (3_600, {})])
    test = RuleTest("healthy", series)
    test.checks.append((3_585, *cases.others(())))
    assert promtool_test(promtool, tmp_path, groups, [test], cases.STEP) == ""


@pytest.mark.parametrize("objective", load().objectives, ids=lambda one: one.slug)
def test_the_counts_are_what_happened(promtool: Path, tmp_path: Path, objective: Objective) -> None:
    groups = [{"name": "counts", "interval": "1m", "rules": burn.counts(objective)}]
    assert promtool_test(promtool, tmp_path, groups, objective_cases.count_tests(objective), 15) == ""


def test_the_budget_counts_events_and_survives_idle_days(
    promtool: Path, tmp_path: Path, model: Model
) -> None:
    rules_of = {entry["record"]: entry for entry in record_cases.budget_rules(model)}
    for name in ("slo:error_budget:remaining", "slo:bad:increase10m"):
        groups, tests = record_cases.tests_of(rules_of[name], model)
        assert promtool_test(promtool, tmp_path, groups, tests, tests[0].step, tests[0].every) == ""


def test_the_price_of_a_guess_at_low_traffic(promtool: Path, tmp_path: Path, model: Model) -> None:
    """One failure among six orders of an hour: the usual 14.4x rule pages, ours does not."""
    objective = model.objectives[2]
    page = burn.alerts(objective)[1]
    own = f'{{slo="{objective.slug}"}}'
    usual = {
        "alert": "Usual",
        "expr": " and ".join(
            f"slo:bad:increase{window}{own} / slo:total:increase{window}{own} > 0.144"
            for window in ("1h", "5m")
        ),
    }
    series = objective_cases.series(objective, [(10, 0, 0.5), (1, 1, 1), (4, 0, 0)])
    test = RuleTest("one of six", series)
    test.checks.append((600, 'ALERTS{alertname="Usual", alertstate="firing"}', [
        (f'ALERTS{{alertname="Usual", alertstate="firing", host="trader-01", slo="{objective.slug}"}}', 1.0)
    ]))  # fmt: skip
    test.checks.append((600, f'ALERTS{{alertname="{page.name}"}}', []))
    groups = [{"name": "own", "rules": [*burn.records(), usual, rules.rule(page)]}]
    assert promtool_test(promtool, tmp_path, groups, [test], 60) == ""


@pytest.mark.parametrize("per_minute", [1.0, 10.0])
@pytest.mark.parametrize("objective", load().objectives, ids=lambda one: one.slug)
def test_a_total_outage_is_found_when_the_table_says(
    promtool: Path, tmp_path: Path, objective: Objective, per_minute: float
) -> None:
    page = burn.alerts(objective)[1]
    rows = burn.rows_of(objective.policy, "page")
    found = min(burn.detection_seconds(objective, row, per_minute) for row in rows)
    healthy, step = 360, objective_cases.step_seconds(page)
    phases = [(healthy, 0, per_minute), (int(found) // step, per_minute, per_minute)]
    test = RuleTest("outage", objective_cases.series(objective, phases))
    last_good = step * (healthy - 1)
    test.checks.append((last_good + int(found) - step, cases.firing(page), []))
    test.checks.append((last_good + int(found), cases.firing(page), objective_cases.fired(page)))
    groups = [{"name": "own", "rules": [*burn.records(), rules.rule(page)]}]
    assert promtool_test(promtool, tmp_path, groups, [test], step) == ""


@pytest.mark.parametrize("objective", load().objectives, ids=lambda one: one.slug)
def test_the_symptom_is_found_when_the_table_says(
    promtool: Path, tmp_path: Path, objective: Objective
) -> None:
    """Within two scrapes and an evaluation of it."""
    symptom = burn.alerts(objective)[0]
    found = burn.symptom_seconds(objective, 3)
    test = RuleTest("outage", objective_cases.counters(objective, [(600, 0, 3 / 60), (600, 1, 3 / 60)]))
    step = cases.STEP
    begin = 600 + int(found) // step * step
    test.checks.append((begin - 2 * step, cases.firing(symptom), []))
    test.checks.append((begin + 2 * step, cases.firing(symptom), objective_cases.fired(symptom)))
    groups = [{"name": "own", "rules": [rules.rule(symptom)]}]
    assert promtool_test(promtool, tmp_path, groups, [test], step) == ""


def test_wilson_in_promql_is_wilson(promtool: Path, tmp_path: Path, model: Model) -> None:
    objective = model.objectives[0]
    test = RuleTest("wilson", objective_cases.series(objective, [(1, 3, 20)]))
    value = round(burn.wilson_lower(3, 20), 6)
    labels = f'{{host="trader-01", slo="{objective.slug}"}}'
    test.checks.append(
        (0, f'round(slo:bad_ratio:wilson1h{{slo="{objective.slug}"}}, 0.000001)', [(labels, value)])
    )
    assert promtool_test(promtool, tmp_path, [{"name": "own", "rules": burn.records()}], [test], 60) == ""


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("KillSwitchTripped", "never fires"),
        ("KillSwitchTripped", "always fires"),
        ("UnknownOrder", "comparison 1 > 30 times 1.1"),
        ("UnknownOrder", "without keep_firing_for"),
        ("TraderDown", "without for"),
        ("OrderErrorsBurnPage", "comparison 4 >= to >"),
        ("OrderErrorsSymptom", "severity ticket"),
    ],
)
def test_a_broken_rule_is_found(replay: Replay, name: str, what: str) -> None:
    mutant = next(one for one in mutants.of_alert(by_name(name)) if one.what == what)
    assert replay.run(by_name(name), mutant.rule) != ""


@pytest.mark.parametrize(
    ("subject", "what"),
    [
        ("host:drift:usd", "max 2 to min"),
        ("slo:bad_ratio:wilson1h", "- 8 to +"),
        ("slo:total:increase3d", "window 1 half"),
        ("slo:bad:increase1m of feed-availability", "another slo"),
        ("slo:bad:increase10m", "window 1 twice"),
        ("slo:error_budget:remaining", "window 1 twice"),
    ],
)
def test_a_broken_record_is_found(replay: Replay, model: Model, subject: str, what: str) -> None:
    (mutant,) = (one for one in mutants.of_records(model) if (one.subject, one.what) == (subject, what))
    assert replay.run_record(mutant.original, mutant.original) == ""
    assert replay.run_record(mutant.original, mutant.rule) != ""


def test_another_alert_beside_it_is_found(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.load("DailyLoss80")
    monkeypatch.setattr(cases, "load", lambda name: case.model_copy(update={"companions": ()}))
    assert "DailyLoss50" in replay.run(by_name("DailyLoss80"))


def test_every_alert_has_a_case_and_every_case_an_alert(model: Model) -> None:
    names = {alert.name for alert in model.state_alerts()}
    assert {path.stem for path in cases.FOLDER.glob("*.yml")} == names
    known = {alert.name for alert in ALERTS}
    for name in names:
        assert set(cases.load(name).companions) <= known


def test_a_skeleton_is_no_case(tmp_path: Path) -> None:
    alert = by_name("UnknownOrder")
    (tmp_path / "UnknownOrder.yml").write_text(cases.skeleton(alert))
    with pytest.raises(OperatorError, match="skeleton"):
        cases.load("UnknownOrder", tmp_path)
    with pytest.raises(OperatorError, match="missing"):
        cases.load("Another", tmp_path)


def test_a_sample_of_mutants_is_seen(promtool: Path, tmp_path: Path, model: Model) -> None:
    outcome = mutate.run(model, promtool, tmp_path, 24, 20_261_127, (), print)
    known = mutate.reasons()
    assert outcome.mutants == 24
    assert [one.name for one in outcome.survivors if one.name not in known] == []


def test_a_money_alert_reads_what_was_recorded_in_the_same_pass(model: Model) -> None:
    (group,) = yaml.safe_load(rendered.render(model)["states.yml"])["groups"]
    order = [entry.get("record") or entry["alert"] for entry in group["rules"]]
    assert order.index("host:daily_loss:share") < order.index("DailyLoss50")


def test_rules_are_valid(promtool: Path, tmp_path: Path, model: Model) -> None:
    files: list[Path] = []
    for name, text in rendered.render(model).items():
        files.append(tmp_path / name)
        files[-1].write_text(text)
    arguments: list[str | Path] = [promtool, "check", "rules", "--lint=all", "--lint-fatal", *files]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
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
    assert hosts["node"] == ["monitor-01", "trader-01", "trader-02", "vault-01"]


def test_labels_of_an_alert_are_those_that_the_routes_read() -> None:
    for alert in ALERTS:
        assert alert.severity in ("page", "ticket", "none")
        assert (alert.severity == "none") == (alert.name == "Watchdog")
        if alert.money:
            assert alert.keep
            assert not alert.planned
