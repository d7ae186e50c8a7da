"""Which labels the result of an expression carries."""

from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from ops.slo.lint import tree
from ops.slo.lint.book import Book
from ops.slo.lint.model import TARGET_LABELS

# Labels that every series of the result has; None = not known, so any may be there.
Labels = frozenset[str] | None
_KEEP_ALL = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})


def labels(expression: Expr, book: Book, seen: frozenset[str] = frozenset()) -> Labels:
    """The labels that every series of the result has.

    Args:
        seen: recorded names on the way here; one that is recorded from itself is not followed again.
    """
    match tree.strip(expression):
        case VectorSelector() as selector:
            return _of_selector(selector, book, seen)
        case MatrixSelector(vector_selector=inner):
            return _of_selector(inner, book, seen)
        case SubqueryExpr(expr=inner) | UnaryExpr(expr=inner) | ParenExpr(expr=inner):
            return labels(inner, book, seen)
        case AggregateExpr() as aggregate:
            return _of_aggregate(aggregate, book, seen)
        case Call() as call:
            return _of_call(call, book, seen)
        case BinaryExpr() as binary:
            return _of_binary(binary, book, seen)
        case _:
            return frozenset()


def has(known: Labels, label: str) -> bool:
    """Whether the label is there, as far as one knows."""
    return known is None or label in known


def _of_selector(selector: VectorSelector, book: Book, seen: frozenset[str]) -> Labels:
    name = tree.metric_name(selector)
    found: Labels = None
    if name in book.recorded and name not in seen:
        for rule in book.recorded[name]:
            of_rule = labels(rule.tree, book, seen | {name})
            if of_rule is not None:
                of_rule |= rule.labels.keys()
                found = of_rule if found is None else found & of_rule
    elif series := book.series(name):
        found = TARGET_LABELS | series.own_labels.keys()
    if found is None:
        return None
    empty = {m.name for m in tree.matchers(selector) if tree.is_equal(m) and not m.value}
    return found - empty


def _of_aggregate(aggregate: AggregateExpr, book: Book, seen: frozenset[str]) -> Labels:
    inner = labels(aggregate.expr, book, seen)
    name = tree.operator(aggregate)
    if name in _KEEP_ALL:
        return inner
    keeps, named = tree.grouping(aggregate)
    if keeps:
        found: Labels = named if inner is None else named & inner
    else:
        found = None if inner is None else inner - named
    if name == "count_values" and isinstance(aggregate.param, StringLiteral) and found is not None:
        found |= {aggregate.param.val}
    return found


def _of_call(call: Call, book: Book, seen: frozenset[str]) -> Labels:
    name = call.func.name
    if name in ("vector", "time", "scalar", "pi"):
        return frozenset()
    if name in ("absent", "absent_over_time"):
        return frozenset(
            matcher.name
            for selector in tree.selectors(call)
            for matcher in tree.matchers(selector)
            if tree.is_equal(matcher)
        )
    inner = next((arg for arg in call.args if not tree.is_scalar(arg)), None)
    found = frozenset() if inner is None else labels(inner, book, seen)
    if found is None:
        return None
    if name in ("label_replace", "label_join") and isinstance(call.args[1], StringLiteral):
        return found | {call.args[1].val}
    return found - {"le"} if name == "histogram_quantile" else found


def _of_binary(binary: BinaryExpr, book: Book, seen: frozenset[str]) -> Labels:
    if tree.is_scalar(binary.lhs):
        return labels(binary.rhs, book, seen)
    left = labels(binary.lhs, book, seen)
    if tree.is_scalar(binary.rhs):
        return left
    match tree.operator(binary):
        case "and" | "unless":
            return left
        case "or":
            right = labels(binary.rhs, book, seen)
            if left is None or right is None:
                return left if right is None else right
            return left & right
    side, lent = tree.includes(binary)
    if side:
        many = left if side == "left" else labels(binary.rhs, book, seen)
        return None if many is None else many | lent
    match tree.matching(binary):
        case (True, on):
            return on if left is None else on & left
        case (False, ignored):
            return None if left is None else left - ignored
    return left
