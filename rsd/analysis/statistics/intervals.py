"""95% intervals of proportions and of means of values in [0, 1], also of values in clusters."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats would add a second to every command

Interval = tuple[float, float]
"""(lower, upper) bound."""

NORMAL = NormalDist().inv_cdf(0.975)
"""The quantile of the normal distribution for a 95% interval."""


def wilson_interval(successes: int, n: int) -> Interval:
    """The Wilson score interval of a proportion, within [0, 1] and containing `successes / n`.

    Unlike the normal approximation it is sound for proportions near 0 and 1. Source: Wilson,
    JASA 22 (1927) 209; recommended by Brown, Cai and DasGupta, Stat. Sci. 16 (2001) 101.
    Raises `ValueError` unless 0 <= successes <= n and n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} are no proportion")
    return score_interval(successes / n, n, NORMAL)


def clustered_interval(
    totals: Sequence[float], sizes: Sequence[int], *, most: float | None = None
) -> Interval:
    """The interval of sum(totals) / sum(sizes), a mean of values in [0, 1] that come in clusters:
    cluster i has `sizes[i]` (>= 1) values with the sum `totals[i]`.

    Clusters are independent; values of one cluster, as the samples of one problem, are not. The
    clustered variance of the mean m over C clusters of N values in all is

        v = C / (C - 1) * sum_i (totals[i] - m * sizes[i])^2 / N^2

    (the clustered standard error of Miller, arXiv 2411.00640, squared, with the usual correction
    for few clusters). In Wilson's interval, the effective sample size m (1 - m) / v, at most `most`
    (by default N), replaces n, and the t distribution with C - 1 degrees of freedom the normal one
    (after Korn and Graubard, Survey Methodology 24 (1998) 193). Unlike m -+ t sqrt(v) it stays
    within [0, 1] and has a width where all values are 0 or all are 1: there, and for a single
    cluster, a cluster counts as one value. Raises `ValueError` without clusters, and for sums that
    are out of range.
    """
    pairs = list(zip(totals, sizes, strict=True))
    if not pairs or any(size < 1 or not 0 <= total <= size for total, size in pairs):
        raise ValueError("no clusters of values in [0, 1], no mean")
    count, values = len(pairs), sum(sizes)
    mean = min(1.0, sum(totals) / values)
    if count == 1:
        return score_interval(mean, 1, NORMAL)
    effective = float(count)
    if 0 < mean < 1:
        spread = sum((total - mean * size) ** 2 for total, size in pairs)
        variance = count / (count - 1) * spread / values**2
        limit = values if most is None else most
        effective = min(limit, mean * (1 - mean) / variance) if variance else limit
    return score_interval(mean, effective, float(stdtrit(count - 1, 0.975)))


def grouped_interval(values: NDArray[np.float64], group: NDArray[np.int64]) -> Interval:
    """`clustered_interval` of the mean of `values` (at least one), each in [0, 1], where
    `group[i]` numbers the cluster of `values[i]`."""
    _, number = np.unique(group, return_inverse=True)
    totals, sizes = np.bincount(number, weights=values), np.bincount(number)
    return clustered_interval([float(t) for t in totals], [int(s) for s in sizes])


def mean_interval(tallies: Sequence[tuple[int, int]]) -> Interval:
    """The interval of the unweighted mean of independent proportions, (successes, n) each.

    It combines their Wilson intervals, so it has a width where all proportions are 0 or 1. Source:
    Zou and Donner, Stat. Med. 27 (2008) 1693. Raises `ValueError` without any, and for what is no
    proportion.
    """
    if not tallies:
        raise ValueError("no proportions, no mean")
    intervals = [wilson_interval(successes, n) for successes, n in tallies]
    values = [successes / n for successes, n in tallies]
    pairs = list(zip(values, intervals, strict=True))
    below = sqrt(sum((p - low) ** 2 for p, (low, _) in pairs))
    above = sqrt(sum((high - p) ** 2 for p, (_, high) in pairs))
    k = len(tallies)
    return (sum(values) - below) / k, (sum(values) + above) / k


def score_interval(p: float, n: float, quantile: float) -> Interval:
    """Wilson's interval of the proportion `p` of `n` trials, which need not be a whole number;
    `quantile` is that of the normal or the t distribution."""
    squared = quantile * quantile
    centre = p + squared / (2 * n)
    half = quantile * sqrt(p * (1 - p) / n + squared / (4 * n * n))
    scale = 1 + squared / n
    # Rounding may put a bound of 0 or 1 a hair on the wrong side of the proportion.
    return max(0.0, min(p, (centre - half) / scale)), min(1.0, max(p, (centre + half) / scale))
