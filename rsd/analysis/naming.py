"""A run's strategy in a few words, for tables, and the order of names."""

from __future__ import annotations

import re
from collections.abc import Collection

from rsd.config import Config, DecodingConfig, strategy_facts
from rsd.types import Role


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
    if label := strategy_facts(it.strategy).label:
        several = f" n={it.candidates}" if it.candidates > 1 else ""
        return label.format(**dict(it), rule=_weighting(it), several=several)
    return it.strategy.rpartition(":")[2]


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
