"""Whether two expressions have the same value everywhere, and two relations the same meaning.

Expressions are compared at random points: exactly where they are rational, else to 40 of 60
digits. A polynomial identity that holds at random rational points holds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from rsd.grading.formula.evaluate import CONSTANTS, CannotEvaluate, Value, as_float, evaluate, mp
from rsd.grading.formula.tree import Call, Node, Num, Rel, Sym, walk

T = TypeVar("T")
_TOLERANCE = mp.mpf(10) ** -40
_MAX_SYMBOLS = 24
_FLIPPED = {"<": ">", "<=": ">="}


def symbols(*nodes: Node) -> list[str]:
    """Names of the free symbols, sorted."""
    names = {n.name for node in nodes for n in walk(node) if isinstance(n, Sym)}
    return sorted(names - CONSTANTS.keys())


def long_decimal(node: Node, least: int) -> int:
    """Digits of the longest decimal below `node`, or 0 if none has at least `least`."""
    digits = max((n.digits for n in walk(node) if isinstance(n, Num)), default=0)
    return digits if least and digits >= least else 0


def points(names: list[str], scale: int = 1) -> Iterator[Mapping[str, Value]]:
    """Rational points: three positive ones, then two of mixed signs. Always the same ones."""
    for seed in range(5):
        rng = random.Random(seed)  # noqa: S311 (no secret: the points must only be generic)
        least = 1 if seed < 3 else -1
        yield {
            name: scale
            * Fraction(rng.randint(23, 997) * (rng.choice((1, least))), rng.choice((499, 613)))
            for name in names
        }


def same_value(a: Node, b: Node, decimal_digits: int = 10) -> bool | None:
    """Whether `a` and `b` are equal expressions; None where neither can be told."""
    if a == b:
        return True
    names = symbols(a, b)
    if "infty" in names:
        return False
    if len(names) > _MAX_SYMBOLS:
        return None
    tolerance = _tolerance(a, b, decimal_digits)
    if not names:
        return _same_at({}, a, b, tolerance)
    verdicts = []
    for index, point in enumerate(_samples(names, a, b)):
        verdict = _same_at(point, a, b, tolerance, reals_only=index >= 3)
        if verdict is False:
            return False
        verdicts.append(verdict)
    return True if verdicts.count(True) >= 2 else None


def _samples(names: list[str], *nodes: Node) -> Iterator[Mapping[str, Value]]:
    """`points`; with floors or ceilings, large points and small whole numbers instead, since small
    changes disappear in the rounding."""
    steps = {"lfloor", "lceil", "floor", "ceil"}
    parts = (part for node in nodes for part in walk(node))
    if not any(isinstance(p, Call) and p.name in steps for p in parts):
        yield from points(names)
        return
    yield from points(names, 97)
    for whole in range(1, 31):
        yield {name: Fraction(whole + 3 * i) for i, name in enumerate(names)}


def _tolerance(a: Node, b: Node, decimal_digits: int) -> Value:
    """Relative tolerance: none, unless exactly one side is a long decimal that may round."""
    long_a, long_b = long_decimal(a, decimal_digits), long_decimal(b, decimal_digits)
    if bool(long_a) != bool(long_b):
        return mp.mpf(10) ** (1 - min(long_a or long_b, 14))
    if min(long_a, long_b) >= 15:
        return mp.mpf(10) ** -13
    return _TOLERANCE


def rounds_to(exact: Node, rounded: Node, least: int) -> bool:
    """Whether `exact`, which holds no decimal, rounds to the decimal `rounded` at all its digits.

    `rounded` must have `least` significant digits or more; 0 for never.
    """
    decimals = [n.digits for n in walk(rounded) if isinstance(n, Num) and n.digits]
    operations = {n.name for n in walk(rounded) if isinstance(n, Call)}
    if not least or len(decimals) != 1 or decimals[0] < least or operations - {"neg", "*", "^"}:
        return False
    if symbols(exact, rounded) or long_decimal(exact, 1):
        return False
    try:
        x, y = as_float(evaluate(exact, {})), as_float(evaluate(rounded, {}))
    except CannotEvaluate:
        return False
    if y == 0:
        return False
    last_digit = mp.mpf(10) ** (mp.floor(mp.log10(abs(y))) + 1 - decimals[0])
    return bool(abs(x - y) <= last_digit / 2 * (1 + _TOLERANCE))


def _same_at(
    point: Mapping[str, Value], a: Node, b: Node, tolerance: Value, reals_only: bool = False
) -> bool | None:
    plus_minus = any(isinstance(n, Call) and n.name in ("pm", "mp") for n in (*walk(a), *walk(b)))
    verdicts = set()
    for sign in (1, -1) if plus_minus else (1,):
        try:
            x, y = evaluate(a, point, sign), evaluate(b, point, sign)
        except CannotEvaluate:
            return None
        if reals_only and (mp.im(as_float(x)) != 0 or mp.im(as_float(y)) != 0):
            return None
        verdicts.add(close(x, y, tolerance))
    return verdicts == {True}


def close(x: Value, y: Value, tolerance: Value = _TOLERANCE) -> bool:
    """Equality of two values: exact for two fractions unless a tolerance is given."""
    if isinstance(x, Fraction) and isinstance(y, Fraction) and tolerance is _TOLERANCE:
        return x == y
    x, y = as_float(x), as_float(y)
    largest = max(abs(x), abs(y))
    if abs(x - y) <= tolerance * largest:
        return True
    # A sum that cancels leaves rounding noise where its value is zero.
    return bool((x == 0 or y == 0) and largest < mp.mpf(10) ** -45)


def same_relation(a: Rel, b: Rel) -> bool | None:
    """Whether two relations say the same: `lhs - rhs` of each up to a constant factor."""

    def same(f: tuple[str, Node], g: tuple[str, Node]) -> bool | None:
        return _proportional(f[1], g[1], f[0]) if f[0] == g[0] else False

    return pair_off(_links(a), _links(b), same)


def pair_off(
    left: Sequence[T], right: Sequence[T], same: Callable[[T, T], bool | None]
) -> bool | None:
    """Whether equal items pair off, in any order; None where a comparison cannot tell."""
    if len(left) != len(right):
        return False
    remaining = list(right)
    undecided = False
    for item in left:
        for other in remaining:
            verdict = same(item, other)
            if verdict:
                remaining.remove(other)
                break
            undecided = undecided or verdict is None
        else:
            return None if undecided else False
    return True


def _links(relation: Rel) -> list[tuple[str, Node]]:
    """Each link of a chain as (op, f), meaning `f op 0`; < and <= become > and >=."""
    links: list[tuple[str, Node]] = []
    for op, left, right in zip(relation.ops, relation.sides, relation.sides[1:], strict=False):
        if op in _FLIPPED:
            op, left, right = _FLIPPED[op], right, left
        links.append((op, Call("-", (left, right))))
    return links


def _proportional(f: Node, g: Node, op: str) -> bool | None:
    names = symbols(f, g)
    if len(names) > _MAX_SYMBOLS or "infty" in names:
        return None
    if not names:
        return same_value(f, g)
    test: Callable[[Value], bool] = (lambda r: r != 0) if op in ("=", "!=") else (lambda r: r > 0)
    ratios: list[Value] = []
    for point in points(names):
        for sign in (1, -1):
            try:
                x, y = evaluate(f, point, sign), evaluate(g, point, sign)
            except CannotEvaluate:
                continue
            x_zero, y_zero = close(x, Fraction(0)), close(y, Fraction(0))
            if x_zero != y_zero:
                return False
            if not y_zero:
                exact = isinstance(x, Fraction) and isinstance(y, Fraction)
                ratios.append(x / y if exact else as_float(x) / as_float(y))
    if len(ratios) < 3:
        return None
    if any(mp.im(as_float(r)) != 0 for r in ratios):
        return None
    return test(ratios[0]) and all(close(r, ratios[0]) for r in ratios)
