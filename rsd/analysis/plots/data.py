"""The numbers of the pictures, from analyzed runs; knows nothing of drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isinf, nan, sqrt
from typing import TypeVar

import numpy as np
from scipy.special import stdtrit

from rsd.analysis.compare import is_target_alone
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, decided, disturbed, failed, outcome, verdicts
from rsd.analysis.statistics.intervals import Interval, clustered_interval
from rsd.analysis.tables.labels import labels, natural, run_name
from rsd.config import DecodingConfig
from rsd.costs import flops, share, speculation_cost
from rsd.records import Key

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval and the number of problems behind it."""

    value: float
    ci95: Interval
    n: int

    @property
    def errors(self) -> tuple[list[float], list[float]]:
        """How far the interval reaches below and above, as matplotlib wants it."""
        low, high = self.ci95
        return [max(0.0, self.value - low)], [max(0.0, high - self.value)]


@dataclass(frozen=True, slots=True)
class CostPoint:
    """One run: what a problem costs on average, and how often it is solved."""

    run: str  # the name of its directory
    label: str
    kind: str  # draft, target, judged or other
    cost: Estimate
    accuracy: Estimate


def accuracy(run: AnalyzedRun) -> Estimate | None:
    overall = run.metrics.overall
    if overall.accuracy is None or overall.ci95 is None:
        return None
    problems = {key[:2] for key in verdicts(run.run)}
    return Estimate(overall.accuracy, overall.ci95, len(problems))


def by_flops(runs: list[AnalyzedRun]) -> list[CostPoint]:
    """FLOPs of a finished solution, the PRM reading each position once; runs whose models' sizes
    are unknown are left out."""
    return _points(runs, _flops)


def by_latency(runs: list[AnalyzedRun]) -> list[CostPoint]:
    """Seconds of an `undelayed` solution; runs that are not `timed` are left out."""
    points = _points(runs, lambda run, key: run.run.trajectories[key].seconds, undelayed)
    timed_runs = {run_name(run) for run in runs if timed(run)}
    return [point for point in points if point.run in timed_runs]


def timed(run: AnalyzedRun) -> bool:
    """Whether the run's times tell something: not where the step cache gave answers."""
    return run.metrics.overall.speed_void is None


def thresholds(runs: list[AnalyzedRun]) -> dict[str, list[tuple[float, AnalyzedRun]]]:
    """Sweeps over δ among `runs`, by name: runs of one configuration but for its threshold (and
    how many problems were asked), at least two finite ones, ascending."""
    sweeps: dict[str, list[tuple[float, AnalyzedRun]]] = {}
    for run in runs:
        config = run.run.config
        decoding = dict(config.determinants()["decoding"])
        threshold = decoding.pop("threshold", inf)
        by_reward = config.decoding.strategy == "guided" or (
            config.decoding.strategy == "rsd" and config.decoding.weighting in ("step", "logistic")
        )
        if by_reward and not isinf(threshold):
            determinants = config.determinants()
            same = repr((determinants["models"], decoding, determinants["tasks"]))
            sweeps.setdefault(same, []).append((threshold, run))
    several = [
        sorted(its, key=lambda it: it[0])
        for its in sweeps.values()
        if len({threshold for threshold, _ in its}) > 1
    ]
    named: dict[str, list[tuple[float, AnalyzedRun]]] = {}
    for its in several:
        name = _name_of_sweep(its[0][1].run.config.decoding)
        named[name if name not in named else f"{name} ({len(named) + 1})"] = its
    return named


def _name_of_sweep(it: DecodingConfig) -> str:
    rule = "RSD" if it.strategy == "rsd" and it.weighting == "step" else it.strategy
    rule += "" if it.weighting == "step" else f" {it.weighting}"
    return f"{rule} n={it.candidates}" if it.candidates > 1 else rule


def acceptance(run: AnalyzedRun) -> Estimate | None:
    """The share of draft steps kept, in finished solutions."""
    kept: dict[tuple[str, str], int] = {}
    tried: dict[tuple[str, str], int] = {}
    for key in finished(run):
        fold = run.folds[key]
        kept[key[:2]] = kept.get(key[:2], 0) + fold.draft_steps_kept
        places = fold.draft_steps_kept + fold.draft_steps_rejected
        tried[key[:2]] = tried.get(key[:2], 0) + places
    problems = [problem for problem, count in tried.items() if count]
    return _share([kept[it] for it in problems], [tried[it] for it in problems])


