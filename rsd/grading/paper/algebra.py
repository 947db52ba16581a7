"""Equality of two formulas as Qwen2.5-Math's evaluation finds it with sympy."""

from __future__ import annotations

import math
import re

from rsd.grading.formula.algebra import same_value, symbols
from rsd.grading.formula.evaluate import CannotEvaluate, as_float, evaluate, mp
from rsd.grading.formula.parser import parse
from rsd.grading.formula.tokens import CannotParse
from rsd.grading.formula.tree import Call, Node, Rel, Seq
from rsd.grading.paper.parse import parse_beginning

_RELATIVE = 1e-4


def same_formula(a: str, b: str) -> bool:
    """Whether the two read as one value, one relation, or constants within a relative 1e-4."""
    first, second = _read(a), _read(b)
    if first is None or second is None:
        return False
    if first == second:
        return True
    if isinstance(first, Seq) or isinstance(second, Seq):
        return _same_sequences(first, second)
    if isinstance(first, Rel) or isinstance(second, Rel):
        if not (isinstance(first, Rel) and isinstance(second, Rel)):
            return False
        return same_value(_gap(first), _gap(second)) is True
    if same_value(first, second, decimal_digits=0):
        return True
    return _close(first, second)


def _read(text: str) -> Node | None:
    """The beginning of a formula, or else a tuple, list or set as Python would read it."""
    for spelling in (text.replace("\\\\", "\\"), text):
        try:
            return parse_beginning(spelling)
        except _UNREADABLE:
            continue
    shorter = _balanced_beginning(text)
    if shorter != text:
        return _read(shorter)
    if "\\" in text or "^" in text:
        return None
    if re.fullmatch(r"\{.*,.*\}", text):
        text = "\\{" + text[1:-1] + "\\}"
    try:
        return parse(text)
    except _UNREADABLE:
        return None


_UNREADABLE = (CannotParse, RecursionError, ValueError, ZeroDivisionError)
_CLOSING = {"[": "]", "(": ")", "{": "}"}


def _balanced_beginning(text: str) -> str:
    """A bracketed list at the beginning, without what follows it."""
    closing = _CLOSING.get(text[:1])
    if closing is None:
        return text
    depth = 0
    for i, char in enumerate(text[:2_000]):
        depth += (char in _CLOSING) - (char in _CLOSING.values())
        if depth == 0:
            cut = char == closing and i > 1 and text[i + 1 : i + 2] == "."
            return text[: i + 1] if cut else text
    return text


def _gap(relation: Rel) -> Node:
    """Size of the difference of the sides, by which any two relations are compared there."""
    return Call("abs", (Call("-", (relation.sides[0], relation.sides[-1])),))


def _same_sequences(a: Node, b: Node) -> bool:
    if not (isinstance(a, Seq) and isinstance(b, Seq)):
        return False
    if a.brackets != b.brackets or len(a.items) != len(b.items) or len(a.items) > 60:
        return False
    if a.brackets == "{}":
        return all(any(same_value(x, y) is True for y in b.items) for x in a.items)
    return all(same_value(x, y) is True for x, y in zip(a.items, b.items, strict=True))


def _close(a: Node, b: Node) -> bool:
    if symbols(a, b):
        return False
    try:
        x, y = as_float(evaluate(a, {})), as_float(evaluate(b, {}))
    except CannotEvaluate:
        return False
    if mp.im(x) != 0 or mp.im(y) != 0:
        return False
    return math.isclose(float(y), float(x), rel_tol=_RELATIVE)
