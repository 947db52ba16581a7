"""pass@k, maj@k and best-of-k of one problem, for every k up to its n samples.

They are expectations over the k-subsets of the n samples, in closed form, so the order of the
samples does not matter. At k = 1 all are the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from math import comb
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

MOST_VOTES = 1000
"""The most samples for which maj@k is computed; with more, its counts exceed a float's range."""


def pass_at_k(n: int, right: int) -> list[float]:
    """The chance that one of k samples is right, for k = 1 .. n, if `right` of n are.

    1 - C(n - right, k) / C(n, k), unbiased. Source: Chen et al., arXiv 2107.03374, eq. 1.
    """
    return [1 - comb(n - right, k) / comb(n, k) for k in range(1, n + 1)]


def best_of_k(samples: Sequence[tuple[float, bool]]) -> list[float]:
    """The chance that the best of k samples is right, for k = 1 .. n; a sample is its reward and
    whether it is right. Among equal rewards each has the same chance."""
    rights: list[float] = []
    ranked = sorted(samples, key=lambda sample: -sample[0])
    for _, level in groupby(ranked, key=lambda sample: sample[0]):
        its = [right for _, right in level]
        rights += [fmean(its)] * len(its)
    return [float(chance) for chance in _chances_to_be_best(len(samples)) @ np.array(rights)]


@lru_cache(maxsize=16)
def _chances_to_be_best(n: int) -> NDArray[np.float64]:
    """For k = 1 .. n, the chance of each rank to be the best of k: C(n - 1 - rank, k - 1) of the
    C(n, k) subsets have it as their best."""
    return np.array(
        [[comb(n - 1 - rank, k - 1) / comb(n, k) for rank in range(n)] for k in range(1, n + 1)]
    )


@lru_cache(maxsize=4096)
def majority_at_k(groups: tuple[tuple[int, float], ...], silent: int) -> tuple[float, ...]:
    """The chance that the answer most frequent among k samples is right, for k = 1 .. n.

    `groups` of equivalent answers are given by size and the share of it that was graded right.
    `silent` samples have no answer and no vote; k of them alone are wrong. Among equally frequent
    answers each has the same chance. n is at most `MOST_VOTES`.
    """
    n = sum(size for size, _ in groups) + silent
    right = np.zeros(n + 1)
    for most in range(1, max((size for size, _ in groups), default=0) + 1):
        right += _won_with(most, groups, n)
    return tuple(float(right[k] / comb(n, k)) for k in range(1, n + 1))


def _won_with(most: int, groups: Sequence[tuple[int, float]], n: int) -> NDArray[np.float64]:
    """By size, the subsets in which `most` votes win, each counted as its chance to be right.

    Rows of `ways` and `shares` are polynomials in the size of a subset of the groups so far.
    `ways[t]` counts those in which t groups have `most` votes and the others fewer, `shares[t]`
    counts each with the sum of the right shares of these t.
    """
    able = [(size, share) for size, share in groups if size >= most]
    others = n - sum(size for size, _ in able)  # too few to win or to tie, like silent ones
    ways, shares = np.zeros((len(able) + 1, n + 1)), np.zeros((len(able) + 1, n + 1))
    ways[0, : others + 1] = [comb(others, i) for i in range(others + 1)]
    for done, (size, share) in enumerate(able):
        fewer = np.array([float(comb(size, votes)) for votes in range(most)])
        top, kept = float(comb(size, most)), n + 1 - most
        next_ways, next_shares = np.zeros_like(ways), np.zeros_like(shares)
        for ties in range(done + 1):
            next_ways[ties] += np.convolve(ways[ties], fewer)[: n + 1]
            next_shares[ties] += np.convolve(shares[ties], fewer)[: n + 1]
            won = shares[ties] + share * ways[ties]
            next_ways[ties + 1, most:] += top * ways[ties, :kept]
            next_shares[ties + 1, most:] += top * won[:kept]
        ways, shares = next_ways, next_shares
    total: NDArray[np.float64] = sum(
        (row / ties for ties, row in enumerate(shares[1:], start=1)), np.zeros(n + 1)
    )
    return total
