"""The linter over this project: what `./scripts/slo check` calls."""

from collections.abc import Mapping

from ops.slo import burn
from ops.slo.lint import known
from ops.slo.lint.allowed import ALLOWED
from ops.slo.lint.engine import lint
from ops.slo.lint.model import Burn, Context, Finding
from ops.slo.model import Condition, Model, Objective
from ops.slo.rules import all_alerts


def run(rule_files: Mapping[str, str], prometheus_configuration: str, model: Model) -> list[Finding]:
    """Check the rendered rules against slo.yml, the metrics' declarations and the runbooks.

    Args:
        rule_files: YAML text by file name, as the role writes it.
        prometheus_configuration: text of prometheus.yml, as the role writes it.

    Raises:
        OperatorError: a file of the project that says what exists cannot be read.
    """
    intervals, evaluation = known.intervals(prometheus_configuration)
    context = Context(
        metrics=known.metrics(),
        intervals=intervals,
        evaluation=evaluation,
        runbooks=known.runbooks(),
        thresholds=thresholds(model),
        burns=burns(model),
        fleet=frozenset(alert.name for alert in model.state_alerts() if alert.fleet),
        allowed=ALLOWED,
    )
    return lint(rule_files, context)


def thresholds(model: Model) -> dict[str, frozenset[float]]:
    """The numbers that each alert compares with: limits, and floors on the number of events."""
    found: dict[str, frozenset[float]] = {}
    for alert in all_alerts(model):
        objective = alert.objective
        if objective is None:
            found[alert.name] = frozenset({alert.threshold})
        elif alert.name in (rows := _rows(objective)):
            numbers = {
                float(number) for row in rows[alert.name] for number in (row.min_bad, row.min_total) if number
            }
            limits = {row.factor * objective.budget for row in rows[alert.name]}
            found[alert.name] = frozenset(numbers | limits)
        else:
            symptom = objective.policy.symptom
            found[alert.name] = frozenset({symptom.bad_ratio, float(symptom.min_bad)})
    return found


def burns(model: Model) -> dict[str, tuple[Burn, ...]]:
    """The rows of each burn-rate alert."""
    return {
        name: tuple(Burn(row.factor, objective.budget) for row in rows)
        for objective in model.objectives
        for name, rows in _rows(objective).items()
    }


def _rows(objective: Objective) -> dict[str, list[Condition]]:
    return {
        f"{objective.name}{suffix}": burn.rows_of(objective.policy, severity)
        for severity, suffix in burn.NAMES.items()
    }
