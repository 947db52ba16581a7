from __future__ import annotations

import math

import numpy as np
import pytest
from examples import only_thorough
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from rsd.analysis.statistics.comparisons import paired_difference, problems_needed
from rsd.analysis.statistics.intervals import (
    clustered_interval,
    wilson_interval,
)
from rsd.analysis.summary import Latency

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
shares = st.integers(0, 4).map(lambda right: right / 4)
verdict_pairs = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(counts)
def test_wilson_agrees_with_scipy_and_contains_the_proportion(count):
    successes, n = count
    low, high = wilson_interval(successes, n)
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_wilson_of_a_published_example():
    # Newcombe, Stat. Med. 17 (1998) 857, table I: 81 of 263, without continuity correction.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_proportion(successes, n):
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(successes, n)


tallies = st.lists(
    st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(tallies)
def test_clustered_interval_contains_the_mean_and_knows_no_order(clusters):
    totals, sizes = zip(*clusters, strict=True)
    low, high = clustered_interval(totals, sizes)
    assert 0 <= low <= sum(totals) / sum(sizes) <= high <= 1
    assert low < high
    assert clustered_interval(totals[::-1], sizes[::-1]) == pytest.approx((low, high))


def test_clustered_interval_by_hand():
    # 3 of 4, 0 of 4 and 1 of 2: m = 0.4; deviations 1.4, -1.6 and 0.2, v = 3/2 * 4.56 / 100;
    # 0.24 / v = 3.50877 values, and t = 4.30265 with two degrees of freedom.
    n, t = 3.5087719, 4.3026527
    centre, half = 0.4 + t**2 / (2 * n), t * (0.24 / n + t**2 / (4 * n**2)) ** 0.5
    expected = [(centre - half) / (1 + t**2 / n), (centre + half) / (1 + t**2 / n)]
    assert clustered_interval([3, 0, 1], [4, 4, 2]) == pytest.approx(expected)


def test_clusters_of_equal_verdicts_are_one_value_each():
    once = wilson_interval(120, 200)
    repeated = clustered_interval([8] * 120 + [0] * 80, [8] * 200)
    assert repeated == pytest.approx(once, abs=0.001)  # t for z, and n - 1 for n
    low, high = clustered_interval([5] * 30, [5] * 30)
    assert (low, high) == pytest.approx((1 / (1 + 2.0452**2 / 30), 1), abs=1e-4)
    assert clustered_interval([2], [4]) == pytest.approx((0.0546, 0.9454), abs=1e-4)


def test_equal_clusters_are_no_more_than_their_values():
    half = clustered_interval([1] * 20, [2] * 20)
    assert half == clustered_interval([1] * 20, [2] * 20, most=40)
    assert clustered_interval([1] * 20, [2] * 20, most=20)[0] < half[0]


def test_clustered_interval_covers_the_truth_about_as_often_as_it_says():
    # Problems of very different difficulty: rows taken as independent would cover 0.77 at most.
    rng = np.random.default_rng(0)
    covered, trials = 0, 1000
    for _ in range(trials):
        right = rng.binomial(4, rng.beta(0.5, 0.5, size=50))
        low, high = clustered_interval([int(r) for r in right], [4] * 50)
        covered += low <= 0.5 <= high
    assert 0.93 <= covered / trials <= 0.98


COMPETITION = np.array([0.02] * 8 + list(np.linspace(0.05, 0.95, 6)) + [0.98] * 6)
"""Chances to solve problems of a competition: most are nearly always or never solved."""

LAWS = {
    "even": (lambda rng, n: rng.beta(0.5, 0.5, n), 1 / 2),
    "hard": (lambda rng, n: rng.beta(0.3, 3, n), 1 / 11),
    "easy": (lambda rng, n: rng.beta(6, 0.3, n), 20 / 21),
    "competition": (lambda rng, n: rng.choice(COMPETITION, n), float(COMPETITION.mean())),
}
"""How the problems' chances to be solved are drawn, and their mean."""


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("samples", [4, 16])
@pytest.mark.parametrize("n", [15, 30])
def test_the_interval_of_avg_at_k_covers_the_truth_on_few_problems(n, samples, law):
    rng, (draw, truth) = np.random.default_rng(0), LAWS[law]
    covered, trials = 0, 1000
    for _ in range(trials):
        shares = (rng.binomial(samples, draw(rng, n)) / samples).tolist()
        low, high = clustered_interval(shares, [1] * n, most=n * samples)
        covered += low <= truth <= high
    assert 0.92 <= covered / trials <= 0.99


def test_samples_taken_as_independent_do_not_cover_the_truth():
    rng, (draw, truth) = np.random.default_rng(0), LAWS["competition"]
    covered, trials = 0, 1000
    for _ in range(trials):
        right = int(rng.binomial(16, draw(rng, 30)).sum())
        low, high = wilson_interval(right, 30 * 16)
        covered += low <= truth <= high
    assert covered / trials < 0.6


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("samples", [4, 16])
@pytest.mark.parametrize("n", [15, 30])
def test_the_difference_of_two_avg_at_k_covers_the_truth_on_few_problems(n, samples, law):
    """Of two methods that solve the same problems equally often, that solve other problems, and of
    which one is better."""
    rng, (draw, _) = np.random.default_rng(0), LAWS[law]
    covered, trials = np.zeros(3), 500
    for _ in range(trials):
        chance = draw(rng, n)
        first = rng.binomial(samples, chance) / samples
        others = (chance, draw(rng, n), 0.8 * chance)
        for i, other in enumerate(others):
            second = rng.binomial(samples, other) / samples
            truth = 0.2 * LAWS[law][1] if i == 2 else 0.0
            low, high = paired_difference(first.tolist(), second.tolist()).ci95
            covered[i] += low <= truth <= high
    assert (covered / trials >= 0.93).all(), covered / trials


@pytest.mark.parametrize(("totals", "sizes"), [([], []), ([3], [2]), ([0], [0]), ([-1], [2])])
def test_clustered_interval_refuses_what_is_no_mean(totals, sizes):
    with pytest.raises(ValueError, match="no clusters"):
        clustered_interval(totals, sizes)


def pairs_of(only_first: int, only_second: int, both: int) -> tuple[list[bool], list[bool]]:
    first = [True] * only_first + [False] * only_second + [True] * both
    second = [False] * only_first + [True] * only_second + [True] * both
    return first, second


def test_interval_and_p_never_contradict_each_other():
    """-2.5 [-4.8, -0.1] once stood beside p = 0.062, of another method."""
    for n in (1, 2, 5, 10, 30, 200):
        for one in range(min(n, 30) + 1):
            for other in range(min(n - one, 30) + 1):
                it = paired_difference(*pairs_of(one, other, n - one - other))
                low, high = it.ci95
                assert (it.p_value < 0.05) == (low > 0 or high < 0)


@settings(deadline=None)
@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=40))
def test_interval_and_p_agree_about_means_over_samples(pairs):
    first, second = zip(*pairs, strict=True)
    it = paired_difference(first, second)
    low, high = it.ci95
    assert 0 < it.p_value <= 1
    if not math.isclose(it.p_value, 0.05, abs_tol=1e-9):
        assert (it.p_value < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("n", [5, 10, 21, 50, *only_thorough(136, 200)])
def test_two_equal_methods_are_seldom_told_apart(n):
    """Exactly, by the chance of every table. With the normal distribution it was 10.9% for ten
    problems that all differ."""
    apart = {
        (one, differ)
        for differ in range(n + 1)
        for one in range(differ + 1)
        if paired_difference(*pairs_of(one, differ - one, n - differ)).p_value < 0.05
    }
    for share in (0.06, 0.2, 0.4, 0.5, 0.6, 0.8, 0.9, 1.0):
        wrong = sum(
            binom.pmf(differ, n, share) * binom.pmf(one, differ, 0.5) for one, differ in apart
        )
        assert wrong <= (0.051 if share <= 0.5 else 0.079)


def test_the_problems_needed_by_hand():
    # (1.95996 + 0.84162)^2 = 7.8489 times 0.09 over 0.03^2.
    assert problems_needed(0.09, 0.03) == 785


@settings(deadline=None)
@given(verdict_pairs)
def test_paired_interval_contains_the_difference_and_mirrors(pairs):
    first, second = zip(*pairs, strict=True)
    low, high = paired_difference(first, second).ci95
    difference = (sum(first) - sum(second)) / len(pairs)
    assert -1 <= low <= difference <= high <= 1
    assert low < high
    assert paired_difference(second, first).ci95 == pytest.approx((-high, -low))


def test_paired_interval_by_hand():
    # Half a pair more in each cell: 3.5 and 1.5 of 12 pairs differ, (3.5 - 1.5) / 12 = 1 / 6;
    # (3.5 + 1.5) / 12 - 1 / 36 = 7 / 18, and 2.20099 sqrt(7 / 18 / 12) = 0.39622.
    first = [True] * 3 + [False] * 1 + [True] * 6
    second = [False] * 3 + [True] * 1 + [True] * 6
    interval = paired_difference(first, second).ci95
    assert interval == pytest.approx((1 / 6 - 0.39622, 1 / 6 + 0.39622), abs=1e-5)


@pytest.mark.parametrize(("n", "gain", "loss"), [(30, 0.05, 0.02), (200, 0.01, 0.005), (60, 0, 0)])
def test_paired_interval_covers_the_truth_where_few_pairs_differ(n, gain, loss):
    """A bootstrap of the pairs covers 0.74 and 0.84 of the first two: it knows no difference that
    it has not seen."""
    rng = np.random.default_rng(0)
    covered, trials = 0, 1000
    for _ in range(trials):
        drawn = rng.choice(3, p=[gain, loss, 1 - gain - loss], size=n)
        low, high = paired_difference((drawn == 0).tolist(), (drawn == 1).tolist()).ci95
        covered += low <= gain - loss <= high
    assert covered / trials >= 0.94


def test_paired_interval_refuses_unequal_lengths():
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference([1, 0], [1])


def test_percentiles_interpolate():
    latency = Latency.of([float(i) for i in range(101)])
    assert latency == Latency(p50=50, p90=90, p95=95, p99=99)
    assert Latency.of([3.0]) == Latency(p50=3, p90=3, p95=3, p99=3)
    assert Latency.of([]) is None
