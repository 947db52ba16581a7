"""The model card's statistics against values worked out by hand."""

from __future__ import annotations

import pytest
from demo_family.statistics import mcnemar_exact, roc_auc, wilson_interval


def test_wilson_interval() -> None:
    low, high = wilson_interval(180, 200)
    assert low == pytest.approx(0.8506, abs=1e-4)
    assert high == pytest.approx(0.9344, abs=1e-4)


def test_mcnemar_counts_only_disagreements() -> None:
    same = [True, False] * 50
    assert mcnemar_exact(same, same) == 1.0
    assert mcnemar_exact([True] * 6, [False] * 6) == pytest.approx(2 / 2**6)
    assert mcnemar_exact([True] * 3 + [False], [False] * 3 + [True]) == pytest.approx(10 / 16)


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert roc_auc([0.1, 0.9], [False, True]) == 1.0
    assert roc_auc([0.9, 0.1], [False, True]) == 0.0
    assert roc_auc([0.5, 0.5, 0.7], [False, True, True]) == pytest.approx(0.75)


def test_auc_of_one_kind_is_undefined() -> None:
    assert roc_auc([0.1, 0.9], [True, True]) is None
