"""The numbers that several plots and the exports share, from analyzed runs; draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy.special import stdtrit

from rsd.analysis.compare import is_target_alone
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import disturbed, failed, verdicts
from rsd.analysis.statistics.intervals import Interval, clustered_interval
from rsd.analysis.tables.labels import labels, run_name
from rsd.costs import flops, speculation_cost
from rsd.records import Key


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


def by_flops(runs: list[AnalyzedRun]) -> list[CostPoint]:
    """FLOPs of a finished solution, the PRM reading each position once; runs whose models' sizes
    are unknown are left out."""

    def spent(run: AnalyzedRun, key: Key) -> float:
        manifest = run.run.manifest
        cost = flops(run.costs[key], manifest.parameters, speculation_cost(manifest)).prm_once
        return nan if cost is None else cost

    return _points(runs, finished, spent)


def by_latency(runs: list[AnalyzedRun]) -> list[CostPoint]:
    """Seconds of an `undelayed` solution; runs that are not `timed` are left out."""
    timed_runs = {run_name(run) for run in runs if timed(run)}
    points = _points(runs, undelayed, lambda run, key: run.run.trajectories[key].seconds)
    return [point for point in points if point.run in timed_runs]


def latencies(run: AnalyzedRun) -> list[float]:
    """Seconds of each `undelayed` solution, ascending; none of a run that is not `timed`."""
    if not timed(run):
        return []
    return sorted(run.run.trajectories[key].seconds for key in undelayed(run))


def accuracy(run: AnalyzedRun) -> Estimate | None:
    overall = run.metrics.overall
    if overall.accuracy is None or overall.ci95 is None:
        return None
    problems = {key[:2] for key in verdicts(run.run)}
    return Estimate(overall.accuracy, overall.ci95, len(problems))


def share_of(parts: Iterable[tuple[Key, int, int]]) -> Estimate | None:
    """The sum of the parts over the sum of the wholes, of (key, part, whole) for each solution,
    with an interval by problem; None without any."""
    sums = _by_problem(parts)
    sizes = [whole for _, whole in sums if whole]
    totals = [part for part, whole in sums if whole]
    if not sizes:
        return None
    return Estimate(sum(totals) / sum(sizes), clustered_interval(totals, sizes), len(sizes))


def timed(run: AnalyzedRun) -> bool:
    """Whether the run's times are valid: the step cache gave no answers."""
    return run.metrics.overall.speed_void is None


def finished(run: AnalyzedRun) -> list[Key]:
    """The solutions that did not fail."""
    return [key for key, it in run.run.trajectories.items() if not failed(it)]


def undelayed(run: AnalyzedRun) -> list[Key]:
    """The finished solutions without a request that was retried or waited for a lost server."""
    return [key for key in finished(run) if not disturbed(run.run.trajectories[key])]


def kind(run: AnalyzedRun) -> str:
    strategy = run.run.config.decoding.strategy
    if strategy == "draft" or is_target_alone(run):
        return strategy
    return "judged" if {"draft", "target"} <= run.run.manifest.models.keys() else "other"


def _points(
    runs: list[AnalyzedRun],
    solutions: Callable[[AnalyzedRun], list[Key]],
    cost: Callable[[AnalyzedRun, Key], float],
) -> list[CostPoint]:
    """Accuracy over all problems against the mean `cost` of `solutions`."""
    points = []
    for run, label in zip(runs, labels(runs), strict=True):
        right, spent = accuracy(run), _mean((key, cost(run, key)) for key in solutions(run))
        if right is not None and spent is not None:
            points.append(CostPoint(run_name(run), label, kind(run), spent, right))
    return points


def _mean(values: Iterable[tuple[Key, float]]) -> Estimate | None:
    """The mean, its interval by Student's t over problems; None if a value is unknown (nan)."""
    sums = _by_problem((key, value, 1) for key, value in values)
    totals, sizes = np.array([total for total, _ in sums]), np.array([size for _, size in sums])
    n = len(sums)
    if not n or not np.isfinite(totals).all():
        return None
    mean = float(totals.sum() / sizes.sum())
    if n == 1:
        return Estimate(mean, (mean, mean), n)
    variance = n / (n - 1) * float(((totals - mean * sizes) ** 2).sum()) / float(sizes.sum()) ** 2
    half = float(stdtrit(n - 1, 0.975)) * sqrt(variance)
    return Estimate(mean, (mean - half, mean + half), n)


def _by_problem(values: Iterable[tuple[Key, float, int]]) -> list[tuple[float, int]]:
    """For each problem, the sums over its samples."""
    sums: dict[tuple[str, str], tuple[float, int]] = {}
    for key, part, whole in values:
        parts, wholes = sums.get(key[:2], (0, 0))
        sums[key[:2]] = (parts + part, wholes + whole)
    return list(sums.values())
