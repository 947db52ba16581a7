"""The verdict of Qwen2.5-Math's evaluation, on which the paper's figures rest.

It is lenient: numbers agree within a relative 1e-4, also off by a factor of a hundred; brackets
are ignored; of a list only the beginning may count. Nothing is evaluated as code; where the
original hands text to `eval`, a parser of this package reads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from rsd.grading.paper.text import choice_letter, last_letter, normalise, stated_answer

_CHOICES = ("A", "B", "C", "D", "E")
_CHOICE_TASKS = frozenset({"mmlu_stem", "sat_math", "aqua", "gpqa"})
_KEEPS_UNITS = frozenset({"minerva_math", "carp_en"})
_RELATIVE = 1e-4
_MAX_PARTS = 400


SameFormula = Callable[[str, str], bool]


class _NeedsAlgebra(Exception):
    """Strings and numbers do not decide."""


def quick_paper_verdict(response: str, gold: str, task: str) -> bool | None:
    """The verdict where strings or plain numbers decide it; None where it needs a worker."""

    def needs_algebra(answer: str, gold: str) -> bool:
        raise _NeedsAlgebra

    try:
        return _verdict(response, gold, task, needs_algebra)
    except _NeedsAlgebra:
        return None


def paper_verdict(response: str, gold: str, task: str) -> bool:
    """Whether that evaluation accepts `response`. To be called in a worker process."""
    from rsd.grading.paper.algebra import same_formula

    return _verdict(response, gold, task, same_formula)


def _verdict(response: str, gold: str, task: str, same_formula: SameFormula) -> bool:
    keep = task in _KEEPS_UNITS
    stated = choice_letter(response) if task in _CHOICE_TASKS else stated_answer(response)
    answer = normalise(normalise(stated, keep), task == "carp_en")
    gold = normalise(normalise(gold.strip().strip("$"), keep), task == "carp_en")
    if gold in _CHOICES and answer not in _CHOICES:
        answer = choice_letter(response)
    elif len(gold) > 1 and set(gold) <= set(_CHOICES) and not set(answer) <= set(_CHOICES):
        answer = "".join(c for c in answer if c in _CHOICES)
    return _equal(answer, gold, same_formula, depth=0)


def _equal(answer: str, gold: str, same_formula: SameFormula, depth: int) -> bool:
    answer, gold = answer.strip(), gold.strip()
    if answer.lower() == gold.lower():
        return True
    if gold in _CHOICES and last_letter(answer) == gold:
        return True
    x, y = _number(answer), _number(gold)
    if x is not None and y is not None:
        return any(math.isclose(v, x, rel_tol=_RELATIVE) for v in (y / 100, y, y * 100))
    if not answer:
        return False
    if "pmatrix" in answer and "pmatrix" not in gold:
        gold = _as_matrix(gold)
    if _without_brackets(answer, gold):
        return True
    pairs = _parts(answer, gold)
    if pairs and depth < 8 and all(_equal(a, g, same_formula, depth + 1) for a, g in pairs):
        return True
    if not gold:
        # That evaluation accepts any number where the gold answer has been deleted altogether.
        return x is not None
    return _equations(answer, gold, same_formula, depth)


def _equations(answer: str, gold: str, same_formula: SameFormula, depth: int) -> bool:
    if answer.count("=") == 1 and gold.count("=") == 1:
        left, right = (_difference(side) for side in (answer, gold))
        return same_formula(left, right) or same_formula(f"-({left})", right)
    for one, other in ((answer, gold), (gold, answer)):
        name, equals, value = one.partition("=")
        if equals and "=" not in value and len(name.strip()) <= 2 and "=" not in other:
            swapped = (value, other) if one is answer else (other, value)
            return depth < 8 and _equal(*swapped, same_formula, depth + 1)
    return same_formula(answer, gold)


def _difference(equation: str) -> str:
    left, right = equation.split("=")
    return f"{left.strip()} - ({right.strip()})"


def _number(text: str) -> float | None:
    text = text.replace(",", "")
    if len(text) > 5_000:
        return None
    try:
        return float(text)
    except ValueError:
        if not text.endswith("%"):
            return None
    try:
        return float(text[:-1].removesuffix("\\")) / 100
    except ValueError:
        return None


def _as_matrix(gold: str) -> str:
    """A set, from the first brace to the last one, as a matrix; "" where there is none."""
    inside, closed, _ = gold[gold.find("{") :].rpartition("}")
    if "{" not in gold or not closed or "," not in inside:
        return ""
    return r"\begin{pmatrix}" + inside.strip("{}").replace(",", "\\") + r"\end{pmatrix}"


def _without_brackets(answer: str, gold: str) -> bool:
    square = answer[:1] == "[" and answer[-1:] == "]"
    round_ = answer[:1] == "(" and answer[-1:] == ")"
    if (square and not (gold[:1] == "(" and gold[-1:] == ")")) or (
        round_ and not (gold[:1] == "[" and gold[-1:] == "]")
    ):
        answer, gold = answer.strip("[]()"), gold.strip("[]()")
    bare = str.maketrans("", "", "{}()")
    return answer.translate(bare).lower() == gold.translate(bare).lower()


_LISTED = re.compile(r"[(\[].+[)\]]")
_MATRIX = re.compile(r"\\begin\{pmatrix\}(.*)\\end\{pmatrix\}", re.DOTALL)


def _parts(answer: str, gold: str) -> list[tuple[str, str]]:
    """Pairs to compare in order if both are lists, or both matrices, of one shape."""
    pairs: list[tuple[str, str]] = []
    if _LISTED.match(answer) and _LISTED.match(gold):
        left, right = answer[1:-1].split(","), gold[1:-1].split(",")
        if len(left) == len(right):
            pairs = list(zip(left, right, strict=True))
        return pairs[:_MAX_PARTS]
    first, second = _MATRIX.fullmatch(answer), _MATRIX.fullmatch(gold)
    if first is None or second is None:
        return pairs
    rows = [[r.split("&") for r in m[1].split("\\\\") if r.strip()] for m in (first, second)]
    if [len(r) for r in rows[0]] == [len(r) for r in rows[1]]:
        for given, wanted in zip(*rows, strict=True):
            pairs += zip(given, wanted, strict=True)
    return pairs[:_MAX_PARTS]
