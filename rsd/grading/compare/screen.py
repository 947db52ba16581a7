"""Which text may reach sympy. Its parsers and simplifiers have no bound of their own."""

from __future__ import annotations

import re

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
    """Whether sympy may see `text`: short, shallow, without towers, huge factorials or code."""
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
