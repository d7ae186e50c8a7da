"""The checks, run over all rules."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from ops.slo.lint import alerts, expressions, selectors
from ops.slo.lint.book import Book, read
from ops.slo.lint.model import Allowed, Context, Finding, Problem, Rule

Check = Callable[[Rule, Book], Iterator[Problem]]

OF_RULES: tuple[Check, ...] = (
    selectors.metrics,
    selectors.label_names,
    selectors.dependencies,
    expressions.windows,
    expressions.counters,
    expressions.divisions,
    expressions.joins,
    expressions.fragile,
    expressions.quantiles,
)
OF_ALERTS: tuple[Check, ...] = (
    alerts.conditions,
    alerts.absence,
    alerts.required,
    alerts.templates,
    alerts.hosts,
    alerts.money,
    alerts.runbooks,
    alerts.thresholds,
    alerts.burns,
)
# An exception is no way around what cannot be read at all.
NEVER_ALLOWED = frozenset({"syntax", "exception"})


def lint(rule_files: Mapping[str, str], context: Context) -> list[Finding]:
    """Check rendered rule files against what exporters expose and slo.yml says.

    Args:
        rule_files: YAML text by file name, as Prometheus would read it.

    Returns:
        What is wrong, by file and rule; an exception that nothing needed is wrong too.
    """
    rules, findings = read(rule_files, context)
    book = Book(rules, context)
    for rule in rules:
        checks = (*OF_RULES, *OF_ALERTS) if rule.alert else OF_RULES
        findings += _placed((rule, problem) for check in checks for problem in check(rule, book))
    findings += _placed(selectors.duplicates(book))
    present = {rule.name for rule in rules if rule.alert}
    for name in sorted((context.thresholds or {}).keys() - present):
        findings.append(Finding("", "", name, "threshold", "is in slo.yml, and no rule has it", name))
    return _without_allowed(findings, context.allowed)


def _placed(problems: Iterable[tuple[Rule, Problem]]) -> list[Finding]:
    # The same selector may stand in an expression many times.
    found = dict.fromkeys(
        Finding(rule.file, rule.group, rule.name, problem.code, problem.message, problem.about)
        for rule, problem in problems
    )
    return list(found)


def _without_allowed(findings: list[Finding], table: tuple[Allowed, ...]) -> list[Finding]:
    used: set[Allowed] = set()
    kept: list[Finding] = []
    for finding in findings:
        matching = [one for one in table if _covers(one, finding)]
        used.update(matching)
        if not matching:
            kept.append(finding)
    for one in table:
        if not one.reason.strip():
            kept.append(
                Finding(
                    "", "", one.rule, "exception", f"{one.code} of {one.about}: no reason given", one.about
                )
            )
        elif one not in used:
            message = f"the exception {one.code} of {one.about} is not needed; remove it"
            kept.append(Finding("", "", one.rule, "exception", message, one.about))
    return kept


def _covers(one: Allowed, finding: Finding) -> bool:
    return (
        finding.code not in NEVER_ALLOWED
        and bool(one.reason.strip())
        and one.code == finding.code
        and one.rule in ("*", finding.rule)
        and one.about == finding.about
    )