def rewards_by_answer(run: AnalyzedRun) -> tuple[list[float], list[float]]:
    """Rewards of all scored draft steps, kept or not, of right and of wrong solutions. Failed and
    undecided ones are neither."""
    right: list[float] = []
    wrong: list[float] = []
    for key, verdict in decided(run.run).items():
        steps = run.run.trajectories[key].steps
        its = [s.reward for s in steps if s.source == "draft" and s.reward is not None]
        (right if verdict else wrong).extend(its)
    return right, wrong


def alone_by_level(run: AnalyzedRun) -> dict[str, Estimate]:
    """The share of problems that the draft solved alone, right and without a step of the target,
    by level of difficulty; by task where problems have none."""
    tallies: dict[str, dict[tuple[str, str], tuple[int, int]]] = {}
    several = len(run.metrics.tasks) > 1
    for key, it in run.run.trajectories.items():
        verdict = outcome(it, run.run.grades.get(key))
        if verdict not in (Outcome.RIGHT, Outcome.WRONG):
            continue
        level = it.level or key[0]
        name = f"{key[0]} {level}" if several and it.level else level
        alone = verdict is Outcome.RIGHT and not run.folds[key].target_steps_kept
        problems = tallies.setdefault(name, {})
        right, count = problems.get(key[:2], (0, 0))
        problems[key[:2]] = (right + alone, count + 1)
    found = {}
    for name in sorted(tallies, key=natural):
        estimate = _share(*map(list, zip(*tallies[name].values(), strict=True)))
        if estimate is not None:
            found[name] = estimate
    return found


def latencies(run: AnalyzedRun) -> list[float]:
    """Seconds of each `undelayed` solution, ascending; none of a run that is not `timed`."""
    if not timed(run):
        return []
    return sorted(run.run.trajectories[key].seconds for key in undelayed(run))


def finished(run: AnalyzedRun) -> list[Key]:
    """The solutions that did not fail."""
    return [key for key, it in run.run.trajectories.items() if not failed(it)]


def undelayed(run: AnalyzedRun) -> list[Key]:
    """Of these, those whose seconds are their own: no request was asked again or waited."""
    return [key for key in finished(run) if not disturbed(run.run.trajectories[key])]


def concurrency(runs: list[AnalyzedRun]) -> str:
    """How many problems were in work at a time."""
    sessions = [session for run in runs for session in run.run.manifest.sessions]
    counts = {it.in_flight for it in sessions if it.in_flight is not None}
    if not counts:
        return "an unknown number of"
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def count(values: Sequence[int]) -> str:
    """`200`, or `150 to 200` where they differ."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def some(items: Sequence[T], most: int) -> list[T]:
    """At most `most` (>= 2) of `items`, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def kind(run: AnalyzedRun) -> str:
    strategy = run.run.config.decoding.strategy
    if strategy == "draft" or is_target_alone(run):
        return strategy
    return "judged" if {"draft", "target"} <= run.run.manifest.models.keys() else "other"


def _points(
    runs: list[AnalyzedRun],
    cost: Callable[[AnalyzedRun, Key], float],
    costing: Callable[[AnalyzedRun], list[Key]] = finished,
) -> list[CostPoint]:
    """Accuracy over all problems against the mean `cost` of the solutions in `costing`."""
    points = []
    for run, label in zip(runs, labels(runs), strict=True):
        right, spent = accuracy(run), _mean([(key[:2], cost(run, key)) for key in costing(run)])
        if right is not None and spent is not None:
            points.append(CostPoint(run_name(run), label, kind(run), spent, right))
    return points


def _flops(run: AnalyzedRun, key: Key) -> float:
    manifest = run.run.manifest
    cost = flops(run.folds[key], manifest.parameters, speculation_cost(manifest)).prm_once
    return nan if cost is None else cost


def _mean(values: list[tuple[tuple[str, str], float]]) -> Estimate | None:
    """The mean, its interval by Student's t over problems (their totals and numbers)."""
    sums: dict[tuple[str, str], list[float]] = {}
    for problem, value in values:
        sums.setdefault(problem, []).append(value)
    totals = np.array([sum(its) for its in sums.values()])
    sizes = np.array([len(its) for its in sums.values()])
    n = len(totals)
    if not n or not np.isfinite(totals).all():
        return None
    mean = float(totals.sum() / sizes.sum())
    if n == 1:
        return Estimate(mean, (mean, mean), n)
    variance = n / (n - 1) * float(((totals - mean * sizes) ** 2).sum()) / float(sizes.sum()) ** 2
    half = float(stdtrit(n - 1, 0.975)) * sqrt(variance)
    return Estimate(mean, (mean - half, mean + half), n)


def _share(totals: Sequence[int], sizes: Sequence[int]) -> Estimate | None:
    value = share(sum(totals), sum(sizes) - sum(totals))
    if value is None:
        return None
    return Estimate(value, clustered_interval(totals, sizes), len(sizes))
