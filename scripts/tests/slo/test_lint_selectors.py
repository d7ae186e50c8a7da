"""Each check of names finds its mistake, and nothing in the neighbour that is right."""

import pytest

from ops.slo.lint import lint
from tests.lint_helpers import CONTEXT, alert, codes, file, record

BUCKETS = "latency_seconds_bucket"

CASES = {
    "metric": ("metric", "levle > 1", "level > 1"),
    "histogram without its suffix": ("metric", "latency_seconds > 1", "latency_seconds_sum > 1"),
    "selector without a name": ("metric", '{job="trader"} > 1', '{__name__="level", job="trader"} > 1'),
    "label that is matched": ("label", 'level{room="hall"} > 1', 'temperature{room="hall"} > 1'),
    "label that is excluded": ("label", 'level{room!="hall"} > 1', 'level{room=""} > 1'),
    "label that is grouped by": ("label", "max by (hots) (level) > 1", "max by (host) (level) > 1"),
    "label that an aggregation below dropped": (
        "label",
        "max by (instance) (sum by (host) (level)) > 1",
        "max by (instance) (sum by (host, instance) (level)) > 1",
    ),
    "label that is dropped": (
        "label",
        "max without (room) (level) > 1",
        "max without (room) (temperature) > 1",
    ),
    "value": ("value", 'events_total{outcome="goood"} > 1', 'events_total{outcome="good"} > 1'),
    "value that is excluded": (
        "value",
        'events_total{outcome!="goood"} > 1',
        'events_total{outcome!="good"} > 1',
    ),
    "value in a pattern": (
        "value",
        'events_total{outcome=~"good|bda"} > 1',
        'events_total{outcome=~"good|bad"} > 1',
    ),
    "pattern that nothing matches": (
        "value",
        'events_total{outcome=~"x.*"} > 1',
        'events_total{outcome=~"g.*"} > 1',
    ),
    "job that does not exist": ("value", 'up{job="tarder"} > 1', 'up{job="trader"} > 1'),
    "job that does not expose it": ("value", 'level{job="node"} > 1', 'temperature{job="node"} > 1'),
    "bucket that is not there": ("bucket", f'{BUCKETS}{{le="0.2"}} > 1', f'{BUCKETS}{{le="0.5"}} > 1'),
    "bucket written in another way": ("bucket", f'{BUCKETS}{{le="1"}} > 1', f'{BUCKETS}{{le="1.0"}} > 1'),
    "bucket in a pattern": ("bucket", f'{BUCKETS}{{le=~"0.1|1"}} > 1', f'{BUCKETS}{{le=~"0.1|[+]Inf"}} > 1'),
}


@pytest.mark.parametrize(("code", "wrong", "right"), CASES.values(), ids=CASES.keys())
def test_name(code: str, wrong: str, right: str) -> None:
    keep_host = {"fleet": frozenset({"Example"})}
    assert codes(alert(wrong), **keep_host) == [code]
    assert codes(alert(right), **keep_host) == []


def test_labels_and_values_of_recorded_series() -> None:
    rules = (
        record("expected", "vector(1)", job="a", host="x"),
        record("expected", "vector(1)", job="b", host="x"),
    )
    assert codes(*rules, alert('expected{job=~"a|b"} == 1')) == []
    assert codes(*rules, alert('expected{job="c"} == 1')) == ["value"]
    assert codes(*rules, alert('expected{instance="c"} == 1')) == ["label"]


def test_a_series_recorded_in_another_group_is_of_another_pass() -> None:
    rules = (record("host:level:max", "max by (host) (level)"), alert("host:level:max > 1"))
    assert codes(*rules) == []
    apart = {"a.yml": file(rules[0], group="first"), "b.yml": file(rules[1], group="second")}
    assert [finding.code for finding in lint(apart, CONTEXT)] == ["dependency"]


def test_a_series_recorded_later_is_read_one_interval_late() -> None:
    recorded, reader = record("host:level:max", "max by (host) (level)"), alert("host:level:max > 1")
    assert codes(recorded, reader) == []
    assert codes(reader, recorded) == ["order"]


def test_a_recorded_series_has_one_rule() -> None:
    first, second = record("a", "vector(1)", host="x"), record("a", "vector(2)", host="x")
    assert codes(first, second) == ["duplicate"]
    assert codes(first, record("a", "vector(2)", host="y")) == []


def test_an_alert_has_one_rule_in_all_files() -> None:
    text = file(alert("level > 1"))
    assert [finding.code for finding in lint({"a.yml": text, "b.yml": text}, CONTEXT)] == ["duplicate"]
    other = file(alert("level > 1", name="Other"))
    assert lint({"a.yml": text, "b.yml": other}, CONTEXT) == []
