"""Each check of alerts finds its mistake, and nothing in the neighbour that is right."""

from typing import Any

import pytest

from ops.slo.lint import Burn
from tests.lint_helpers import alert, codes, record

SUMMARY = {"summary": "Wrong", "runbook_url": "https://runbooks.example/Example.md"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("level", "level > 1"),
        ("level > bool 1", "level > 1"),
        ("level / (limit > 0)", "level / (limit > 0) > 1"),
        ("level > 1 or limit", "level > 1 or limit > 1"),
        ("level and limit", "level and limit > 1"),
        ("max by (host) (level)", "max by (host) (level > 1)"),
        ("abs(level)", "abs(level > 1)"),
    ],
)
def test_an_alert_needs_a_condition(wrong: str, right: str) -> None:
    assert codes(alert(wrong)) == ["comparison"]
    assert codes(alert(right)) == []


@pytest.mark.parametrize("expr", ["up unless on (host) level", 'absent(up{host="a"})'])
def test_what_is_missing_is_a_condition(expr: str) -> None:
    assert codes(alert(expr)) == []


@pytest.mark.parametrize("wait", [None, "0s", "0m"])
def test_absent_waits(wait: str | None) -> None:
    expr = 'absent(up{host="a"})'
    waits: dict[str, Any] = {"for": wait}
    assert codes(alert(expr, **waits)) == ["absent"]
    assert codes(alert(expr, **{"for": "10s"})) == []
    assert codes(alert("level > 1", **waits)) == []


@pytest.mark.parametrize("missing", ["summary", "runbook_url"])
def test_annotations(missing: str) -> None:
    others = {key: text for key, text in SUMMARY.items() if key != missing}
    assert codes(alert("level > 1", annotations=others)) == ["annotation"]
    assert codes(alert("level > 1", annotations={**others, missing: " "})) == ["annotation"]
    assert codes(alert("level > 1", annotations=SUMMARY)) == []


@pytest.mark.parametrize(
    ("name", "labels", "found"),
    [
        ("Example", {}, ["severity"]),
        ("Example", {"severity": "critical"}, ["severity"]),
        ("Example", {"severity": "page"}, []),
        ("Example", {"severity": "ticket"}, []),
        ("Example", {"severity": "none"}, ["severity-none"]),
        ("Watchdog", {"severity": "none"}, []),
        ("Watchdog", {"severity": "page"}, ["severity-none"]),
    ],
)
def test_severity(name: str, labels: dict[str, str], found: list[str]) -> None:
    assert codes(alert("level > 1", name=name, labels=labels)) == found


@pytest.mark.parametrize("text", ["{{ $labels.room }}", "{{ .Labels.room }}", '{{ index $labels "room" }}'])
def test_labels_in_texts_survive_the_expression(text: str) -> None:
    annotations = {**SUMMARY, "summary": text}
    assert codes(alert("max by (host) (temperature) > 1", annotations=annotations)) == ["template"]
    assert codes(alert("max by (host, room) (temperature) > 1", annotations=annotations)) == []


def test_a_text_does_not_see_the_labels_of_its_own_rule() -> None:
    labels = {"severity": "page", "room": "hall"}
    annotations = {**SUMMARY, "summary": "{{ $labels.room }}"}
    assert codes(alert("level > 1", labels=labels, annotations=annotations)) == ["template"]


def test_a_label_must_survive_on_every_branch() -> None:
    annotations = {**SUMMARY, "summary": "{{ $labels.instance }}"}
    one = "level > 1 or max by (host) (limit) > 1"
    both = "level > 1 or max by (host, instance) (limit) > 1"
    assert codes(alert(one, annotations=annotations)) == ["template"]
    assert codes(alert(both, annotations=annotations)) == []


def test_a_label_recorded_by_a_rule_is_there() -> None:
    annotations = {**SUMMARY, "summary": "{{ $labels.drill }}"}
    with_label = record("drills", "max by (host) (level)", drill="x")
    assert codes(with_label, alert("drills > 1", annotations=annotations)) == []
    assert codes(record("drills", "max by (host) (level)"), alert("drills > 1", annotations=annotations)) == [
        "template"
    ]


def test_an_alert_names_its_host_unless_it_is_of_the_fleet() -> None:
    assert codes(alert("sum(level) > 1")) == ["host"]
    assert codes(alert("sum by (host) (level) > 1")) == []
    assert codes(alert("sum(level) > 1"), fleet=frozenset({"Example"})) == []


def test_money_keeps_firing() -> None:
    labels = {"severity": "page", "money": "true"}
    assert codes(alert("level > 1", labels=labels)) == ["money"]
    assert codes(alert("level > 1", labels=labels, keep_firing_for="0s")) == ["money"]
    assert codes(alert("level > 1", labels=labels, keep_firing_for="5m")) == []


def test_the_runbook_has_a_page() -> None:
    assert codes(alert("level > 1"), runbooks=frozenset({"Other"})) == ["runbook"]
    assert codes(alert("level > 1"), runbooks=frozenset({"Example"})) == []


def test_the_address_of_the_runbook_leads_to_its_page() -> None:
    wrong = {**SUMMARY, "runbook_url": "https://runbooks.example/Other.md"}
    assert codes(alert("level > 1", annotations=wrong), runbooks=frozenset({"Example", "Other"})) == [
        "runbook"
    ]


@pytest.mark.parametrize(
    ("expr", "stated", "found"),
    [
        ("level > 5", {5.0}, []),
        ("5 < level", {5.0}, []),
        ("level < -5", {5.0}, []),
        ("level >= -Inf and limit > 0 and level > 5", {5.0}, []),
        ("level > 0", {0.0}, []),
        ("level > 0.15", {0.05 * 3}, []),
        ("level > 6", {5.0}, ["threshold", "threshold"]),
        ("level > 5 or level > 6", {5.0}, ["threshold"]),
        ("level > 5", {5.0, 6.0}, ["threshold"]),
        ("level > 5", {0.0, 5.0}, ["threshold"]),
    ],
)
def test_thresholds_are_those_of_the_objectives(expr: str, stated: set[float], found: list[str]) -> None:
    assert codes(alert(expr), thresholds={"Example": frozenset(stated)}) == found


def test_rules_and_objectives_name_the_same_alerts() -> None:
    assert codes(alert("level > 5"), thresholds={}) == ["threshold"]
    both: dict[str, Any] = {"Example": frozenset({5.0}), "Other": frozenset({1.0})}
    assert codes(alert("level > 5"), thresholds=both) == ["threshold"]
    assert codes(alert("level > 5"), alert("level > 1", name="Other"), thresholds=both) == []


def test_a_burn_rate_can_be_reached() -> None:
    assert codes(alert("level > 5"), burns={"Example": (Burn(14.4, 0.07),)}) == ["burn"]
    assert codes(alert("level > 5"), burns={"Example": (Burn(14.4, 0.069),)}) == []


def test_a_ratio_is_never_above_1() -> None:
    labels = {"severity": "page", "slo": "orders"}
    assert codes(alert("level / (limit > 0) > 1.008", labels=labels)) == ["burn"]
    assert codes(alert("level / (limit > 0) > 0.99", labels=labels)) == []
    ratio = record("slo:bad_ratio:1h", "max by (host) (level)")
    assert codes(ratio, alert("slo:bad_ratio:1h > 1", labels=labels)) == ["burn"]
    assert codes(ratio, alert("slo:bad_ratio:1h > 0.5", labels=labels)) == []
