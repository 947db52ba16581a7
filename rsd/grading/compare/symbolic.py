"""The last rule: math-verify, on LaTeX that this package's own parser does not read.

Runs in a worker process only. math-verify's own time limits rest on SIGALRM and stay off; the
worker's limit replaces them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from rsd.grading.compare.screen import is_safe


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
