"""Sets of real numbers: intervals, their unions, and the inequalities that describe them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rsd.grading.formula.algebra import pair_off, same_value, symbols
from rsd.grading.formula.evaluate import CannotEvaluate, Value, as_float, evaluate
from rsd.grading.formula.tree import Call, Node, Num, Rel, Seq, Sym

_INFINITY = Sym("infty")
_MINUS_INFINITY = Call("neg", (_INFINITY,))
_ALL = ("mathbb(R)", "R")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; each end may belong to it. Ends are numbers, symbols or infinite."""

    low: Node
    high: Node
    has_low: bool
    has_high: bool


def intervals_of(node: Node) -> list[Interval] | None:
    """The intervals whose union `node` describes, in no order; None if it describes none."""
    match node:
        case Seq(("()" | "[]" | "(]" | "[)") as brackets, (low, high)):
            return [_interval(low, high, brackets[0] == "[", brackets[1] == "]")]
        case Call("cup", (left, right)):
            return _joined(intervals_of(left), intervals_of(right))
        case Call("setminus", (Sym(name), Seq("{}", points))) if name in _ALL:
            return _without(points)
        case Sym(name) if name in _ALL:
            return [Interval(_MINUS_INFINITY, _INFINITY, False, False)]
        case Rel(ops, sides) if len(sides) == 2 and ops[0] == "in":
            return intervals_of(sides[1])
        case Rel():
            return _of_inequality(node)
        case Call("where", (Sym() | Rel(), condition)):
            return intervals_of(condition)
        case Seq("{}", (Call("where") as inner,)):
            return intervals_of(inner)
        case Seq("", items) if items and all(isinstance(item, Rel) for item in items):
            parts: list[Interval] | None = []
            for item in items:
                parts = _joined(parts, intervals_of(item))
            return parts
    return None


def _without(points: tuple[Node, ...]) -> list[Interval] | None:
    """All real numbers but a few."""
    try:
        ends = sorted(points, key=lambda p: as_float(evaluate(p, {})))
    except (CannotEvaluate, TypeError):
        return None
    edges: list[Node] = [_MINUS_INFINITY, *ends, _INFINITY]
    return [Interval(low, high, False, False) for low, high in pairwise(edges)]


def _joined(a: list[Interval] | None, b: list[Interval] | None) -> list[Interval] | None:
    return None if a is None or b is None else a + b


def _interval(low: Node, high: Node, has_low: bool, has_high: bool) -> Interval:
    if high == Call("+", (Num(Fraction(0)), _INFINITY)):
        high = _INFINITY
    return Interval(low, high, has_low and low != _MINUS_INFINITY, has_high and high != _INFINITY)


def _of_inequality(relation: Rel) -> list[Interval] | None:
    """`a < x <= b`, `x > a`, `x != a`, or one linear inequality in one symbol."""
    if not all(op in _TURNED or op == "!=" for op in relation.ops):
        return None
    if len(relation.ops) == 2:
        low, middle, high = relation.sides
        first, second = relation.ops
        if first in (">", ">=") and second in (">", ">="):
            low, high, first, second = high, low, _TURNED[second], _TURNED[first]
        if first in ("<", "<=") and second in ("<", "<=") and isinstance(middle, Sym):
            return [_interval(low, high, first == "<=", second == "<=")]
        return None
    if len(relation.ops) != 1:
        return None
    op, left, right = relation.ops[0], *relation.sides
    if left == Call("abs", tuple(map(Sym, symbols(left)))) and op in ("<", "<="):
        closed = op == "<="
        return [_interval(Call("neg", (right,)), right, closed, closed)]
    if isinstance(right, Sym) and not isinstance(left, Sym):
        left, right, op = right, left, _TURNED.get(op, op)
    if not isinstance(left, Sym):
        solved = _linear_root(left, right)
        if solved is None:
            return None
        right, rising = solved
        op = op if rising else _TURNED.get(op, op)
    if op == "!=":
        return [
            Interval(_MINUS_INFINITY, right, False, False),
            Interval(right, _INFINITY, False, False),
        ]
    if op in (">", ">="):
        return [_interval(right, _INFINITY, op == ">=", False)]
    return [_interval(_MINUS_INFINITY, right, False, op == "<=")]


def _linear_root(left: Node, right: Node) -> tuple[Node, bool] | None:
    """Root and direction of `left - right` if it is linear with rational coefficients."""
    names = symbols(left, right)
    if len(names) != 1:
        return None
    difference = Call("-", (left, right))
    values: list[Value] = []
    for x in range(3):
        try:
            values.append(evaluate(difference, {names[0]: Fraction(x)}))
        except CannotEvaluate:
            return None
    if not all(isinstance(v, Fraction) for v in values):
        return None
    slope = values[1] - values[0]
    if slope == 0 or values[2] - values[1] != slope:
        return None
    return Num(-values[0] / slope), bool(slope > 0)


def same_intervals(a: list[Interval], b: list[Interval]) -> bool:
    """Whether two unions have equal parts, in any order."""
    return pair_off(a, b, _same) is True


def _same(a: Interval, b: Interval) -> bool:
    return (
        (a.has_low, a.has_high) == (b.has_low, b.has_high)
        and _same_end(a.low, b.low)
        and _same_end(a.high, b.high)
    )


def _same_end(a: Node, b: Node) -> bool:
    return a == b or same_value(a, b) is True
