"""Files that cannot be read, and exceptions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.slo.lint import Allowed, lint
from tests.lint_helpers import CONTEXT, alert, codes, findings, record

TOP = "topk(3, level) > 1"
TOKENS = (
    *(
        "level",
        "events_total",
        "latency_seconds_bucket",
        "temperature",
        "none",
        "1",
        "0",
        "Inf",
        '"text"',
        "{job=''}",
    ),
    *(
        "sum",
        "max by (host)",
        "topk(2,",
        "rate",
        "absent",
        "histogram_quantile(0.9,",
        "vector",
        "clamp_min",
        "[5m]",
    ),
    *(
        "(",
        ")",
        ",",
        "-",
        "+",
        "/",
        "% ",
        ">",
        "> bool",
        "==",
        "and",
        "or on (host)",
        "unless",
        "group_left (room)",
    ),
)
REASON = "a report that no one is paged for"


@pytest.mark.parametrize(
    "text", ["a: [", "[]", "groups: 5", "rules: []", "groups: [{name: a}]", "groups: [x]"]
)
def test_a_file_that_is_no_rule_file(text: str) -> None:
    (found,) = lint({"broken.yml": text}, CONTEXT)
    assert (found.file, found.code) == ("broken.yml", "syntax")


@pytest.mark.parametrize("text", ["", "groups: []", "groups:", "groups: [{name: a, rules: []}]"])
def test_a_file_without_rules_is_none_with_mistakes(text: str) -> None:
    assert lint({"empty.yml": text}, CONTEXT) == []


@pytest.mark.parametrize(
    "expr", ["sum by (host (level) > 1", "rate(sum by (host) (events_total)[5m]) > 1", "level >"]
)
def test_an_expression_that_does_not_parse(expr: str) -> None:
    (found,) = findings(alert(expr))
    assert (found.rule, found.code) == ("Example", "syntax")


@pytest.mark.parametrize("rule", [5, {}, {"alert": "Example"}, {"record": "a", "expr": "1", "labels": 5}])
def test_an_entry_that_is_no_rule(rule: Any) -> None:
    assert codes(rule) == ["syntax"]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for entry in (alert(text), record("a", text)):
        codes(entry)
    lint({"any.yml": text}, CONTEXT)


def test_rules_that_record_each_other_come_to_an_end() -> None:
    first, second = record("a", "b + b + a"), record("b", "a + a + b")
    assert "order" in codes(
        first, second, alert("1 / (a + b) > 1 and a > 1", name="C"), fleet=frozenset({"C"})
    )


def test_other_rules_are_checked_beside_one_that_cannot_be_read() -> None:
    assert codes(alert("level >"), alert("level", name="Other")) == ["syntax", "comparison"]


def test_what_is_wrong_in_many_places_is_said_once() -> None:
    assert codes(alert("levle > 1 and levle < 5")) == ["metric"]


@pytest.mark.parametrize("rule", ["Example", "*"])
def test_an_exception_with_a_reason(rule: str) -> None:
    assert codes(alert(TOP), allowed=(Allowed("topk", rule, "topk", REASON),)) == []


@pytest.mark.parametrize(
    "exception",
    [
        Allowed("topk", "Other", "topk", REASON),
        Allowed("topk", "Example", "bottomk", REASON),
        Allowed("comparison", "Example", "topk", REASON),
    ],
)
def test_an_exception_that_nothing_needs_is_found(exception: Allowed) -> None:
    assert codes(alert(TOP), allowed=(exception,)) == ["topk", "exception"]
    assert codes(alert("level > 1"), allowed=(exception,)) == ["exception"]


def test_an_exception_without_a_reason_is_none() -> None:
    assert codes(alert(TOP), allowed=(Allowed("topk", "*", "topk", " "),)) == ["topk", "exception"]


def test_what_cannot_be_read_has_no_exception() -> None:
    allowed = (Allowed("syntax", "*", "", REASON),)
    assert codes(alert("level >"), allowed=allowed) == ["syntax", "exception"]
