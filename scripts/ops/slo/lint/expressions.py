"""Checks of what an expression computes."""

from collections.abc import Iterator

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, MatrixSelector, SubqueryExpr, VectorSelector

from ops.slo.lint import flow, positive, tree
from ops.slo.lint.book import Book
from ops.slo.lint.model import Problem, Rule

# Below four samples a window loses its rate with the first scrape that fails.
SAMPLES_IN_WINDOW = 4
FRAGILE = ("topk", "bottomk", "limitk", "limit_ratio")


def _calls(rule: Rule) -> Iterator[Call]:
    return (node for node in tree.walk(rule.tree) if isinstance(node, Call))


def windows(rule: Rule, book: Book) -> Iterator[Problem]:
    """A rate needs at least four samples in its window."""
    for call in _calls(rule):
        if call.func.name not in tree.WINDOWED:
            continue
        ranged = tree.strip(call.args[0])
        if isinstance(ranged, MatrixSelector):
            span, step = ranged.range, book.interval(ranged.vector_selector)
            about = tree.metric_name(ranged.vector_selector)
        elif isinstance(ranged, SubqueryExpr) and ranged.range is not None:
            span, about = ranged.range, ""
            step = ranged.step.total_seconds() if ranged.step else book.context.evaluation
        else:
            continue
        if span.total_seconds() < SAMPLES_IN_WINDOW * step:
            message = (
                f"{call.func.name} over {span.total_seconds():g} s of {about or 'a subquery'}, sampled every"
                f" {step:g} s; the window must be at least {SAMPLES_IN_WINDOW * step:g} s"
            )
            yield Problem("window", message, about)


def counters(rule: Rule, book: Book) -> Iterator[Problem]:
    """rate and increase read counters; delta and deriv take a counter's reset for a fall."""
    for call in _calls(rule):
        name = call.func.name
        if name not in tree.OF_COUNTERS | tree.OF_GAUGES:
            continue
        # holt_winters and predict_linear have the range first too.
        ranged = tree.strip(call.args[0])
        if isinstance(ranged, SubqueryExpr):
            if name in tree.OF_COUNTERS and _sums_counters(ranged.expr, book):
                yield Problem(
                    "rate-of-sum", f"{name} of a sum hides the resets of its counters; sum their rates"
                )
            continue
        if not isinstance(ranged, MatrixSelector):
            continue
        metric = tree.metric_name(ranged.vector_selector)
        series = book.series(metric)
        if name in tree.OF_GAUGES:
            if series and series.counter:
                message = f"{name} of the counter {metric} takes a restart for a fall; use rate or increase"
                yield Problem("gauge-function", message, metric)
        elif any(_sums_counters(recorded.tree, book) for recorded in book.recorded.get(metric, ())):
            yield Problem(
                "rate-of-sum", f"{name} of {metric}, a sum, hides the resets of its counters", metric
            )
        elif metric in book.recorded or (series and not series.counter):
            yield Problem(
                "rate-of-gauge", f"{name} of {metric}, which is no counter; use delta or deriv", metric
            )


def _sums_counters(expression: Expr, book: Book) -> bool:
    """Whether it aggregates counters as they are."""
    expression = tree.strip(expression)
    if isinstance(expression, AggregateExpr) and tree.operator(expression) in ("sum", "avg", "min", "max"):
        return _reads_counter(expression.expr, book)
    return any(_sums_counters(child, book) for child in tree.children(expression))


def _reads_counter(expression: Expr, book: Book) -> bool:
    expression = tree.strip(expression)
    if isinstance(expression, Call) and expression.func.name in tree.OF_COUNTERS:
        return False
    if isinstance(expression, VectorSelector):
        series = book.series(tree.metric_name(expression))
        return series is not None and series.counter
    return any(_reads_counter(child, book) for child in tree.children(expression))


