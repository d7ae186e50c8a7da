"""The linter on the project's own rules: whatever is broken in any of them is found there."""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from ops import paths
from ops.slo import model, rendered
from ops.slo.lint import Finding, run

Rule = dict[str, Any]
Files = dict[str, Any]
DEFAULTS = yaml.safe_load((paths.ROOT / "roles/prometheus/defaults/main.yml").read_text())
CONFIGURATION = yaml.safe_dump(
    {
        "global": {
            "scrape_interval": DEFAULTS["prometheus_scrape_interval"],
            "evaluation_interval": DEFAULTS["prometheus_scrape_interval"],
        },
        "scrape_configs": [
            {"job_name": "node", "scrape_interval": DEFAULTS["prometheus_node_scrape_interval"]},
            *({"job_name": job} for job in ("trader", "prometheus", "alertmanager", "deadman")),
        ],
    }
)


@pytest.fixture(scope="module")
def slo() -> model.Model:
    return model.load()


@pytest.fixture(scope="module")
def files(slo: model.Model) -> Files:
    return {name: yaml.safe_load(text) for name, text in rendered.render(slo).items()}


@pytest.fixture(scope="module")
def before(files: Files, slo: model.Model) -> set[Finding]:
    return check(files, slo)


def rules_of(files: Files) -> Iterator[Rule]:
    for content in files.values():
        for group in content["groups"]:
            yield from group["rules"]


def check(files: Files, slo: model.Model) -> set[Finding]:
    return set(run({name: yaml.safe_dump(content) for name, content in files.items()}, CONFIGURATION, slo))


def edit(old: str, new: str) -> Callable[[Rule], bool]:
    """A mistake in the expression; no mistake where the pattern is not."""

    def apply(rule: Rule) -> bool:
        before = rule["expr"]
        rule["expr"] = re.sub(old, new, before)
        return bool(rule["expr"] != before)

    return apply


def without(key: str, within: str = "", only: str = "") -> Callable[[Rule], bool]:
    """A key that is missing in alerts, or only in those with a label."""

    def apply(rule: Rule) -> bool:
        if "alert" not in rule or (only and only not in rule["labels"]):
            return False
        return (rule[within] if within else rule).pop(key, None) is not None

    return apply


def labelled(**labels: str) -> Callable[[Rule], bool]:
    def apply(rule: Rule) -> bool:
        if rule.get("alert", "Watchdog") == "Watchdog":
            return False
        rule["labels"] = rule["labels"] | labels
        return True

    return apply


def text_of_a_lost_label(rule: Rule) -> bool:
    if "alert" not in rule:
        return False
    rule["annotations"]["summary"] = "{{ $labels.lost }}"
    return True


def always(rule: Rule) -> bool:
    """Every comparison turned into one that filters nothing."""
    if "alert" not in rule or "unless" in rule["expr"]:
        return False
    rule["expr"] = re.sub(r"(>=|<=|==|!=|>|<) (?!bool)", r"\1 bool ", rule["expr"])
    return True


MISTAKES: dict[str, tuple[str, Callable[[Rule], bool]]] = {
    "misspelled metric": (
        "metric",
        edit(r"\b(trader|node|breakwater|alertmanager|prometheus)_\w+", r"\g<0>x"),
    ),
    "short window": ("window", edit(r"((?:increase|changes)\(\w+(?:\{[^}]*\})?)\[\w+\]", r"\1[15s]")),
    "increase of gauges": ("rate-of-gauge", edit(r"\bchanges\(", "increase(")),
    "delta of counters": ("gauge-function", edit(r"\bincrease\(trader", "delta(trader")),
    "no guard of a divisor": (
        "division",
        edit(r"(/ \([^()]*(?:\([^()]*\(*[^()]*\)*\))?[^()]*) > 0\)", r"\1)"),
    ),
    "label that nothing has": ("label", edit(r"by \(host\)", "by (hots)")),
    "join on a label that nothing has": ("join", edit(r"on \(host\)", "on (hots)")),
    "bucket that nothing has": ("bucket", edit(r'le="0\.(\d)"', r'le="0.\g<1>1"')),
    "value that nothing has": ("value", edit(r'(outcome|feed)(!?=)"\w+"', r'\1\2"none"')),
    "other threshold": ("threshold", edit(r"(>=|<=|>|<) (-?)([1-9]\d*|0\.\d+)(?![\w.])", r"\1 \g<2>7\3")),
    "no condition": ("comparison", always),
    "no summary": ("annotation", without("summary", "annotations")),
    "no runbook": ("annotation", without("runbook_url", "annotations")),
    "no severity": ("severity", without("severity", "labels")),
    "severity none": ("severity-none", labelled(severity="none")),
    "money that lets go": ("money", without("keep_firing_for", only="money")),
    "text with a lost label": ("template", text_of_a_lost_label),
}


@pytest.mark.parametrize(("code", "mistake"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_found_in_every_rule_that_has_it(
    code: str, mistake: Callable[[Rule], bool], files: Files, slo: model.Model, before: set[Finding]
) -> None:
    broken = copy.deepcopy(files)
    touched = {rule.get("alert") or rule["record"] for rule in rules_of(broken) if mistake(rule)}
    assert touched
    new = check(broken, slo) - before
    # Of a metric that no one declares nothing more can be known; that is a finding by itself.
    unknown = {finding.rule for finding in before if finding.code == "metric"}
    missed = touched - unknown - {finding.rule for finding in new if finding.code == code}
    assert not missed, f"{code} not found in {', '.join(sorted(missed))}"


def test_an_alert_that_is_no_more(files: Files, slo: model.Model, before: set[Finding]) -> None:
    broken = copy.deepcopy(files)
    for content in broken.values():
        for group in content["groups"]:
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert") != "KillSwitchTripped"]
    new = check(broken, slo) - before
    assert [(finding.rule, finding.code) for finding in new] == [("KillSwitchTripped", "threshold")]
