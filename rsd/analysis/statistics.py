"""Intervals, paired tests and percentiles; pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest

Interval = tuple[float, float]
"""(lower, upper) bound."""


class Percentiles(NamedTuple):
    """Percentiles of a sample, in its unit."""

    p50: float
    p90: float
    p95: float
    p99: float


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """The Wilson score interval of a proportion, within [0, 1] and containing `successes / n`.

    Unlike the normal approximation it is sound for proportions near 0 and 1. Source: Wilson,
    JASA 22 (1927) 209; recommended by Brown, Cai and DasGupta, Stat. Sci. 16 (2001) 101.
    Raises `ValueError` unless 0 <= successes <= n and n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes of {n} are no proportion")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # Rounding may put a bound of 0 or 1 a hair on the wrong side of the proportion.
    return max(0.0, min(p, (centre - half) / scale)), min(1.0, max(p, (centre + half) / scale))


def mcnemar_exact(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The two-sided p-value that two runs are right equally often, from paired verdicts.

    Only pairs with different verdicts count: under the null hypothesis each is a fair coin, so
    p is a binomial test; 1.0 without such pairs. Source: McNemar, Psychometrika 12 (1947) 153,
    in its exact form. Raises `ValueError` for different lengths.
    """
    pairs = list(zip(first, second, strict=True))
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def bootstrap_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """The paired percentile-bootstrap interval of mean(first) - mean(second).

    Pairs are resampled as wholes. A resample is fully described by how often each distinct
    difference occurs in it, which is multinomial; drawing those counts is the same bootstrap
    and, for verdicts (differences -1, 0 and 1), costs nothing. Source: Efron and Tibshirani,
    An Introduction to the Bootstrap (1993), ch. 13. Raises `ValueError` for different lengths
    or no pairs.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} values are no pairs")
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    values, counts = np.unique(differences, return_counts=True)
    n = len(differences)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(drawn @ values / n, [tail, 100 - tail])
    return float(low), float(high)


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """The 50th to 99th percentiles, linearly interpolated; None without values."""
    if not values:
        return None
    return Percentiles(*(float(p) for p in np.percentile(values, [50, 90, 95, 99])))
