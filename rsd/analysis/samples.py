"""avg@k, pass@k, maj@k and best-of-k of runs with several samples of each problem.

The figure of a set of problems is the mean over them; its interval takes problems, not samples, as
independent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import BaseModel

from rsd.analysis.outcomes import Outcome, failed, outcome
from rsd.analysis.statistics.intervals import clustered_interval
from rsd.analysis.statistics.several_samples import MOST_VOTES, best_of_k, majority_at_k, pass_at_k
from rsd.records import GradeRecord, RunRecord, TrajectoryRecord

AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda rewards: rewards[-1],
    "min": min,
    "mean": fmean,
    "prod": math.prod,
}
"""Functions that aggregate the rewards of a solution's steps, in order."""


class AtK(BaseModel):
    """A figure for `k` samples of each problem; `value` and its interval are in [0, 1]."""

    k: int
    value: float
    ci95: tuple[float, float]


class Samples(BaseModel):
    """The figures of the problems whose `n` samples all have a verdict, by k = 1 .. n. Failed
    samples are wrong."""

    n: int  # samples of each problem
    problems: int  # problems with all n samples graded; others are left out
    unrewarded: int  # their samples that failed or have no step with a reward
    avg_at_k: AtK  # k = n: the mean accuracy over all samples
    pass_at_k: list[AtK]
    maj_at_k: list[AtK] | None  # None if grades hold no groups of answers; rsd grade adds them
    best_of_k: dict[str, list[AtK]] | None  # keyed by reward aggregation; None without rewards


@dataclass(frozen=True, slots=True)
class GradedSample:
    """One graded solution. Equivalent answers to a problem have the same `group` (None without an
    answer); `rewards` are those of the kept steps, in order."""

    right: bool
    answered: bool
    group: int | None
    rewards: tuple[float, ...]

    @classmethod
    def of(cls, trajectory: TrajectoryRecord, grade: GradeRecord | None) -> GradedSample:
        answered = grade is not None and grade.prediction is not None and not failed(trajectory)
        steps = () if failed(trajectory) else trajectory.steps
        return cls(
            right=outcome(trajectory, grade) is Outcome.RIGHT,
            answered=answered,
            group=grade.group if grade is not None and answered else None,
            rewards=tuple(s.reward for s in steps if s.accepted and s.reward is not None),
        )


def sampled(run: RunRecord, trajectories: Iterable[TrajectoryRecord]) -> Samples | None:
    """The figures of `trajectories`, which belong to `run`; None if it has one sample a problem,
    or no problem with all of its samples graded."""
    n = run.config.decoding.samples
    if n == 1:
        return None
    graded: dict[tuple[str, str], list[GradedSample]] = {}
    for it in trajectories:
        grade = run.grades.get(it.key)
        if outcome(it, grade).counts:
            graded.setdefault(it.key[:2], []).append(GradedSample.of(it, grade))
    problems = [samples for samples in graded.values() if len(samples) == n]
    if not problems:
        return None
    everything = [sample for samples in problems for sample in samples]
    grouped = all(s.group is not None for s in everything if s.answered)
    passes = _over([pass_at_k(n, sum(s.right for s in its)) for its in problems])
    return Samples(
        n=n,
        problems=len(problems),
        unrewarded=sum(not sample.rewards for sample in everything),
        avg_at_k=passes[0].model_copy(update={"k": n}),  # pass@1 is the mean over samples
        pass_at_k=passes,
        maj_at_k=_over([_votes(its) for its in problems]) if grouped and n <= MOST_VOTES else None,
        best_of_k=_best(problems, everything, run.config.models.prm.aggregation),
    )


def _votes(samples: Sequence[GradedSample]) -> tuple[float, ...]:
    sizes = Counter(s.group for s in samples if s.group is not None)
    right = Counter(s.group for s in samples if s.group is not None and s.right)
    # Sorted, so that problems whose votes are alike are computed once.
    groups = sorted((size, right[group] / size) for group, size in sizes.items())
    return majority_at_k(tuple(groups), len(samples) - sum(sizes.values()))


def _best(
    problems: list[list[GradedSample]], everything: list[GradedSample], aggregation: str
) -> dict[str, list[AtK]] | None:
    """Best-of-k by each aggregate that makes sense of the rewards there are."""
    rewards = [reward for sample in everything for reward in sample.rewards]
    if not rewards:
        return None
    names = list(AGGREGATES)
    if aggregation != "last":
        names = ["last"]  # each reward is an aggregate over the steps so far already
    elif min(rewards) < 0:
        names.remove("prod")  # a product of negative rewards orders nothing
    best = {}
    for name in names:
        ranked = [[(_reward(s, name), s.right) for s in samples] for samples in problems]
        best[name] = _over([best_of_k(samples) for samples in ranked])
    return best


def _reward(sample: GradedSample, name: str) -> float:
    return AGGREGATES[name](sample.rewards) if sample.rewards else -math.inf


def _over(problems: Sequence[Sequence[float]]) -> list[AtK]:
    """The means over problems, by k, of their values for k = 1 .. n."""
    count, n = len(problems), len(problems[0])
    figures = []
    for k in range(1, n + 1):
        # Rounding errors must not make a certain success a nearly certain one.
        values = [min(1.0, max(0.0, round(problem[k - 1], 12))) for problem in problems]
        # A problem has n / k separate sets of k samples: no more values than that.
        interval = clustered_interval(values, [1] * count, most=count * n / k)
        figures.append(AtK(k=k, value=min(1.0, sum(values) / count), ci95=interval))
    return figures
