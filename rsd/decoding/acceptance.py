"""Weighting functions ω: RSD accepts a draft step of reward r with probability ω(r) in [0, 1]
(arXiv 2501.19324, section 3)."""

from __future__ import annotations

import math
from collections.abc import Callable

from rsd.config import DecodingConfig

Weighting = Callable[[float], float]

RULE_KEYS = ("threshold", "weighting", "probability", "sharpness")
"""The keys of `decoding` that a strategy with a weighting function reads."""


def step(threshold: float) -> Weighting:
    """Binary step: 1 if r >= δ, else 0. Under a budget on target calls it is the optimal choice
    (paper, proposition on the optimal weighting). δ = -inf accepts all, +inf accepts nothing."""
    return lambda reward: 1.0 if reward >= threshold else 0.0


def constant(probability: float) -> Weighting:
    """The same probability for every reward."""
    return lambda reward: probability


def clipping(reward: float) -> float:
    """The reward itself, clipped: min(1, max(0, r))."""
    return min(1.0, max(0.0, reward))


def sigmoidal(reward: float) -> float:
    """max(0, r / (1 + r)), the paper's "sigmoidal"; at most 1/2 for rewards in [0, 1]."""
    return reward / (1.0 + reward) if reward > 0.0 else 0.0


def logistic(threshold: float, sharpness: float) -> Weighting:
    """1 / (1 + exp(-α (r - δ))), with sharpness α > 0."""

    def weight(reward: float) -> float:
        return 0.5 * (1.0 + math.tanh(0.5 * sharpness * (reward - threshold)))

    return weight


WEIGHTINGS: dict[str, Callable[[DecodingConfig], Weighting]] = {
    "step": lambda decoding: step(decoding.threshold),
    "constant": lambda decoding: constant(decoding.probability),
    "clipping": lambda decoding: clipping,
    "sigmoidal": lambda decoding: sigmoidal,
    "logistic": lambda decoding: logistic(decoding.threshold, decoding.sharpness),
}
