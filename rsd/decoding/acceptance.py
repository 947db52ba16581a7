"""Weighting functions ω: the probability to accept a draft step, given its reward.

RSD accepts a draft step with probability ω(r) (paper, section 3). A weighting function maps a
reward to that probability in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

Weighting = Callable[[float], float]


def step(threshold: float) -> Weighting:
    """Binary step: 1 if r >= δ, else 0. Under a budget on target calls it is the optimal choice
    (paper, proposition on the optimal weighting). δ = -inf accepts all, +inf accepts nothing."""

    def weight(reward: float) -> float:
        return 1.0 if reward >= threshold else 0.0

    return weight


WEIGHTINGS: dict[str, Callable[[float], Weighting]] = {"step": step}
