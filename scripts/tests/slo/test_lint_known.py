"""What the linter knows of the project: metrics, intervals, pages."""

from pathlib import Path

import pytest

from ops.errors import OperatorError
from ops.slo.lint import known

EMPTY = "metrics: []\n"


def write(folder: Path, service: str, others: str = EMPTY) -> tuple[Path, Path]:
    paths = folder / "metrics.yml", folder / "foreign_metrics.yml"
    for path, text in zip(paths, (service, others), strict=True):
        path.write_text(text)
    return paths


def test_the_metrics_of_the_project() -> None:
    metrics = known.metrics()
    latency = metrics["trader_order_latency_seconds"]
    assert latency.type == "histogram"
    assert latency.jobs == {"trader"}
    # The objectives are bounds of buckets; whole numbers are exposed as 1.0.
    assert {"0.1", "0.5", "1.0", "10.0"} <= set(latency.buckets)
    assert metrics["trader_orders_total"].labels == {"outcome": ("acknowledged", "rejected", "unknown")}
    assert metrics["trader_latch_tripped"].jobs == {"node", "trader"}
    assert metrics["up"].jobs == frozenset()


def test_bounds_of_other_exporters_are_taken_as_they_are(tmp_path: Path) -> None:
    others = "metrics: [{name: a, type: histogram, jobs: [x], buckets: ['0.5', '1']}]"
    assert known.metrics(*write(tmp_path, EMPTY, others))["a"].buckets == ("0.5", "1")


@pytest.mark.parametrize(
    ("service", "others", "message"),
    [
        ("metrics: [{name: a, type: number}]", EMPTY, "metrics.yml: a needs name, type"),
        (EMPTY, "metrics: [{name: a, type: gauge}]", "foreign_metrics.yml: a needs name, type"),
        (
            "metrics: [{name: a, type: gauge}]",
            "metrics: [{name: a, type: counter, jobs: [x]}]",
            "a differs from what metrics.yml says",
        ),
        ("[]", EMPTY, "metrics.yml: must be YAML with a list `metrics`"),
    ],
)
def test_a_declaration_that_is_wrong(tmp_path: Path, service: str, others: str, message: str) -> None:
    with pytest.raises(OperatorError, match=message.replace("(", r"\(")):
        known.metrics(*write(tmp_path, service, others))


def test_a_declaration_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="No such file"):
        known.metrics(tmp_path / "none.yml", tmp_path / "none.yml")


def test_intervals_of_jobs() -> None:
    text = """
global: {scrape_interval: 5s, evaluation_interval: 10s}
scrape_configs: [{job_name: trader}, {job_name: node, scrape_interval: 1m30s}]
"""
    assert known.intervals(text) == ({"trader": 5, "node": 90}, 10)


@pytest.mark.parametrize(
    "text", ["", "global: {}", "global: {evaluation_interval: often}\nscrape_configs: []"]
)
def test_a_configuration_without_intervals(text: str) -> None:
    with pytest.raises(OperatorError, match=r"prometheus\.yml"):
        known.intervals(text)


def test_pages_are_named_like_their_alerts(tmp_path: Path) -> None:
    for name in ("TraderDown.md", "README.md", "notes.txt"):
        (tmp_path / name).touch()
    assert known.runbooks(tmp_path) == {"TraderDown", "README"}
