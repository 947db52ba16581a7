"""The value of a tree at a point: exact fractions while they stay small, else 60 digits.

Every operation is bounded, so that a tower of powers costs nothing: what would be too large
raises `CannotEvaluate`.
"""

from __future__ import annotations

import math
import operator
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from mpmath.ctx_mp import MPContext

from rsd.grading.formula.tree import Call, Node, Num, Quantity, Seq, Sym

PRECISION = 60  # decimal digits
MAX_BITS = 60_000
_MAX_EXPONENT = 1e15  # of e, in a floating value
_MAX_FACTORIAL = 1e12

Value = Any  # Fraction, or an mpmath number

mp = MPContext()  # a context of its own: the precision of other users stays theirs
mp.dps = PRECISION


class CannotEvaluate(ValueError):
    """The tree has no bounded value: too large, undefined, or not a number."""


def evaluate(node: Node, point: Mapping[str, Value], sign: int = 1) -> Value:
    """Value of `node` with its symbols at `point`; `sign` decides every plus-or-minus in it.

    Returns a Fraction where the value is exactly rational and small, else an mpmath number.
    """
    try:
        return _Evaluator(point, sign).value(node)
    except (ZeroDivisionError, OverflowError, ValueError, TypeError, RecursionError) as error:
        if isinstance(error, CannotEvaluate):
            raise
        raise CannotEvaluate(str(error)) from error


def as_float(value: Value) -> Value:
    return mp.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction):
        bits = value.numerator.bit_length() + value.denominator.bit_length()
        return value if bits <= MAX_BITS else as_float(value)
    if isinstance(value, mp.mpc) and value.imag == 0:
        value = value.real
    if not mp.isfinite(value):
        raise CannotEvaluate("not finite")
    if value != 0 and abs(int(mp.mag(value))) > _MAX_EXPONENT * 2:
        raise CannotEvaluate("too large")
    return value


def power(base: Value, exponent: Value) -> Value:
    """base ** exponent, exact where both are rational and the result is small."""
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        exact = _exact_power(base, exponent)
        if exact is not None:
            return exact
    base, exponent = as_float(base), as_float(exponent)
    if base == 0:
        if mp.re(exponent) <= 0:
            raise CannotEvaluate("a power of zero")
        return Fraction(0)
    if base == 1:
        return Fraction(1)
    size = abs(exponent) * (abs(mp.log(abs(base))) + 4)
    if size > _MAX_EXPONENT:
        raise CannotEvaluate("too large a power")
    return mp.power(base, exponent)


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 1:
        n = exponent.numerator
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base == 0 and n < 0:
            raise CannotEvaluate("a power of zero")
        return base**n if bits * abs(n) <= MAX_BITS else None
    if base < 0 or exponent.denominator > 64 or base.numerator.bit_length() > 2_000:
        return None
    root = _exact_root(base, exponent.denominator)
    return None if root is None else _exact_power(root, Fraction(exponent.numerator))


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    parts = []
    for part in (value.numerator, value.denominator):
        guess = math.isqrt(part) if degree == 2 else int(mp.nint(mp.root(part, degree)))
        if guess**degree != part:
            return None
        parts.append(guess)
    return Fraction(parts[0], parts[1])


def _root(value: Value, degree: Value) -> Value:
    """The real root where there is one: the cube root of -8 is -2."""
    if not isinstance(degree, Fraction):
        return power(value, 1 / as_float(degree))
    odd = degree.denominator == 1 and degree.numerator % 2 == 1
    real = isinstance(value, Fraction) or mp.im(value) == 0
    if odd and real and mp.re(as_float(value)) < 0:
        return -power(-value, 1 / degree)
    return power(value, 1 / degree)


def _factorial(n: Value) -> Value:
    if isinstance(n, Fraction) and n.denominator == 1 and 0 <= n <= 1_500:
        return Fraction(math.factorial(n.numerator))
    n = as_float(n)
    if mp.im(n) != 0 or n < 0 or n > _MAX_FACTORIAL:
        raise CannotEvaluate("too large a factorial")
    return mp.gamma(n + 1)


def _binomial(n: Value, k: Value) -> Value:
    if isinstance(n, Fraction) and isinstance(k, Fraction) and n.denominator == k.denominator == 1:
        if 0 <= k <= n <= 6_000:
            return Fraction(math.comb(int(n), int(k)))
        if k < 0 or (0 <= n < k):
            return Fraction(0)
    n, k = as_float(n), as_float(k)
    if max(abs(n), abs(k)) > _MAX_FACTORIAL:
        raise CannotEvaluate("too large a binomial")
    return mp.binomial(n, k)


def _log(x: Value, base: Value | None = None) -> Value:
    value = as_float(x)
    if value == 0:
        raise CannotEvaluate("the logarithm of zero")
    if base is None:
        return mp.log(value)
    below = mp.log(as_float(base))
    if below == 0:
        raise CannotEvaluate("a logarithm to base one")
    ratio = mp.log(value) / below
    nearest = mp.nint(ratio.real)
    exact = isinstance(x, Fraction) and isinstance(base, Fraction) and abs(nearest) < 10_000
    if exact and _exact_power(base, Fraction(int(nearest))) == x:
        return Fraction(int(nearest))
    return ratio


_ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "ratio": operator.truediv,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "cot": mp.cot, "sec": mp.sec, "csc": mp.csc,
    "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan, "arccot": mp.acot,
    "arcsec": mp.asec, "arccsc": mp.acsc, "asin": mp.asin, "acos": mp.acos, "atan": mp.atan,
    "asinh": mp.asinh, "acosh": mp.acosh, "atanh": mp.atanh, "sech": mp.sech, "csch": mp.csch,
    "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh, "coth": mp.coth, "exp": mp.exp,
    "Re": mp.re, "Im": mp.im, "arg": mp.arg, "sgn": mp.sign,
}  # fmt: skip
CONSTANTS: dict[str, Callable[[], Value]] = {
    "pi": lambda: +mp.pi,
    "e": lambda: mp.e * 1,
    "i": lambda: mp.mpc(0, 1),
}
_GREATEST: dict[str, Callable[..., Value]] = {"max": max, "min": min}


class _Evaluator:
    def __init__(self, point: Mapping[str, Value], sign: int) -> None:
        self.point = point
        self.sign = sign

    def value(self, node: Node) -> Value:
        match node:
            case Num(number):
                return number
            case Sym(name):
                if name in self.point:
                    return self.point[name]
                if name in CONSTANTS:
                    return CONSTANTS[name]()
                raise CannotEvaluate(f"{name} has no value")
            case Call(name, args):
                return _bounded(self._call(name, args))
            case Seq("[]" | "()", (item,)):
                return self.value(item)
            case Quantity(value, "%" | "$"):
                return self.value(value)
        raise CannotEvaluate(f"no number: {type(node).__name__}")

    def _call(self, name: str, args: tuple[Node, ...]) -> Value:
        if name in _GREATEST or name in ("gcd", "lcm"):
            return self._of_list(name, args[0])
        values = [self.value(a) for a in args]
        match name, values:
            case _, [a, b] if name in _ARITHMETIC:
                return _exactly(a, b, _ARITHMETIC[name])
            case (("pm" | "mp"), [a, b]):
                adds = (self.sign > 0) == (name == "pm")
                return _exactly(a, b, operator.add if adds else operator.sub)
            case "neg", [a]:
                return -a
            case "^", [a, b]:
                return power(a, b)
            case "root", [a, b]:
                return _root(a, b)
            case "!", [a]:
                return _factorial(a)
            case "%", [a]:
                return _exactly(a, Fraction(100), operator.truediv)
            case "deg", [a]:
                return as_float(a) * mp.pi / 180
            case "$", [a]:
                return a
            case "binom", [a, b]:
                return _binomial(a, b)
            case (("ln" | "log"), [a, *base]):
                return _log(a, *base)
            case "lg", [a]:
                return _log(a, Fraction(10))
            case "abs", [a]:
                return abs(a)
            case (("lfloor" | "floor"), [a]):
                return Fraction(math.floor(a)) if isinstance(a, Fraction) else mp.floor(a)
            case (("lceil" | "ceil"), [a]):
                return Fraction(math.ceil(a)) if isinstance(a, Fraction) else mp.ceil(a)
            case _, [a] if name in _FUNCTIONS:
                return self._function(name, a)
            case _, [*arguments] if name.startswith("<"):
                return _unknown_function(name, arguments)
        raise CannotEvaluate(f"{name} is not computed")

    def _function(self, name: str, argument: Value) -> Value:
        argument = as_float(argument)
        if abs(argument) > (1e6 if name in ("exp", "sinh", "cosh", "tanh", "coth") else 1e40):
            raise CannotEvaluate("too large an argument")
        value = _FUNCTIONS[name](argument)
        tiny = mp.mpf(10) ** (10 - PRECISION)
        if name in ("tan", "cot", "sec", "csc") and abs(value) > 1 / tiny:
            raise CannotEvaluate("a pole")
        return value

    def _of_list(self, name: str, node: Node) -> Value:
        items = node.items if isinstance(node, Seq) else (node,)
        values = [self.value(item) for item in items]
        if name in _GREATEST:
            return _GREATEST[name](values)
        whole = [int(v) for v in values if isinstance(v, Fraction) and v.denominator == 1]
        if len(whole) != len(values):
            raise CannotEvaluate("no integers")
        return Fraction(math.gcd(*whole) if name == "gcd" else math.lcm(*whole))


def _unknown_function(name: str, arguments: list[Value]) -> Value:
    """A value that only equal arguments of the same unknown function share, in all likelihood."""
    seed = zlib.crc32(name.encode()) % 997 + 2
    total = mp.mpf(seed)
    for argument in arguments:
        value = as_float(argument)
        if abs(value) > 1e40:
            raise CannotEvaluate("too large an argument")
        total = mp.cos(total + value) * seed + value / 7
    return total


def _exactly(a: Value, b: Value, operation: Callable[[Value, Value], Value]) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return operation(a, b)
    return operation(as_float(a), as_float(b))
