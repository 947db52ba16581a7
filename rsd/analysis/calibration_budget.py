"""Which threshold sends a given share of the steps to the target.

Under a budget on the target's steps the best rule is the step function whose threshold is the
quantile of the rewards at that share (arXiv 2501.19324, proposition on the optimal weighting).
"""

from __future__ import annotations

from math import inf

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.calibration_data import Floats, Ints, Rewards

RESAMPLES = 1000


class Budget(BaseModel, ser_json_inf_nan="strings"):
    """The threshold for a share of steps by the target."""

    target_share: float = Field(description="the share asked for, in [0, 1]")
    threshold: float = Field(
        description="the largest δ that sends at most that share, rounded down "
        "where that tells the same rewards apart; inf: all"
    )
    ci95: tuple[float, float] = Field(
        description="of threshold, rounded like it; problems resampled. One problem tells nothing "
        "of others: from -inf to inf"
    )
    share: float = Field(description="of the recorded draft steps, those with a reward below it")
    next_share: float = Field(
        description="the share at the next larger δ that makes a difference; far from share "
        "where many rewards are equal"
    )


def budget(rewards: Rewards, target_share: float, seed: int = 0) -> Budget:
    """The threshold for `target_share` in [0, 1], from all recorded rewards of draft steps, kept
    and rejected. Raises `ValueError` for another share."""
    if not 0 <= target_share <= 1:
        raise ValueError(f"{target_share} is no share; give a number from 0 to 1")
    distinct = np.unique(rewards.reward)
    highest = threshold_for(rewards.reward, target_share)
    place = int(np.searchsorted(distinct, highest))
    threshold = rounded(distinct, highest)
    following = float(distinct[place + 1]) if place + 1 < len(distinct) else inf
    return Budget(
        target_share=target_share,
        threshold=threshold,
        ci95=_interval(rewards, target_share, seed),
        share=share_below(rewards.reward, threshold),
        next_share=share_below(rewards.reward, following),
    )


def threshold_for(reward: Floats, share: float) -> float:
    """The largest δ with at most `share` of `reward` (at least one) below it; inf if all may be."""
    return _quantile(np.sort(reward), np.arange(1, len(reward) + 1), share)


def share_below(reward: Floats, threshold: float) -> float:
    """The share of `reward` that `threshold` rejects: those below it."""
    return float(np.mean(reward < threshold))


def rounded(distinct: Floats, threshold: float) -> float:
    """`threshold`, one of the ascending rewards `distinct` or inf, rounded down to the fewest
    digits that tell the same rewards apart."""
    place = int(np.searchsorted(distinct, threshold))
    return readable(float(distinct[place - 1]) if place else -inf, threshold)


def readable(low: float, high: float) -> float:
    """The shortest decimal in (low, high], which tells the same rewards apart as `high` does."""
    if not np.isfinite(high):
        return high
    for digits in range(2, 17):
        scale = 10**digits
        value = float(np.floor(high * scale) / scale)
        if low < value <= high:
            return value
    return high


def _quantile(ordered: Floats, upto: Ints, share: float) -> float:
    """`upto[i]` counts what lies at or before `ordered[i]`."""
    total = int(upto[-1])
    place = int(np.searchsorted(upto, share * total + 1e-9, side="right"))
    return float(ordered[place]) if place < len(ordered) else inf


def _interval(rewards: Rewards, share: float, seed: int) -> tuple[float, float]:
    """The percentile bootstrap: problems are drawn again, with all their steps."""
    order = np.argsort(rewards.reward, kind="stable")
    ordered = rewards.reward[order]
    problem = rewards.problem[rewards.solution[order]]
    present, problem = np.unique(problem, return_inverse=True)
    count, distinct = len(present), np.unique(ordered)
    if count == 1:
        return -inf, inf
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        found.append(_quantile(ordered, np.cumsum(times[problem]), share))
    # Not interpolated: between two thresholds, and beside an infinite one, lies no third.
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    return rounded(distinct, float(low)), rounded(distinct, float(high))
