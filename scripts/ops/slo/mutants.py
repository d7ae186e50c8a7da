"""Rules, broken in one place each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.slo import burn, rules
from ops.slo.model import Alert, Model, number, seconds

_FLIP = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!="}
_STRICT = {">": ">=", "<": "<=", ">=": ">", "<=": "<"}
_COMPARE = re.compile(r"(?<=[ )])(>=|<=|==|>|<) (-?[0-9][0-9.e+]*)")
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_MATCHER = re.compile(r"\{([^{}]*)\}")
_COUNT = re.compile(r"count\b|max by \(host\) \(changes\(")
_BY = re.compile(r"\bby \(([^()]*)\)")
_OPERATOR = re.compile(r"\b(unless|and|or)\b( on \([^()]*\))?")
_ARITHMETIC = re.compile(r"(?<=[\w)\]}]) ([-+*/]) ")
_OTHER = {"-": "+", "+": "-", "*": "/", "/": "*"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken rule.

    Args:
        subject: the alert or the record.
        what: what was broken, in one line.
        original: the rule as it should be.
        alert: none = the rule records something.
    """

    subject: str
    what: str
    rule: dict[str, Any]
    original: dict[str, Any]
    alert: Alert | None = None

    @property
    def name(self) -> str:
        """As it stands in mutation_survivors.yml."""
        return f"{self.subject}: {self.what}"


def every(model: Model) -> list[Mutant]:
    """Every mutant of every rule."""
    return [*(one for alert in rules.all_alerts(model) for one in of_alert(alert)), *of_records(model)]


def of_alert(alert: Alert) -> list[Mutant]:
    """Every mutant of one alert, without those that equal it."""
    original = rules.rule(alert)
    return [
        Mutant(alert.name, what, changed, original, alert)
        for what, changed in dict(_alerts(original)).items()
        if changed != original
    ]


def of_records(model: Model) -> list[Mutant]:
    """Every mutant of what is recorded; what the fleet's inventory states is no expression."""
    records: list[dict[str, Any]] = [*rules.host_records(), *burn.records()]
    for objective in model.objectives:
        records += burn.counts(objective)
    records += rules.objective_groups(model)[-1]["rules"]
    found = []
    for record in records:
        slo = record.get("labels", {}).get("slo")
        subject = f"{record['record']} of {slo}" if slo else record["record"]
        exprs = {"never": "vector(1) == 2"} | dict(_expressions(record["expr"], False))
        changes = {what: record | {"expr": expr} for what, expr in exprs.items()}
        if slo:
            changes["another slo"] = record | {"labels": record["labels"] | {"slo": "other"}}
        found += [Mutant(subject, what, changed, record) for what, changed in changes.items()]
    return found


def _alerts(original: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for what, expr in _expressions(original["expr"], "slo:bad:" in original["expr"]):
        yield what, original | {"expr": expr}
    yield "never fires", original | {"expr": "vector(1) == 2"}
    yield "always fires", original | {"expr": "vector(1)"}
    if "for" in original:
        yield "without for", {key: value for key, value in original.items() if key != "for"}
        yield "for twice as long", original | {"for": f"{2 * seconds(original['for'])}s"}
        yield "for half as long", original | {"for": f"{seconds(original['for']) // 2}s"}
    else:
        yield "for 5m", original | {"for": "5m"}
    if "keep_firing_for" in original:
        yield "without keep_firing_for", {k: v for k, v in original.items() if k != "keep_firing_for"}
        yield (
            "keep_firing_for halved",
            original | {"keep_firing_for": f"{seconds(original['keep_firing_for']) // 2}s"},
        )
    for severity in ("page", "ticket"):
        yield f"severity {severity}", original | {"labels": original["labels"] | {"severity": severity}}
    for label in original["labels"]:
        if label != "severity":
            labels = {key: value for key, value in original["labels"].items() if key != label}
            yield f"without label {label}", original | {"labels": labels}


def _near(value: float, whole: bool) -> Iterator[tuple[str, float]]:
    """Limits beside this one; of whole numbers a tenth more or less is the same limit."""
    if whole:
        yield from (("less 1", value - 1), ("plus 1", value + 1))
        return
    for factor in (0.9, 1.1):
        yield f"times {factor}", value * factor if value else factor - 1


def _counts(head: str) -> bool:
    """Whether what stands before a comparison is a number of things."""
    if _COUNT.match(head):
        return True
    text = head.rstrip()
    return text.endswith(")") and head[: _opening(text[:-1])].endswith("round")


def _divides(head: str) -> bool:
    """Whether what stands before a comparison is the divisor."""
    return head[: _opening(head)].endswith("/ ")


def _opening(head: str) -> int:
    """The place of the last bracket that is still open; 0 = there is none."""
    depth = 0
    for place in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[place], 0)
        if depth < 0:
            return place
    return 0


