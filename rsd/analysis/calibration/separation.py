"""How well rewards separate draft steps of right solutions from those of wrong ones.

Only kept draft steps led to an answer; after a rejected one the target went on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel
from scipy.special import stdtrit

from rsd.analysis.calibration.recorded import Bools, Floats, Ints, Rewards
from rsd.analysis.statistics.intervals import grouped_interval, score_interval

BINS = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Auc(BaseModel):
    """The chance that a right case has a higher reward than a wrong one; ties count half."""

    value: float
    ci95: tuple[float, float]  # clustered by problem
    right: int
    wrong: int


class RewardGroup(BaseModel):
    """Rewards of one kind of draft steps."""

    name: str
    steps: int
    quantiles: dict[str, float]  # of the rewards, by share


class RewardBin(BaseModel):
    """Kept draft steps of similar reward: how often their answers are right."""

    low: float
    high: float
    steps: int
    problems: int
    mean_reward: float
    share_right: float
    ci95: tuple[float, float]  # of share_right, clustered by problem


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rewards with the verdict on the answer, and the problem of each."""

    reward: Floats
    right: Bools
    problem: Ints


def kept_steps(rewards: Rewards) -> Labelled:
    """The kept draft steps of solutions with a verdict."""
    right = rewards.right[rewards.solution]
    which = rewards.kept & ~np.isnan(right)
    problem = rewards.problem[rewards.solution]
    return Labelled(rewards.reward[which], right[which] == 1, problem[which])


def lowest_of_solutions(rewards: Rewards) -> Labelled:
    """For each solution with a verdict, the lowest reward of its kept draft steps."""
    lowest = np.full(len(rewards.keys), np.inf)
    np.minimum.at(lowest, rewards.solution[rewards.kept], rewards.reward[rewards.kept])
    which = np.isfinite(lowest) & ~np.isnan(rewards.right)
    return Labelled(lowest[which], rewards.right[which] == 1, rewards.problem[which])


def groups(rewards: Rewards) -> list[RewardGroup]:
    """Rewards of kept and of replaced draft steps, by whether the solution's answer is right."""
    right = rewards.right[rewards.solution]
    found = []
    for kept, what in ((True, "kept"), (False, "replaced")):
        for verdict, answer in ((1, "right"), (0, "wrong")):
            some = rewards.reward[(rewards.kept == kept) & (right == verdict)]
            if len(some):
                quantiles = {f"{q:g}": float(np.quantile(some, q)) for q in QUANTILES}
                name = f"{what}, answer {answer}"
                found.append(RewardGroup(name=name, steps=len(some), quantiles=quantiles))
    return found


def clustered_auc(it: Labelled) -> Auc | None:
    """The area under the ROC curve; None unless there are right and wrong ones.

    The variance v is Obuchowski's for clustered data (Biometrics 53 (1997) 567). The interval is
    Wilson's with AUC (1 - AUC) / v for the number of cases and the t distribution with as many
    degrees of freedom as the class with fewer problems has, less one. Where v is 0, or the AUC is
    0 or 1, the number of these problems is the number of cases.
    """
    positive, negative = it.reward[it.right], it.reward[~it.right]
    if not len(positive) or not len(negative):
        return None
    above, below = _placements(positive, negative), 1 - _placements(negative, positive)
    value = float(above.mean())
    _, problem = np.unique(it.problem, return_inverse=True)
    ours, theirs = problem[it.right], problem[~it.right]
    least = min(len(np.unique(ours)), len(np.unique(theirs)))
    variance = _variance(above - value, ours, below - value, theirs)
    effective = float(least)
    if variance > 0 and 0 < value < 1:
        effective = max(1.0, value * (1 - value) / variance)
    quantile = float(stdtrit(max(1, least - 1), 0.975))
    low, high = score_interval(value, effective, quantile)
    return Auc(value=value, ci95=(low, high), right=len(positive), wrong=len(negative))


def reliability(it: Labelled, bins: int = BINS) -> list[RewardBin]:
    """How often steps of similar reward led to a right answer, in up to `bins` bins of about equal
    numbers of steps; equal rewards share a bin."""
    ranks = np.searchsorted(np.sort(it.reward), it.reward, side="left")
    number = ranks * bins // max(1, len(it.reward))
    found = []
    for which in (number == i for i in np.unique(number)):
        some, right, problem = it.reward[which], it.right[which], it.problem[which]
        found.append(
            RewardBin(
                low=float(some.min()),
                high=float(some.max()),
                steps=len(some),
                problems=len(np.unique(problem)),
                mean_reward=float(some.mean()),
                share_right=float(right.mean()),
                ci95=grouped_interval(right.astype(np.float64), problem),
            )
        )
    return found


def commonest_share(rewards: Rewards) -> float:
    """The share of draft steps with the most common reward, to six decimals."""
    _, counts = np.unique(np.round(rewards.reward, 6), return_counts=True)
    return float(counts.max() / counts.sum())


def _placements(ours: Floats, theirs: Floats) -> Floats:
    """For each of `ours`, the share of `theirs` below it; ties count half."""
    ordered = np.sort(theirs)
    below = np.searchsorted(ordered, ours, side="left")
    upto = np.searchsorted(ordered, ours, side="right")
    return np.asarray((below + upto) / (2 * len(theirs)), dtype=np.float64)


def _variance(above: Floats, ours: Ints, below: Floats, theirs: Ints) -> float:
    """The variance of the AUC, from the centred placements of both classes and their problems."""
    count = int(max(ours.max(), theirs.max())) + 1
    first = np.bincount(ours, weights=above / len(ours), minlength=count)
    second = np.bincount(theirs, weights=below / len(theirs), minlength=count)

    def scale(problems: int) -> float:
        return problems / (problems - 1) if problems > 1 else 1.0

    return (
        scale(len(np.unique(ours))) * float(first @ first)
        + scale(len(np.unique(theirs))) * float(second @ second)
        + 2 * scale(count) * float(first @ second)
    )
