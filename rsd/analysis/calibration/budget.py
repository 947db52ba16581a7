"""Which threshold sends a given share of the steps to the target.

Under a budget on the target's steps the best rule is the step function whose threshold is the
quantile of the rewards at that share (arXiv 2501.19324, proposition on the optimal weighting).
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.calibration.recorded import Floats, Rewards
from rsd.analysis.statistics.intervals import Interval, grouped_interval


class Budget(BaseModel, ser_json_inf_nan="strings"):
    """The threshold for a share of steps by the target."""

    target_share: float = Field(description="the share asked for, in [0, 1]")
    threshold: float = Field(
        description="the largest δ that sends at most that share, rounded down "
        "where that tells the same rewards apart; inf: all"
    )
    ci95: tuple[float, float] = Field(
        description="of threshold, rounded like it: every δ that the clustered interval of the "
        "share below it allows. A bound that the problems do not tell is infinite"
    )
    share: float = Field(description="of the recorded draft steps, those with a reward below it")
    next_share: float = Field(
        description="the share at the next larger δ that makes a difference; far from share "
        "where many rewards are equal"
    )


def budget(rewards: Rewards, target_share: float) -> Budget:
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
        ci95=_interval(rewards, target_share),
        share=share_below(rewards.reward, threshold),
        next_share=share_below(rewards.reward, following),
    )


def threshold_for(reward: Floats, share: float) -> float:
    """The largest δ with at most `share` of `reward` (at least one) below it; inf if all may be."""
    place = int(share * len(reward) + 1e-9)
    return float(np.sort(reward)[place]) if place < len(reward) else inf


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


def _interval(rewards: Rewards, share: float) -> tuple[float, float]:
    """The thresholds that the interval of the share of rewards below them does not rule out.

    Too low are those before the last reward with surely less than `share` below it, too high those
    from the first with surely more. Unlike a bootstrap of few problems this covers the truth as
    often as the clustered interval does. Inverting the test of the quantile: Woodruff, JASA 47
    (1952) 635.
    """
    distinct = np.unique(rewards.reward)
    thresholds, problem = np.append(distinct, inf), rewards.problem[rewards.solution]
    places = range(len(thresholds))

    def below(place: int) -> Interval:
        values = (rewards.reward < thresholds[place]).astype(np.float64)
        return grouped_interval(values, problem)

    first = bisect_left(places, True, key=lambda place: below(place)[1] >= share) - 1
    last = bisect_left(places, True, key=lambda place: below(place)[0] > share) - 1
    low = float(thresholds[first]) if first >= 0 else -inf
    return rounded(distinct, low), rounded(distinct, float(thresholds[last]))
