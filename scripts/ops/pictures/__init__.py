"""Dashboards for Grafana as code: monitoring/dashboards is generated from here and from slo.yml."""

from collections.abc import Iterator
from pathlib import Path

import promql_parser
import yaml

from ops.errors import OperatorError
from ops.pictures import fleet, grafana, host, order_path, risk, rollout
from ops.pictures.spec import Board
from ops.slo import rules
from ops.slo.lint import known, tree
from ops.slo.lint.book import SUFFIXES
from ops.slo.model import FILE, Model, load

FOLDER = Path("monitoring") / "dashboards"
ROLE_DEFAULTS = Path("roles") / "prometheus" / "defaults" / "main.yml"
# What Grafana fills in, as something that parses.
FILLED = {"$__rate_interval": "5m", "$host": ".+"}
_BY_RULES = frozenset({"ALERTS", "expected_target", "expected_drill_max_age_seconds", "expected_backup"})


def generate(root: Path) -> dict[Path, str]:
    """Text of every dashboard, by its path.

    Raises:
        OperatorError: a panel reads what nothing exposes or records.
    """
    model = load(root / FILE.relative_to(FILE.parents[1]))
    runbooks = str(yaml.safe_load((root / ROLE_DEFAULTS).read_text())["prometheus_runbook_base_url"])
    made = boards(model)
    names = readable(model)
    for board in made:
        for title, name in unknown(board, names):
            raise OperatorError(
                f"dashboard {board.slug}: panel {title!r} reads {name}, which nothing exposes and no rule"
                " records; correct it, or declare the metric in monitoring/foreign_metrics.yml"
            )
    return {root / FOLDER / f"{board.slug}.json": grafana.render(board, runbooks) for board in made}


def boards(model: Model) -> tuple[Board, ...]:
    """Every dashboard."""
    return tuple(module.board(model) for module in (fleet, host, order_path, risk, rollout))


def readable(model: Model) -> frozenset[str]:
    """Every name that a query may read: what exporters expose, and what rules record."""
    names = set(_BY_RULES)
    for metric in known.metrics().values():
        parts = SUFFIXES.get(metric.type)
        names |= {metric.name + part for part in parts} if parts else {metric.name}
    recorded = [
        *rules.host_records(),
        *(rule for group in rules.objective_groups(model) for rule in group["rules"]),
    ]
    return frozenset(names | {str(rule["record"]) for rule in recorded if "record" in rule})


def unknown(board: Board, names: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Panels and the names that they read and nothing has."""
    for row in board.rows:
        for picture in row.pictures:
            for query in picture.queries:
                for selector in tree.selectors(promql_parser.parse(filled(query.expr))):
                    name = tree.metric_name(selector)
                    if name not in names:
                        yield picture.title, name


def filled(expr: str) -> str:
    """An expression as Grafana sends it, for all hosts."""
    for variable, value in FILLED.items():
        expr = expr.replace(variable, value)
    return expr
