"""Whether a divisor can be 0: 0/0 is NaN, and one NaN makes every sum over it NaN."""

import itertools
import operator

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, MatrixSelector, VectorSelector

from ops.slo.lint import tree
from ops.slo.lint.book import Book

_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_MAX_CONSTANTS = 100
_NEVER_NEGATIVE = frozenset(
    {"abs", "sqrt", "exp", "count_over_time", "changes", "rate", "irate", "increase", "resets"}
)
_COUNTS = frozenset({"count", "group"})
_KEEP_SIGN = frozenset({"sum", "min", "max", "avg", "topk", "bottomk"})
_KEEP_SIGN_CALLS = frozenset(
    {f"{name}_over_time" for name in ("sum", "min", "max", "avg", "last")} | {"vector", "ceil"}
)


def constants(expression: Expr, book: Book, seen: frozenset[str] = frozenset()) -> frozenset[float] | None:
    """Every value of an expression of constants, recorded ones included; None = it reads what changes.

    Args:
        seen: recorded names on the way here; one that is recorded from itself is no constant.
    """
    expression = tree.strip(expression)
    value = tree.number(expression)
    if value is not None:
        return frozenset({value})
    if isinstance(expression, Call) and expression.func.name == "vector":
        return constants(expression.args[0], book, seen)
    if isinstance(expression, VectorSelector) and (name := tree.metric_name(expression)) not in seen:
        return _union([constants(rule.tree, book, seen | {name}) for rule in book.recorded.get(name, ())])
    if isinstance(expression, BinaryExpr) and (compute := _ARITHMETIC.get(tree.operator(expression))):
        left, right = (constants(side, book, seen) for side in (expression.lhs, expression.rhs))
        if left and right and len(left) * len(right) <= _MAX_CONSTANTS:
            return frozenset(compute(a, b) for a, b in itertools.product(left, right))
    return None


def _union(sets: list[frozenset[float] | None]) -> frozenset[float] | None:
    if not sets or None in sets:
        return None
    return frozenset().union(*(one for one in sets if one))


def never_zero(divisor: Expr, book: Book, floors: frozenset[str]) -> bool:
    """Whether it has no series whose value is 0.

    Args:
        floors: expressions of which the same alert requires a positive value.
    """
    divisor = tree.strip(divisor)
    if divisor.prettify() in floors:
        return True
    values = constants(divisor, book)
    if values is not None:
        return 0 not in values
    found = tree.comparison(divisor) if tree.compares(divisor) else None
    if found and ((found[1] == "!=" and found[2] == 0) or (found[1] == "<" and found[2] <= 0)):
        return True
    return positive(divisor, book)


def positive(expression: Expr, book: Book) -> bool:
    """Whether each of its series is above 0."""
    expression = tree.strip(expression)
    values = constants(expression, book)
    if values is not None:
        return min(values) > 0
    match expression:
        case BinaryExpr() as binary:
            return _positive_binary(binary, book)
        case AggregateExpr() as aggregate:
            name = tree.operator(aggregate)
            return name in _COUNTS or (name in _KEEP_SIGN and positive(aggregate.expr, book))
        case Call() as call:
            if call.func.name == "clamp_min":
                floor = tree.number(call.args[1])
                return floor is not None and floor > 0
            return call.func.name in ("exp", "count_over_time") or (
                call.func.name in _KEEP_SIGN_CALLS and positive(call.args[0], book)
            )
        case _:
            return False


def _positive_binary(binary: BinaryExpr, book: Book) -> bool:
    if above_zero(binary):
        return True
    left, right = binary.lhs, binary.rhs
    match tree.operator(binary):
        case "and" | "unless":
            return positive(left, book)
        case "or" | "*" | "/":
            return positive(left, book) and positive(right, book)
        case "+":
            return (positive(left, book) and _not_negative(right, book)) or (
                positive(right, book) and _not_negative(left, book)
            )
        case name if name in tree.COMPARISONS and tree.compares(binary):
            return positive(left, book)
        case _:
            return False


def above_zero(expression: Expr) -> bool:
    """Whether it is a comparison that only a positive value passes."""
    found = tree.comparison(expression) if tree.compares(expression) else None
    if found is None:
        return False
    _, sign, limit = found
    return (sign == ">" and limit >= 0) or (sign in (">=", "==") and limit > 0)


def _not_negative(expression: Expr, book: Book) -> bool:
    expression = tree.strip(expression)
    if positive(expression, book):
        return True
    value = tree.number(expression)
    if value is not None:
        return value >= 0
    match expression:
        case BinaryExpr() if tree.operator(expression) in ("+", "*", "/"):
            return _not_negative(expression.lhs, book) and _not_negative(expression.rhs, book)
        case AggregateExpr() if tree.operator(expression) in _KEEP_SIGN:
            return _not_negative(expression.expr, book)
        case Call(func=function, args=args):
            if function.name == "clamp_min":
                floor = tree.number(args[1])
                return floor is not None and floor >= 0
            return function.name in _NEVER_NEGATIVE or (
                function.name in _KEEP_SIGN_CALLS and _not_negative(args[0], book)
            )
        case VectorSelector() | MatrixSelector():
            selected = next(tree.selectors(expression))
            series = book.series(tree.metric_name(selected))
            return series is not None and series.counter
        case _:
            return False


def floors(expression: Expr) -> frozenset[str]:
    """What must be above 0 for the whole expression to have a value: `... and on (host) events >= 20`."""
    expression = tree.strip(expression)
    if not isinstance(expression, BinaryExpr):
        return frozenset()
    if tree.operator(expression) == "and":
        return floors(expression.lhs) | floors(expression.rhs)
    if not above_zero(expression):
        return frozenset()
    found = tree.comparison(expression)
    floored = tree.strip(found[0]) if found else expression
    if isinstance(floored, Call) and floored.func.name == "round":
        floored = tree.strip(floored.args[0])
    return frozenset({floored.prettify()})
