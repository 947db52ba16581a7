from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from rsd.analysis.statistics import (
    bootstrap_difference,
    mcnemar_exact,
    percentiles,
    wilson_interval,
)

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
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


@settings(deadline=None)
@given(verdict_pairs)
def test_mcnemar_is_a_symmetric_probability(pairs):
    first, second = zip(*pairs, strict=True)
    p = mcnemar_exact(first, second)
    assert 0 < p <= 1
    assert p == pytest.approx(mcnemar_exact(second, first))
    assert mcnemar_exact(first, first) == 1


def test_mcnemar_counts_discordant_pairs_only():
    # 1 against 6 of 7 discordant pairs: 2 * (C(7,0) + C(7,1)) / 2**7 = 0.125.
    first = [True] * 1 + [False] * 6 + [True] * 50
    second = [False] * 1 + [True] * 6 + [True] * 50
    assert mcnemar_exact(first, second) == pytest.approx(0.125)


@settings(deadline=None)
@given(verdict_pairs)
def test_bootstrap_interval_contains_the_difference_and_mirrors(pairs):
    first, second = zip(*pairs, strict=True)
    low, high = bootstrap_difference(first, second)
    difference = (sum(first) - sum(second)) / len(pairs)
    assert -1 <= low <= difference + 1e-9
    assert difference - 1e-9 <= high <= 1
    assert bootstrap_difference(first, first) == (0, 0)


def test_bootstrap_agrees_with_resampling_pairs_by_index():
    first = [1, 1, 1, 0, 1, 0, 1, 1, 0, 1] * 20
    second = [1, 0, 1, 0, 0, 1, 1, 1, 0, 0] * 20
    expected = bootstrap(
        (first, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=10_000,
        rng=1,
    ).confidence_interval
    interval = bootstrap_difference(first, second)
    # One pair moves the mean by 0.005: equal up to that grain of the distribution's tail.
    assert interval == pytest.approx((expected.low, expected.high), abs=0.0051)
    assert interval == bootstrap_difference(first, second)


def test_bootstrap_refuses_unequal_lengths():
    with pytest.raises(ValueError, match="no pairs"):
        bootstrap_difference([1, 0], [1])


def test_percentiles_interpolate():
    assert percentiles([float(i) for i in range(101)]) == (50, 90, 95, 99)
    assert percentiles([3.0]) == (3, 3, 3, 3)
    assert percentiles([]) is None
