"""Reading the syntax tree of promql-parser."""

import math
from collections.abc import Iterator

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    Matcher,
    MatchOp,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    SubqueryExpr,
    UnaryExpr,
    ValueType,
    VectorSelector,
)

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
SETS = frozenset({"and", "or", "unless"})
# The same comparison, read from the right.
MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
# They read the change of a counter, a reset included.
OF_COUNTERS = frozenset({"rate", "irate", "increase", "resets"})
# They take a reset of a counter for a change of its value.
OF_GAUGES = frozenset(
    {"delta", "idelta", "deriv", "predict_linear", "holt_winters", "double_exponential_smoothing"}
)
WINDOWED = OF_COUNTERS | OF_GAUGES | {"changes"}


def strip(tree: Expr) -> Expr:
    """Without the parentheses around it."""
    while isinstance(tree, ParenExpr):
        tree = tree.expr
    return tree


def children(tree: Expr) -> tuple[Expr, ...]:
    """The expressions of which it is made."""
    match tree:
        case BinaryExpr():
            return tree.lhs, tree.rhs
        case AggregateExpr():
            return (tree.expr,) if tree.param is None else (tree.expr, tree.param)
        case Call():
            return tuple(tree.args)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return (tree.expr,)
        case MatrixSelector():
            return (tree.vector_selector,)
        case _:
            return ()


def walk(tree: Expr) -> Iterator[Expr]:
    """The expression and all below it."""
    yield tree
    for child in children(tree):
        yield from walk(child)


def operator(tree: BinaryExpr | AggregateExpr) -> str:
    """`+`, `and`, `sum`."""
    return str(tree.op)


def compares(tree: Expr) -> bool:
    """Whether it drops the series for which its comparison is false."""
    if not isinstance(tree, BinaryExpr) or operator(tree) not in COMPARISONS:
        return False
    return tree.modifier is None or not tree.modifier.return_bool


def number(tree: Expr) -> float | None:
    """The value of a literal, with its sign."""
    tree = strip(tree)
    if isinstance(tree, NumberLiteral):
        return tree.val
    if isinstance(tree, UnaryExpr):
        value = number(tree.expr)
        return None if value is None else -value
    return None


def comparison(tree: Expr) -> tuple[Expr, str, float] | None:
    """An expression compared with a number, the number on the right; None = it is something else."""
    if not isinstance(tree, BinaryExpr) or operator(tree) not in COMPARISONS:
        return None
    right, left = number(tree.rhs), number(tree.lhs)
    if right is not None:
        return strip(tree.lhs), operator(tree), right
    if left is not None:
        return strip(tree.rhs), MIRRORED[operator(tree)], left
    return None


def metric_name(tree: VectorSelector) -> str:
    """The name that it selects; empty = it selects by labels only."""
    if tree.name:
        return tree.name
    named = [matcher.value for matcher in tree.matchers.matchers if matcher.name == "__name__"]
    return named[0] if named else ""


def matchers(tree: VectorSelector) -> list[Matcher]:
    """Its matchers of labels."""
    groups = [tree.matchers.matchers, *tree.matchers.or_matchers]
    return [matcher for group in groups for matcher in group if matcher.name != "__name__"]


def selectors(tree: Expr) -> Iterator[VectorSelector]:
    """Every selector below, those with a range included."""
    return (node for node in walk(tree) if isinstance(node, VectorSelector))


def is_scalar(tree: Expr) -> bool:
    """Whether it is a number without labels."""
    match strip(tree):
        case NumberLiteral() | StringLiteral():
            return True
        case Call(func=function):
            return bool(function.return_type == ValueType.Scalar)
        case UnaryExpr(expr=inner):
            return is_scalar(inner)
        case BinaryExpr(lhs=lhs, rhs=rhs):
            return is_scalar(lhs) and is_scalar(rhs)
        case _:
            return False


def grouping(tree: AggregateExpr) -> tuple[bool, frozenset[str]]:
    """Whether the aggregation keeps (`by`) or drops (`without`) these labels."""
    if tree.modifier is None:
        return True, frozenset()
    return tree.modifier.type == AggModifierType.By, frozenset(tree.modifier.labels)


def matching(tree: BinaryExpr) -> tuple[bool, frozenset[str]] | None:
    """Whether both sides are matched `on` these labels or `ignoring` them; None = on all of them."""
    modifier = tree.modifier
    if modifier is None or modifier.matching is None:
        return None
    return modifier.matching.type == LabelModifierType.Include, frozenset(modifier.matching.labels)


def includes(tree: BinaryExpr) -> tuple[str, frozenset[str]]:
    """Side of `group_left` or `group_right`, and the labels that the other side lends; "" = neither."""
    if tree.modifier is None:
        return "", frozenset()
    side = {"ManyToOne": "left", "OneToMany": "right"}.get(str(tree.modifier.card).rpartition(".")[2], "")
    return side, frozenset(tree.modifier.group_labels or ()) if side else frozenset()


def is_equal(matcher: Matcher) -> bool:
    """Whether it is label="value"."""
    return bool(matcher.op == MatchOp.Equal)


def is_literal(value: float) -> bool:
    """Whether a compared number states a threshold: 0 and the infinities only ask for a value."""
    return value != 0 and math.isfinite(value)
