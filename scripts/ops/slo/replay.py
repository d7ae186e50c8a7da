"""Runs promtool over the rule tests of one alert."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ops.slo import burn, cases, objective_cases, record_cases, rendered, rules, state_cases
from ops.slo.cases import STEP, RuleTest
from ops.slo.model import Alert, Model

# Rule files, seconds between samples, seconds between evaluations, and the tests.
_Run = tuple[Sequence[Path], int, int, Sequence[RuleTest]]


class Replay:
    """Rules and tests of the model as files in a folder.

    Args:
        promtool: Debian's program.
        folder: an empty folder for the files.
    """

    def __init__(self, promtool: Path, folder: Path, model: Model) -> None:
        self._promtool, self._folder, self._model = promtool, folder, model
        self._whole = []
        for name, text in rendered.render(model).items():
            path = folder / name
            path.write_text(text)
            self._whole.append(path)
        self._fleet = folder / "fleet.yml"
        self._of_mutants: dict[str, list[Path]] = {}

    def run(self, alert: Alert, rule: dict[str, Any] | None = None) -> str:
        """Replay an alert's tests.

        Args:
            rule: instead of the alert's own, without the tests that need all others; for mutants.

        Returns:
            "" = they hold, else what promtool says.
        """
        self._write_rules(alert, rule or rules.rule(alert))
        if rule is None:
            return "\n".join(filter(None, map(self._promtool_says, self._write_tests(alert, False))))
        return self._alone(alert)

    def run_record(self, record: dict[str, Any], changed: dict[str, Any]) -> str:
        """Replay the tests of what reads a record, with another one in its place; for mutants.

        Returns:
            "" = they hold, else what promtool says of the first that does not.
        """
        # One objective's alerts are enough: what is recorded per window is the same rule for all.
        objectives = (None, *(one for one in self._model.objectives if one.slug == "order-errors"))
        for alert in rules.all_alerts(self._model):
            if alert.objective in objectives and record in _read_by(alert.expr, _records(alert)):
                self._write_rules(alert, rules.rule(alert), (record, changed))
                if said := self._alone(alert):
                    return said
        path = self._folder / "own_records.yml"
        groups, tests = record_cases.tests_of(record, self._model)
        for group in groups:
            group["rules"] = [changed if one == record else one for one in group["rules"]]
        path.write_text(yaml.safe_dump({"groups": groups}))
        runs = [([path], test.step, test.step * test.every, [test]) for test in tests]
        return next(filter(None, map(self._promtool_says, self._write(runs, "records"))), "")

    def _alone(self, alert: Alert) -> str:
        """What promtool says of the alert's tests without those that need all others."""
        if alert.name not in self._of_mutants:
            self._of_mutants[alert.name] = self._write_tests(alert, True)
        return next(filter(None, map(self._promtool_says, self._of_mutants[alert.name])), "")

    def _promtool_says(self, path: Path) -> str:
        command: list[str | Path] = [self._promtool, "test", "rules", path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr or f"exit code {done.returncode}"

    def _own(self, alert: Alert) -> Path:
        return self._folder / f"own_{alert.name}.yml"

    def _write_rules(
        self, alert: Alert, own: dict[str, Any], other: tuple[dict[str, Any], dict[str, Any]] | None = None
    ) -> None:
        """The alert, and the records that it reads, one of them perhaps replaced by another."""
        record, changed = other or ({}, {})
        read = [changed if one == record else one for one in _read_by(alert.expr, _records(alert))]
        self._own(alert).write_text(yaml.safe_dump({"groups": [{"name": "own", "rules": [*read, own]}]}))

    def _write_tests(self, alert: Alert, of_mutants: bool) -> list[Path]:
        """The files with the tests; those of a mutant serve for every mutant of the alert."""
        return self._write(
            self._runs(alert, of_mutants), f"{'mutant' if of_mutants else 'case'}_{alert.name}"
        )

    def _write(self, runs: Iterable[_Run], name: str) -> list[Path]:
        written = []
        for number, (files, step, pace, tests) in enumerate(runs):
            document = {
                "rule_files": [str(path) for path in files],
                "evaluation_interval": f"{pace}s",
                "tests": [test.document() | {"interval": f"{step}s"} for test in tests],
            }
            path = self._folder / f"{name}_{number}.yml"
            path.write_text(yaml.safe_dump(document))
            written.append(path)
        return written

    def _runs(self, alert: Alert, of_mutants: bool) -> list[_Run]:
        own = [self._fleet, self._own(alert)]
        if alert.objective is None:
            tests = state_cases.tests(alert, cases.load(alert.name))
            names = _names(alert.expr)
            for record in _read_by(alert.expr, rules.host_records()):
                names |= _names(record["expr"])
            narrow = [_narrow(test, names) for test in tests if of_mutants or not test.whole]
            runs: list[_Run] = [
                (own, step, every * step, _paced(narrow, step, every))
                for step, every in sorted({(test.step, test.every) for test in narrow})
            ]
            if not of_mutants:
                runs.append((self._whole, STEP, STEP, [test for test in tests if test.whole]))
            return [run for run in runs if run[3]]
        if alert.name.endswith("Symptom"):
            runs = [(own[1:], STEP, STEP, objective_cases.symptom_tests(alert.objective, alert))]
            if not of_mutants:  # it is about all alerts of the objective, and there is one symptom for each
                runs.append((self._whole, STEP, STEP, [objective_cases.outage_test(alert.objective)]))
            return runs
        tests = objective_cases.burn_tests(alert.objective, alert)
        step = objective_cases.step_seconds(alert)
        return [
            (own[1:], step, every * step, _paced(tests, STEP, every))
            for every in sorted({test.every for test in tests})
        ]


def _paced(tests: Sequence[RuleTest], step: int, every: int) -> list[RuleTest]:
    return [test for test in tests if (test.step, test.every) == (step, every)]


def _records(alert: Alert) -> list[dict[str, Any]]:
    """What is recorded for alerts of this kind."""
    return [dict(one) for one in burn.records()] if alert.objective else rules.host_records()


def _read_by(expr: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that an expression reads, and those that they read, in the order in which they run."""
    names = _names(expr)
    for record in reversed(records):
        if record["record"] in names:
            names |= _names(record["expr"])
    return [record for record in records if record["record"] in names]


def _names(expr: str) -> set[str]:
    return set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", expr))


def _narrow(test: RuleTest, names: set[str]) -> RuleTest:
    """The test with only the series that are read, and without the look at what else fires: the other rules
    are not there."""
    series = {one: values for one, values in test.series.items() if one.partition("{")[0] in names}
    checks = [check for check in test.checks if not check[1].startswith("group by")]
    # promtool runs for as long as there are series.
    return replace(test, series=series or dict(test.series), checks=checks)
