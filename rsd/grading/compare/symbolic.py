"""The last rule: math-verify, on LaTeX that this package's own parser does not read.

Runs in a worker process only, whose time limit replaces math-verify's own (they use SIGALRM). Its
parsers and simplifiers, sympy's, have no bound of their own, so the text is screened first.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache
from typing import Any

MAX_LENGTH = 500
MAX_NESTING = 12
_TOWER = re.compile(r"(?:\^|\*\*)\s*[{(]*\s*[^{}()^*]{1,20}\s*(?:\^|\*\*)")
_LARGE_POWER = re.compile(r"(?:\^|\*\*)\s*[{(]*\s*-?\d{4,}")
_LARGE_FACTORIAL = re.compile(r"\d{4,}\s*\)*\s*!|!\s*\)*\s*!")
_LARGE_NUMBER = re.compile(r"\d{400,}|\d[eE][-+]?\d{3,}")
_LARGE_BINOMIAL = re.compile(r"\\[dt]?binom\s*\{\s*\d{5,}")
_LARGE_BOUND = re.compile(r"\\(?:sum|prod|int)(?![a-z]).*\d{4,}", re.DOTALL)
_INFINITE = re.compile(r"\\(?:sum|prod|bigcup|bigcap)(?![a-z]).*\\infty", re.DOTALL)
_CODE = re.compile(r"__|\blambda\s+\w+\s*:|\b(?:import|exec|eval|open|sympify|getattr)\b|\.\w+\(")


def is_safe(text: str) -> bool:
    """Whether sympy may read `text`: short, shallow, no power towers, huge factorials or code."""
    text = re.sub(r"\\(?:left|right)(?![a-z])|\s", "", text)
    if len(text) > MAX_LENGTH or _nesting(text) > MAX_NESTING:
        return False
    patterns = (
        _TOWER, _LARGE_POWER, _LARGE_FACTORIAL, _LARGE_NUMBER, _LARGE_BINOMIAL, _LARGE_BOUND,
        _INFINITE, _CODE,
    )  # fmt: skip
    return not any(pattern.search(text) for pattern in patterns)


def _nesting(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char in "({[":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")}]":
            depth -= 1
    return deepest


def _ignore(message: str) -> None:
    """Outside a worker nobody waits for the import."""


announce: Callable[[str], None] = _ignore  # set by the worker: importing sympy takes a second


@cache
def _library() -> tuple[Any, Any, Any]:
    announce("loading")
    from math_verify import LatexExtractionConfig, parse, verify

    for name in ("math_verify", "math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    announce("loaded")
    return parse, verify, [LatexExtractionConfig()]


def math_verify_says(answer: str, gold: str) -> bool | None:
    """math-verify's opinion, gold first (it is not symmetric); None where it reads no answer."""
    if not (is_safe(answer) and is_safe(gold)):
        return None
    parse, verify, config = _library()
    trees = []
    for text in (gold, answer):
        found = parse(f"${text}$", config, fallback_mode="no_fallback", parsing_timeout=None)
        if not found or isinstance(found[0], str):
            return None
        trees.append(found)
    return bool(verify(*trees, timeout_seconds=None, float_rounding=12))
