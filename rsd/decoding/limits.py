"""Bounds of one solution."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All >= 1. `max_tokens` and `max_steps` bound the response, which also ends when the same step
    or cycle of steps has come `max_repeats` times in a row (`rsd.decoding.repetition`). `context`
    is the smallest context length, in tokens, of the models that read the solution."""

    max_tokens: int
    max_steps: int
    max_repeats: int
    context: int