def _expressions(expr: str, ratios: bool) -> Iterator[tuple[str, str]]:
    for place, match in enumerate(_COMPARE.finditer(expr), start=1):
        operator, value = match.groups()
        head, tail = expr[: match.start()], expr[match.end() :]
        if f"{operator} {value}" == "> 0" and tail.startswith(")") and _divides(head):
            continue  # the guard of a division: 0 / 0 is NaN, which is above nothing
        yield f"comparison {place} {operator} to {_FLIP[operator]}", f"{head}{_FLIP[operator]} {value}{tail}"
        # A share that is a quotient of counts never meets its limit exactly.
        if operator in _STRICT and not (ratios and "." in value):
            yield (
                f"comparison {place} {operator} to {_STRICT[operator]}",
                f"{head}{_STRICT[operator]} {value}{tail}",
            )
        for word, changed in _near(float(value), _counts(head)):
            yield (
                f"comparison {place} {operator} {value} {word}",
                f"{head}{operator} {number(changed)}{tail}",
            )
    for place, match in enumerate(_ARITHMETIC.finditer(expr), start=1):
        sign, other = match.group(1), _OTHER[match.group(1)]
        yield f"{sign} {place} to {other}", f"{expr[: match.start()]} {other} {expr[match.end() :]}"
    for place, match in enumerate(_WINDOW.finditer(expr), start=1):
        length = seconds(match.group(1))
        for word, changed in (("half", length // 2), ("twice", length * 2)):
            yield f"window {place} {word}", f"{expr[: match.start()]}[{changed}s]{expr[match.end() :]}"
    for place, match in enumerate(_MATCHER.finditer(expr), start=1):
        parts = match.group(1).split(",")
        for which in range(len(parts)):
            left = ",".join(part for index, part in enumerate(parts) if index != which)
            yield (
                f"selector {place} without {parts[which]}",
                f"{expr[: match.start()]}{{{left}}}{expr[match.end() :]}",
            )
    for place, match in enumerate(_BY.finditer(expr), start=1):
        labels = [label.strip() for label in match.group(1).split(",")]
        for label in labels:
            left = ", ".join(one for one in labels if one != label)
            yield (
                f"aggregation {place} without {label}",
                f"{expr[: match.start()]}by ({left}){expr[match.end() :]}",
            )
    for place, match in enumerate(_OPERATOR.finditer(expr), start=1):
        word, on = match.group(1), match.group(2) or ""
        for other in ("and", "unless", "or"):
            if other != word:
                yield f"{word} {place} to {other}", f"{expr[: match.start()]}{other}{on}{expr[match.end() :]}"
    for name, other in (("max", "min"), ("min", "max"), ("sum", "min")):
        for place, match in enumerate(re.finditer(rf"\b{name} by\b", expr), start=1):
            yield f"{name} {place} to {other}", f"{expr[: match.start()]}{other} by{expr[match.end() :]}"
    for name, other in (
        ("last_over_time", "min_over_time"),
        ("increase", "rate"),
        ("abs", ""),
        ("round", ""),
    ):
        for place, match in enumerate(re.finditer(rf"\b{name}\(", expr), start=1):
            yield (
                f"{name} {place} to {other or 'nothing'}",
                f"{expr[: match.start()]}{other}({expr[match.end() :]}",
            )
