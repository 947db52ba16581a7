"""What a run tells about other thresholds, without decoding anything.

At another δ a solution is the same up to the first place whose verdict changes, or where the
models wrote different steps and the other one is kept now. So it stands for all δ above the
highest reward that was rejected and up to the lowest that was kept. What comes after a change was
never written: its outcome is unknown, and only bounds are given for it.
"""

from __future__ import annotations

from math import isnan

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.calibration.budget import share_below
from rsd.analysis.calibration.recorded import Bools, Floats, Ints, Rewards
from rsd.analysis.statistics.intervals import Interval, grouped_interval, wilson_interval


class AtThreshold(BaseModel, ser_json_inf_nan="strings"):
    """What is known of decoding at `threshold`. Shares and accuracies are in [0, 1]."""

    threshold: float
    target_share: float = Field(description="share of the recorded draft steps below threshold")
    target_share_ci95: tuple[float, float] = Field(description="clustered by problem")
    solutions: int = Field(description="recorded solutions with a verdict")
    unchanged: int = Field(description="of these, those that would be written again as they are")
    right_unchanged: int = Field(description="of the unchanged, those that are right")
    accuracy_unchanged: float | None
    accuracy_least: float | None = Field(description="if all changed solutions were wrong")
    accuracy_most: float | None = Field(description="if all changed solutions were right")
    ci95: tuple[float, float] | None = Field(
        description="the bounds, each with its sampling error: lower end of the interval of the "
        "least accuracy, upper end of that of the most"
    )
    first_change: float | None = Field(
        description="of the changed solutions, the median share of their steps that come before "
        "the first change"
    )


def replay(rewards: Rewards, threshold: float) -> AtThreshold:
    """What `rewards` tell of decoding with the step function at `threshold`."""
    counted = ~np.isnan(rewards.right)
    same = stands(rewards, threshold)
    right, known = rewards.right == 1, counted & same
    n, unchanged = int(counted.sum()), int(known.sum())
    least, most = right & known, (right & known) | (counted & ~same)
    problem = rewards.problem[counted]
    low, high = _interval(least[counted], problem), _interval(most[counted], problem)
    return AtThreshold(
        threshold=threshold,
        target_share=share_below(rewards.reward, threshold),
        target_share_ci95=_share_interval(rewards, threshold),
        solutions=n,
        unchanged=unchanged,
        right_unchanged=int(least.sum()),
        accuracy_unchanged=float(least.sum() / unchanged) if unchanged else None,
        accuracy_least=float(least.sum() / n) if n else None,
        accuracy_most=float(most.sum() / n) if n else None,
        ci95=(low[0], high[1]) if low and high else None,
        first_change=_first_change(rewards, threshold, counted & ~same),
    )


def stands(rewards: Rewards, threshold: float) -> Bools:
    """For each solution, whether it would be written again as it is at `threshold`."""
    same = np.ones(len(rewards.keys), dtype=np.bool_)
    same[rewards.solution[_changes(rewards, threshold)]] = False
    return same


def _changes(rewards: Rewards, threshold: float) -> Bools:
    """For each place, whether another step would be kept there."""
    other = (rewards.reward >= threshold) != rewards.kept
    return np.asarray(other & ~rewards.repeated, dtype=np.bool_)


def _first_change(rewards: Rewards, threshold: float, which: Bools) -> float | None:
    changes = _changes(rewards, threshold)
    places = np.bincount(rewards.solution, minlength=len(rewards.keys))
    first = np.full(len(rewards.keys), np.inf)
    position = _position(rewards.solution)
    np.minimum.at(first, rewards.solution[changes], position[changes])
    median = float(np.median(first[which] / places[which])) if which.any() else np.nan
    return None if isnan(median) else median


def _position(solution: Ints) -> Floats:
    """The number of each place within its solution, from 0; `solution` is in order."""
    starts = np.searchsorted(solution, solution, side="left")
    return (np.arange(len(solution)) - starts).astype(np.float64)


def _share_interval(rewards: Rewards, threshold: float) -> Interval:
    below = (rewards.reward < threshold).astype(np.float64)
    return grouped_interval(below, rewards.problem[rewards.solution])


def _interval(values: Bools, problem: Ints) -> Interval | None:
    if not len(values):
        return None
    if len(np.unique(problem)) == len(values):
        return wilson_interval(int(values.sum()), len(values))
    return grouped_interval(values.astype(np.float64), problem)
