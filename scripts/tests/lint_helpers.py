"""Small rule files and a small world for the tests of the rules' linter."""

from dataclasses import replace
from typing import Any

import yaml

from ops.slo.lint import Context, Finding, Metric, lint

NODE, TRADER = frozenset({"node"}), frozenset({"trader"})
METRICS = (
    Metric("events_total", "counter", {"outcome": ("good", "bad")}, jobs=TRADER),
    Metric("retries_total", "counter", jobs=TRADER),
    Metric("level", "gauge", jobs=TRADER),
    Metric("limit", "gauge", jobs=TRADER),
    Metric("temperature", "gauge", {"room": ()}, jobs=NODE),
    Metric("bytes_total", "counter", jobs=NODE),
    Metric("latency_seconds", "histogram", buckets=("0.1", "0.5", "1.0"), jobs=TRADER),
    Metric("up", "gauge"),
)
CONTEXT = Context(
    metrics={metric.name: metric for metric in METRICS},
    intervals={"trader": 5, "node": 15},
    evaluation=5,
)
Rule = dict[str, Any]


def alert(expr: str, name: str = "Example", **over: Any) -> Rule:
    """An alert with which nothing else is wrong; a key that is None is left out."""
    rule: Rule = {
        "alert": name,
        "expr": expr,
        "for": "1m",
        "labels": {"severity": "page"},
        "annotations": {
            "summary": "Something is wrong",
            "runbook_url": f"https://runbooks.example/{name}.md",
        },
    }
    return {key: value for key, value in (rule | over).items() if value is not None}


def record(name: str, expr: str, **labels: str) -> Rule:
    return {"record": name, "expr": expr, "labels": labels}


def file(*rules: Rule, group: str = "example", interval: str = "") -> str:
    """Text of a rule file with one group."""
    head: dict[str, Any] = {"name": group} | ({"interval": interval} if interval else {})
    return yaml.safe_dump({"groups": [head | {"rules": list(rules)}]})


def findings(*rules: Rule, **over: Any) -> list[Finding]:
    """What the linter says of the rules in one group.

    Args:
        over: fields of the context that differ.
    """
    return lint({"example.yml": file(*rules)}, replace(CONTEXT, **over))


def codes(*rules: Rule, **over: Any) -> list[str]:
    return [finding.code for finding in findings(*rules, **over)]
