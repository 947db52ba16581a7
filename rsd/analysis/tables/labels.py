"""A run's strategy in a few words, for tables, and the order of names."""

from __future__ import annotations

import re
from collections.abc import Collection

from rsd.config import Config, DecodingConfig
from rsd.types import Role

JUDGING = ("rsd", "random", "oracle", "guided", "confidence")
"""Strategies that keep or reject each draft step by a rule."""


def in_words(config: Config, roles: Collection[Role]) -> str:
    """The strategy with the keys that make it what it is, such as `RSD δ=0.7`. `+ SD`: the
    target, one of the `roles` that it asks, decodes speculatively in its server."""
    decoding = config.decoding
    words = _describe(decoding)
    speculative = config.models.target.serve.speculative is not None
    return f"{words} + SD" if speculative and "target" in roles else words


def delta(threshold: float) -> str:
    """A threshold in as few digits as it has, up to nine: those of a reward in single precision,
    so that one just below 1 is not called 1."""
    return f"{threshold:.9g}"


def _describe(it: DecodingConfig) -> str:
    n, threshold = it.candidates, f"δ={delta(it.threshold)}"
    several = f" n={n}" if n > 1 else ""
    known = {
        "rsd": f"RSD {_weighting(it)}{several}",
        "draft": "draft alone",
        "target": "target alone",
        "majority": f"majority of {n}, {it.writer}",
        "best_of_n": f"best of {n}, {it.writer}",
        "process_best_of_n": f"process best of {n}, {it.writer}",
        "beam": f"beam {n}x{it.beams}, {it.writer}",
        "random": f"random p={it.probability:g}",
        "first_steps": f"first {it.first_steps} by target",
        "oracle": f"oracle {_weighting(it)}",
        "guided": f"guided {threshold}{several}",
        "confidence": f"confidence {threshold}",
    }
    return known.get(it.strategy, it.strategy.rpartition(":")[2])


def _weighting(it: DecodingConfig) -> str:
    return {
        "step": f"δ={delta(it.threshold)}",
        "constant": f"p={it.probability:g}",
        "logistic": f"logistic δ={delta(it.threshold)} α={it.sharpness:g}",
    }.get(it.weighting, it.weighting)


def natural(text: str) -> list[tuple[int, str]]:
    """Sorts texts with the numbers in them (of the digits 0 to 9) as numbers:
    `level 2` before `level 10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(int(it), "") if it.isascii() and it.isdigit() else (-1, it) for it in parts]
