"""Broken rules are made as they should be, and a run says what nobody saw; here without promtool."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.slo import cli, mutants, mutate, rules
from ops.slo.model import load
from ops.slo.mutants import Mutant

EVERY = mutants.every(load())
SUBJECTS = {mutant.subject for mutant in EVERY}


def of(subject: str) -> dict[str, Mutant]:
    return {mutant.what: mutant for mutant in EVERY if mutant.subject == subject}


def test_every_rule_is_broken_and_every_mutant_has_a_name_of_its_own() -> None:
    model = load()
    assert {alert.name for alert in rules.all_alerts(model)} < SUBJECTS
    assert {"host:drift:usd", "slo:bad:increase5m", "slo:total:increase1m of order-errors"} < SUBJECTS
    assert len({mutant.name for mutant in EVERY}) == len(EVERY)
    assert not [mutant.name for mutant in EVERY if mutant.rule == mutant.original]


@pytest.mark.parametrize(
    ("subject", "what", "part"),
    [
        ("UnknownOrder", "comparison 1 > to >=", "age_seconds >= 30"),
        ("UnknownOrder", "comparison 1 > 30 times 1.1", "age_seconds > 33"),
        # Of numbers of things a tenth more is the same limit.
        ("ReconnectStorm", "comparison 1 >= 10 plus 1", ">= 11"),
        ("CrashLoop", "comparison 1 >= 3 less 1", ">= 2"),
        ("OrderErrorsBurnPage", "comparison 4 >= 5 less 1", "round(slo:bad:increase1h) >= 4"),
        ("KillSwitchTripped", "window 1 half", "[43200s]"),
        ("KillSwitchTripped", 'selector 1 without job="trader"', "trader_latch_tripped{} or"),
        ("AlertPathDown", "aggregation 1 without job", "max by (host) (expected_target"),
        ("TraderDown", "unless 1 to and", "and on (host)"),
        ("CertificateExpiring", "- 1 to +", "+ time()"),
        ("host:drift:usd", "abs 1 to nothing", "by (host) ((trader_reconcile_drift_usd))"),
        ("slo:bad_ratio:wilson1h", "- 8 to +", "* (1 + clamp_max"),
    ],
)
def test_a_mutant_is_what_its_name_says(subject: str, what: str, part: str) -> None:
    assert part in of(subject)[what].rule["expr"]


def test_the_guard_of_a_division_is_no_condition() -> None:
    """0 / 0 is NaN, which is above nothing; a condition that only looks like a guard is broken as well."""
    assert not [what for what in of("DiskFull") if what.startswith("comparison 1 ")]
    assert "comparison 2 > to <" in of("SignalsWithoutOrders")


def test_keys_of_a_rule_are_broken_too() -> None:
    found = of("KillSwitchUnfinished")
    assert "for" not in found["without for"].rule
    assert found["for half as long"].rule["for"] == "5s"
    assert "keep_firing_for" not in found["without keep_firing_for"].rule
    assert found["severity ticket"].rule["labels"]["severity"] == "ticket"
    assert "money" not in found["without label money"].rule["labels"]
    assert of("slo:bad:increase1m of order-errors")["another slo"].rule["labels"] == {"slo": "other"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Stands in for promtool: whether a test notices a mutant, or (by subject) fails without one."""
    verdicts: dict[str, bool] = {}

    class Replay:
        def __init__(self, promtool: Path, folder: Path, model: object) -> None:
            assert folder.is_dir()

        def run(self, alert: Any, rule: dict[str, Any]) -> str:
            return self._of(rule)

        def run_record(self, record: dict[str, Any], changed: dict[str, Any]) -> str:
            return self._of(changed)

        def _of(self, rule: dict[str, Any]) -> str:
            names = [one.name for one in EVERY if one.rule == rule]
            red = names or [one.subject for one in EVERY if one.original == rule]
            return "FAILED" if verdicts.get(red[0], bool(names)) else ""

    monkeypatch.setattr(mutate, "Replay", Replay)
    monkeypatch.setattr(cli, "program", lambda name: Path(name))
    return verdicts


def run(*arguments: str) -> tuple[int, Sequence[str]]:
    done = CliRunner().invoke(cli.cli, ["mutate", *arguments])
    return done.exit_code, done.output.splitlines()


def test_a_run_in_which_everything_is_seen(seen: dict[str, bool]) -> None:
    code, lines = run("--rule", "UnknownOrder", "--rule", "host:drift:usd")
    many = len(of("UnknownOrder")) + len(of("host:drift:usd"))
    assert (code, lines) == (0, [f"{many} of {many} mutants seen, 100.0%; goal 95%"])


def test_a_survivor_without_a_reason(seen: dict[str, bool]) -> None:
    name = "UnknownOrder: never fires"
    seen[name] = False
    code, lines = run("--rule", "UnknownOrder")
    assert code == 1
    assert f"survived: {name}" in lines
    assert f"without a reason in mutation_survivors.yml: {name}" in lines


def test_a_survivor_with_a_reason(seen: dict[str, bool]) -> None:
    name = next(iter(mutate.reasons()))  # of a rule with so many mutants that one is few
    seen[name] = False
    code, lines = run("--rule", name.partition(": ")[0])
    assert code == 0
    assert f"survived: {name}" in lines


def test_too_many_survivors(seen: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason for each does not make up for it."""
    names = [mutant.name for mutant in of("UnknownOrder").values()][:3]
    seen.update(dict.fromkeys(names, False))
    monkeypatch.setattr(mutate, "reasons", lambda: dict.fromkeys(names, "It is so."))
    code, (*_, last) = run("--rule", "UnknownOrder")
    assert code == 1
    assert last.endswith("goal 95%")


def test_tests_that_are_red_anyway_see_nothing(seen: dict[str, bool]) -> None:
    seen["UnknownOrder"] = True
    code, lines = run("--rule", "UnknownOrder")
    assert code == 2
    assert lines == [
        "Error: UnknownOrder: its tests fail on the rule as it is; see ./scripts/test --only rules"
    ]


def test_a_run_as_json(seen: dict[str, bool]) -> None:
    code, lines = run("--rule", "Watchdog", "--json")
    assert code == 0
    assert json.loads(lines[-1]) == {"mutants": len(of("Watchdog")), "score": 1.0, "survivors": []}


def test_a_rule_that_is_not_there(seen: dict[str, bool]) -> None:
    code, lines = run("--rule", "Nobody")
    assert code == 2
    assert lines == ["Error: --rule Nobody: no alert and no record of slo.yml has this name"]
