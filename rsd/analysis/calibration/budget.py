"""Which threshold sends a given share of the steps to the target.

Under a budget on the target's steps, the best rule is the step function whose threshold is the
quantile of the rewards at that share (arXiv 2501.19324, proposition on the optimal weighting).
"""

from __future__ import annotations

from bisect import bisect_left
from math import inf

import numpy as np
from pydantic import BaseModel

from rsd.analysis.calibration.recorded import Floats, Rewards
from rsd.analysis.statistics.intervals import Interval, grouped_interval


class Budget(BaseModel, ser_json_inf_nan="strings"):
    """The largest δ that sends at most `target_share` of the steps to the target, rounded down as
    far as it rejects the same steps (inf: all). `ci95` holds every δ that the clustered interval of
    the share below it allows, rounded alike; a bound that the problems cannot tell is infinite."""

    target_share: float  # the share asked for, in [0, 1]
    threshold: float
    ci95: tuple[float, float]
    share: float  # of the recorded draft steps, those with a reward below threshold
    next_share: float  # at the next larger δ that makes a difference; larger for equal rewards


def budget(rewards: Rewards, target_share: float) -> Budget:
    """The threshold for `target_share` in [0, 1], from all recorded rewards of draft steps, kept
    and rejected. Raises `ValueError` for another share."""
    if not 0 <= target_share <= 1:
        raise ValueError(f"{target_share} is no share; give a number from 0 to 1")
    highest = threshold_for(rewards.reward, target_share)
    threshold = rounded(rewards.reward, highest)
    return Budget(
        target_share=target_share,
        threshold=threshold,
        ci95=_interval(rewards, target_share),
        share=share_below(rewards.reward, threshold),
        next_share=float(np.mean(rewards.reward <= highest)),
    )


def threshold_for(reward: Floats, share: float) -> float:
    """The largest δ with at most `share` of `reward` (at least one) below it; inf if all may be."""
    place = int(share * len(reward) + 1e-9)
    return float(np.sort(reward)[place]) if place < len(reward) else inf


def share_below(reward: Floats, threshold: float) -> float:
    """The share of `reward` that `threshold` rejects."""
    return float(np.mean(reward < threshold))


def share_interval(rewards: Rewards, threshold: float) -> Interval:
    """The interval of `share_below`, clustered by problem."""
    below = (rewards.reward < threshold).astype(np.float64)
    return grouped_interval(below, rewards.problem[rewards.solution])


def rounded(reward: Floats, threshold: float) -> float:
    """`threshold`, rounded down to the fewest digits that reject the same of `reward`."""
    lower = reward[reward < threshold]
    return readable(float(lower.max()) if len(lower) else -inf, threshold)


def readable(low: float, high: float) -> float:
    """The shortest decimal in (low, high], of two digits or more."""
    if not np.isfinite(high):
        return high
    for digits in range(2, 17):
        value = float(np.floor(high * 10**digits) / 10**digits)
        if low < value <= high:
            return value
    return high


def _interval(rewards: Rewards, share: float) -> tuple[float, float]:
    """The thresholds that the interval of the share of rewards below them does not rule out.

    A threshold is too low before the last reward with surely less than `share` below it, and too
    high from the first with surely more. This inverts the test of the quantile (Woodruff, JASA 47
    (1952) 635). With few problems a bootstrap would cover the truth less often.
    """
    thresholds = np.append(np.unique(rewards.reward), inf)
    places = range(len(thresholds))

    def interval(place: int) -> Interval:
        return share_interval(rewards, float(thresholds[place]))

    first = bisect_left(places, True, key=lambda place: interval(place)[1] >= share) - 1
    last = bisect_left(places, True, key=lambda place: interval(place)[0] > share) - 1
    low = float(thresholds[first]) if first >= 0 else -inf
    return rounded(rewards.reward, low), rounded(rewards.reward, float(thresholds[last]))