def divisions(rule: Rule, book: Book) -> Iterator[Problem]:
    """Every divisor is kept from being 0, by `> 0` or clamp_min or a floor on the number of events."""
    yield from _divisions(rule.tree, book, frozenset())


def _divisions(expression: Expr, book: Book, floors: frozenset[str]) -> Iterator[Problem]:
    floors |= positive.floors(expression)
    if (
        isinstance(expression, BinaryExpr)
        and tree.operator(expression) in ("/", "%")
        and not positive.never_zero(expression.rhs, book, floors)
    ):
        divisor = tree.strip(expression.rhs).prettify()
        about = next((tree.metric_name(one) for one in tree.selectors(expression.rhs)), "")
        message = f"0/0 is NaN: the divisor {' '.join(divisor.split())} needs `> 0` or a floor"
        yield Problem("division", message, about)
    # What is required of the result says nothing of the single series that an aggregation takes in.
    kept = frozenset[str]() if isinstance(expression, AggregateExpr) else floors
    for child in tree.children(expression):
        yield from _divisions(child, book, kept)


def joins(rule: Rule, book: Book) -> Iterator[Problem]:
    """The labels by which two sides are matched exist on both."""
    for node in tree.walk(rule.tree):
        if not isinstance(node, BinaryExpr) or tree.is_scalar(node.lhs) or tree.is_scalar(node.rhs):
            continue
        name = tree.operator(node)
        left, right = flow.labels(node.lhs, book), flow.labels(node.rhs, book)
        match tree.matching(node):
            case (True, on):
                for label in sorted(on):
                    for side, known in (("left", left), ("right", right)):
                        if not flow.has(known, label):
                            yield Problem(
                                "join", f"`{name} on ({label})`: the {side} side has no {label}", label
                            )
            case found if name != "or" and left is not None and right is not None:
                ignored = found[1] if found else frozenset()
                side, _ = tree.includes(node)
                differing = (left ^ right) - ignored
                if differing and not (side and found):
                    named = ", ".join(sorted(differing))
                    yield Problem("join", f"`{name}` never matches: only one side has {named}", named)
        side, lent = tree.includes(node)
        lender = right if side == "left" else left
        for label in sorted(lent):
            if not flow.has(lender, label):
                yield Problem("join", f"group_{side} takes {label} from a side that has none", label)


def fragile(rule: Rule, _: Book) -> Iterator[Problem]:
    """topk changes its members with every evaluation, and resolves one alert to raise another."""
    for node in tree.walk(rule.tree):
        if isinstance(node, AggregateExpr) and tree.operator(node) in FRAGILE:
            name = tree.operator(node)
            yield Problem(
                "topk", f"{name} selects other series with every evaluation; compare with a threshold", name
            )


def quantiles(rule: Rule, book: Book) -> Iterator[Problem]:
    """A quantile is never above the last finite bucket, so a threshold there is never passed."""
    for node in tree.walk(rule.tree):
        found = tree.comparison(node)
        if found is None or found[1] not in (">", ">=", "=="):
            continue
        compared, sign, limit = found
        for metric, top in _quantile_tops(compared, book, frozenset()):
            if limit >= top:
                message = (
                    f"quantile {sign} {limit:g} never happens: the last finite bucket of {metric} is {top:g}"
                )
                yield Problem("quantile", message, metric)


def _quantile_tops(expression: Expr, book: Book, seen: frozenset[str]) -> Iterator[tuple[str, float]]:
    for node in tree.walk(expression):
        if isinstance(node, Call) and node.func.name == "histogram_quantile":
            for selector in tree.selectors(node):
                series = book.series(tree.metric_name(selector))
                if series and series.metric.buckets:
                    yield series.metric.name, float(series.metric.buckets[-1])
        elif isinstance(node, VectorSelector) and (name := tree.metric_name(node)) not in seen:
            for rule in book.recorded.get(name, ()):
                yield from _quantile_tops(rule.tree, book, seen | {name})
