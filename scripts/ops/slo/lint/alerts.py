"""Checks of alerts: that they can fire, say what a person needs, and agree with slo.yml."""

import math
import re
from collections.abc import Iterator

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, UnaryExpr, VectorSelector

from ops.slo.lint import flow, tree
from ops.slo.lint.book import Book
from ops.slo.lint.model import HEARTBEAT, SEVERITIES, Problem, Rule

ANNOTATIONS = ("summary", "runbook_url")
_IN_TEMPLATE = re.compile(r"\$labels\.(\w+)|\.Labels\.(\w+)|index\s+\$labels\s+\"(\w+)\"")


def conditions(rule: Rule, _: Book) -> Iterator[Problem]:
    """The expression is empty when all is well."""
    if not _conditional(rule.tree):
        yield Problem("comparison", "fires for every series: compare the expression with a threshold")


def _conditional(expression: Expr) -> bool:
    expression = tree.strip(expression)
    match expression:
        case BinaryExpr():
            match tree.operator(expression):
                case "unless":
                    return True
                case "and":
                    return _conditional(expression.lhs) or _conditional(expression.rhs)
                case "or":
                    return _conditional(expression.lhs) and _conditional(expression.rhs)
            # A guard below an operator, as in `a / (b > 0)`, is no condition.
            return tree.compares(expression)
        case AggregateExpr(expr=inner) | UnaryExpr(expr=inner):
            return _conditional(inner)
        case Call(func=function, args=args):
            if function.name in ("absent", "absent_over_time"):
                return True
            return any(_conditional(one) for one in args if not isinstance(one, VectorSelector))
        case _:
            return False


def absence(rule: Rule, _: Book) -> Iterator[Problem]:
    """Between the start of Prometheus and its first scrape everything is absent."""
    if not rule.waits and any(
        isinstance(node, Call) and node.func.name == "absent" for node in tree.walk(rule.tree)
    ):
        yield Problem(
            "absent", "absent() needs `for`: after a start everything is absent until the first scrape"
        )


def required(rule: Rule, _: Book) -> Iterator[Problem]:
    """Annotations that a person reads, the label by which the alert is routed."""
    for name in ANNOTATIONS:
        if not rule.annotations.get(name, "").strip():
            yield Problem("annotation", f"annotation {name} is missing", name)
    severity = rule.labels.get("severity", "")
    if severity not in SEVERITIES:
        stated = f"is {severity!r}" if severity else "is missing"
        yield Problem(
            "severity", f"label severity {stated}; it is one of {', '.join(SEVERITIES)}", "severity"
        )
    elif (severity == "none") != (rule.name == HEARTBEAT):
        yield Problem(
            "severity-none", f"severity none is for {HEARTBEAT} only, which has no other", "severity"
        )


def templates(rule: Rule, book: Book) -> Iterator[Problem]:
    """A label in a text that the expression dropped is printed as nothing."""
    known = flow.labels(rule.tree, book)
    texts = {**rule.annotations, **rule.labels}
    for key, text in texts.items():
        for found in _IN_TEMPLATE.finditer(text):
            label = next(group for group in found.groups() if group)
            if not flow.has(known, label):
                yield Problem(
                    "template", f"{key} prints the label {label}, which the expression drops", label
                )


def hosts(rule: Rule, book: Book) -> Iterator[Problem]:
    """Silences and inhibitions match by host."""
    known = flow.labels(rule.tree, book)
    if not flow.has(known, "host") and "host" not in rule.labels and rule.name not in book.context.fleet:
        yield Problem("host", "has no label host, and slo.yml does not say `fleet: true`", "host")


def money(rule: Rule, _: Book) -> Iterator[Problem]:
    """Money in danger is not over when one evaluation does not see it."""
    if rule.labels.get("money") == "true" and not rule.keeps:
        yield Problem("money", "an alert about money needs keep_firing_for")


def runbooks(rule: Rule, book: Book) -> Iterator[Problem]:
    """The page exists, and the address leads to it."""
    pages = book.context.runbooks
    url = rule.annotations.get("runbook_url", "")
    if url.strip() and not url.endswith(f"/{rule.name}.md"):
        yield Problem("runbook", f"runbook_url must end in /{rule.name}.md", rule.name)
    elif pages is not None and rule.name not in pages:
        yield Problem("runbook", f"docs/runbooks/{rule.name}.md is missing", rule.name)


def thresholds(rule: Rule, book: Book) -> Iterator[Problem]:
    """The numbers compared with are those of slo.yml, all of them and no others."""
    if book.context.thresholds is None:
        return
    wanted = book.context.thresholds.get(rule.name)
    if wanted is None:
        yield Problem("threshold", "is not in slo.yml", rule.name)
        return
    compared = [found[2] for node in tree.walk(rule.tree) if (found := tree.comparison(node))]
    for value in sorted(wanted):
        if not any(_same(value, one) for one in compared):
            yield Problem(
                "threshold", f"slo.yml says {value:g}; the rule does not compare with it", rule.name
            )
    for value in sorted({abs(one) for one in compared if tree.is_literal(one)}):
        if not any(_same(value, one) for one in wanted):
            yield Problem("threshold", f"compares with {value:g}, which slo.yml does not say", rule.name)


def _same(stated: float, compared: float) -> bool:
    """A threshold may be compared with on either side of 0: -1 for a loss of one."""
    return math.isclose(abs(stated), abs(compared), rel_tol=1e-9, abs_tol=0.0)


def burns(rule: Rule, book: Book) -> Iterator[Problem]:
    """A bad ratio is at most 1: above that no burn rate can fire."""
    for row in book.context.burns.get(rule.name, ()):
        if row.factor * row.budget >= 1:
            limit = f"factor {row.factor:g} x budget {row.budget:g} is {row.factor * row.budget:g}"
            yield Problem("burn", f"{limit}; a ratio never exceeds 1", rule.name)
    for node in tree.walk(rule.tree) if "slo" in rule.labels else ():
        found = tree.comparison(node)
        if found and found[1] in (">", ">=") and found[2] >= 1 and _is_ratio(found[0]):
            yield Problem("burn", f"a ratio is compared with {found[2]:g}, which it never exceeds", rule.name)


def _is_ratio(expression: Expr) -> bool:
    expression = tree.strip(expression)
    if isinstance(expression, VectorSelector):
        return "ratio" in tree.metric_name(expression)
    return isinstance(expression, BinaryExpr) and tree.operator(expression) == "/"
