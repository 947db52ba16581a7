"""The outcome of a run at other thresholds, as far as its records determine it.

At another δ a solution is the same up to the first place where another step is kept and the models
wrote different steps. So it is unchanged for all δ above the highest rejected reward and up to the
lowest kept one. What comes after a change was never written, so only bounds are given for it.
"""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from rsd.analysis.calibration.budget import share_below, share_interval
from rsd.analysis.calibration.recorded import Bools, Ints, Rewards
from rsd.analysis.statistics.intervals import Interval, grouped_interval, wilson_interval


class AtThreshold(BaseModel, ser_json_inf_nan="strings"):
    """What is known of decoding at `threshold`. Shares and accuracies are in [0, 1].

    `ci95` is from the lower end of the interval of `accuracy_least` to the upper end of that of
    `accuracy_most`. `wasted` is the share of the rejected draft steps where the target's step has
    no better reward, `mistaken` the share of the kept ones where it has; both need a run that
    scored the steps of both models (oracle).
    """

    threshold: float
    target_share: float  # of the recorded draft steps, those below threshold
    target_share_ci95: tuple[float, float]  # clustered by problem
    solutions: int  # recorded solutions with a verdict
    unchanged: int  # of these, those that would be written again as they are
    accuracy_unchanged: float | None
    accuracy_least: float | None  # if all changed solutions were wrong
    accuracy_most: float | None  # if all changed solutions were right
    ci95: tuple[float, float] | None
    wasted: float | None
    mistaken: float | None


def replay(rewards: Rewards, threshold: float) -> AtThreshold:
    """The known outcome of decoding with the step function at `threshold`."""
    counted, same = ~np.isnan(rewards.right), unchanged(rewards, threshold)
    least = ((rewards.right == 1) & same)[counted]
    most = least | ~same[counted]
    n, known, problem = len(least), int((counted & same).sum()), rewards.problem[counted]
    low, high = _interval(least, problem), _interval(most, problem)
    scored = ~np.isnan(rewards.alternative)
    better = (rewards.alternative > rewards.reward)[scored]
    kept = (rewards.reward >= threshold)[scored]
    return AtThreshold(
        threshold=threshold,
        target_share=share_below(rewards.reward, threshold),
        target_share_ci95=share_interval(rewards, threshold),
        solutions=n,
        unchanged=known,
        accuracy_unchanged=float(least.sum() / known) if known else None,
        accuracy_least=float(least.mean()) if n else None,
        accuracy_most=float(most.mean()) if n else None,
        ci95=(low[0], high[1]) if low and high else None,
        wasted=float(np.mean(~better[~kept])) if not kept.all() else None,
        mistaken=float(np.mean(better[kept])) if kept.any() else None,
    )


def unchanged(rewards: Rewards, threshold: float) -> Bools:
    """For each solution, whether it would be written again as it is at `threshold`."""
    changes = ((rewards.reward >= threshold) != rewards.kept) & ~rewards.repeated
    same = np.ones(len(rewards.keys), dtype=np.bool_)
    same[rewards.solution[changes]] = False
    return same


def _interval(values: Bools, problem: Ints) -> Interval | None:
    if not len(values):
        return None
    if len(np.unique(problem)) == len(values):
        return wilson_interval(int(values.sum()), len(values))
    return grouped_interval(values.astype(np.float64), problem)
