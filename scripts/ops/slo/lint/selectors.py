"""Checks of names: metrics, labels, values, buckets, and which rule another one reads."""

import re
from collections.abc import Iterator

from promql_parser import AggregateExpr, Matcher, MatchOp, VectorSelector

from ops.slo.lint import flow, tree
from ops.slo.lint.book import Book, by_group
from ops.slo.lint.model import TARGET_LABELS, Problem, Rule


def metrics(rule: Rule, book: Book) -> Iterator[Problem]:
    """Every name is exposed by an exporter or recorded by a rule."""
    for selector in tree.selectors(rule.tree):
        name = tree.metric_name(selector)
        if not name:
            yield Problem("metric", f"{selector} selects by labels only; name the metric")
        elif name not in book.recorded and book.series(name) is None:
            yield Problem("metric", f"{name}: no exporter exposes it and no rule records it", name)


def label_names(rule: Rule, book: Book) -> Iterator[Problem]:
    """Labels that are matched or grouped by exist there."""
    for node in tree.walk(rule.tree):
        if isinstance(node, AggregateExpr):
            inner = flow.labels(node.expr, book)
            for label in sorted(tree.grouping(node)[1]):
                if not flow.has(inner, label):
                    message = f"{tree.operator(node)}: what it aggregates has no label {label}"
                    yield Problem("label", message, label)
        elif isinstance(node, VectorSelector):
            yield from _matched(node, book)


def _matched(selector: VectorSelector, book: Book) -> Iterator[Problem]:
    name = tree.metric_name(selector)
    values = _values(name, book)
    if values is None:
        return
    for matcher in tree.matchers(selector):
        label = matcher.name
        if label not in values:
            # {label=""} says just that it is not there.
            if matcher.value:
                yield Problem("label", f"{name} has no label {label}", label)
        elif label == "le":
            yield from _bound(name, matcher, book)
        elif values[label] and not _possible(matcher, values[label]):
            known = ", ".join(sorted(values[label]))
            yield Problem("value", f"{name}{{{matcher}}}: {label} is one of {known}", label)


def _values(name: str, book: Book) -> dict[str, frozenset[str]] | None:
    """The values of each label, none = any; None = the labels are not known."""
    if name in book.recorded:
        found: dict[str, frozenset[str]] = {}
        for rule in book.recorded[name]:
            of_rule = flow.labels(rule.tree, book)
            if of_rule is None:
                return None
            for label in of_rule | rule.labels.keys():
                fixed = rule.labels.get(label)
                open_ = fixed is None or (label in found and not found[label])
                found[label] = frozenset() if open_ else found.get(label, frozenset()) | {str(fixed)}
        return found
    series = book.series(name)
    if series is None:
        return None
    values = {label: frozenset(known) for label, known in series.own_labels.items()}
    jobs = series.metric.jobs or frozenset(book.context.intervals)
    return {label: frozenset[str]() for label in TARGET_LABELS} | {"job": jobs} | values


def _possible(matcher: Matcher, known: frozenset[str]) -> bool:
    """Whether the value, or the pattern, names something that exists; also where it is excluded."""
    if matcher.op in (MatchOp.Equal, MatchOp.NotEqual):
        return not matcher.value or matcher.value in known
    # Every alternative of a|b must be one: a misspelled one is silent.
    return all(any(re.fullmatch(part, value) for value in known) for part in _alternatives(matcher.value))


def _alternatives(pattern: str) -> list[str]:
    return [pattern] if re.search(r"[()\[\]\\]", pattern) else pattern.split("|")


def _bound(name: str, matcher: Matcher, book: Book) -> Iterator[Problem]:
    """le is compared as text: le="1" matches no bucket that is exposed as 1.0."""
    series = book.series(name)
    if series is None or not series.metric.buckets:
        return
    buckets = (*series.metric.buckets, "+Inf")
    parts = (
        [matcher.value] if matcher.op in (MatchOp.Equal, MatchOp.NotEqual) else _alternatives(matcher.value)
    )
    for part in parts:
        exact = part in buckets
        if not exact and not (matcher.op in (MatchOp.Re, MatchOp.NotRe) and _any_bound(part, buckets)):
            yield Problem("bucket", f"{name} has no bucket le={part}; it has {', '.join(buckets)}", name)


def _any_bound(pattern: str, buckets: tuple[str, ...]) -> bool:
    return any(re.fullmatch(pattern, bucket) for bucket in buckets)


def dependencies(rule: Rule, book: Book) -> Iterator[Problem]:
    """What a rule reads was recorded in the same pass: earlier in its own group."""
    for name in sorted({tree.metric_name(selector) for selector in tree.selectors(rule.tree)}):
        for recorded in book.recorded.get(name, ()):
            if (recorded.file, recorded.group) != (rule.file, rule.group):
                message = f"{name} is recorded in group {recorded.group}, which runs at another time"
                yield Problem("dependency", message, name)
                break
            if recorded.place > rule.place:
                message = f"{name} is recorded later in the same group; it is read one interval late"
                yield Problem("order", message, name)
                break


def duplicates(book: Book) -> Iterator[tuple[Rule, Problem]]:
    """One alert has one rule; a recorded series has one too."""
    seen: dict[object, Rule] = {}
    for _, rules in by_group(book.rules):
        for rule in rules:
            key = (rule.name, frozenset() if rule.alert else frozenset(rule.labels.items()))
            first = seen.setdefault((rule.alert, key), rule)
            if first is not rule:
                message = f"{rule.name} is already in {first.file}, group {first.group}"
                yield rule, Problem("duplicate", message, rule.name)
