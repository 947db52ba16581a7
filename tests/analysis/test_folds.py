"""The three solutions of made_up_runs, token by token.

Problem 1: a draft step of 5 tokens is kept; one of 4 is rejected and the target writes 6; a
draft step of 3 is kept.
    draft    prompt 20 + 5,  then 25 - 25 known + 4,  then 31 - 25 known + 3        = 38
             (the rejected 4 tokens are no prefix of anything, the target's 6 are read anew)
    target   prompt 25 + 6                                                          = 31
    PRM      18,  then 23 - 18 = 5,  then 29 - 18 = 11 (it falls back by the rejected 5)
             once 34, per step 18 + 23 + 29 = 70
    target alone: prompt 20 + 5 + 6 + 3                                             = 34
Problem 2: one draft step of 5 tokens, kept.
    draft 20 + 5 = 25, PRM 18 and 18, target alone 25
Problem 3: a draft step of 4 tokens rejected, the target's 10; then 2 rejected, the target's 5.
    draft    20 + 4,  then 30 - 20 known + 2                                        = 36
    target   20 + 10,  then 30 - 30 known + 5                                       = 35
    PRM      17,  then 26 - (17 - 5) = 14;  once 31, per step 43
    target alone: 20 + 10 + 5                                                       = 35
"""

from __future__ import annotations

import pytest
from analysis.made_up_runs import PARAMETERS, draft, solution, target, three_solutions
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.analysis.folds import Flops, flops, fold, reference_flops, total


def test_processed_tokens_of_each_problem():
    folds = [fold(trajectory) for trajectory in three_solutions()]
    assert [f.processed_draft for f in folds] == [38, 25, 36]
    assert [f.processed_target for f in folds] == [31, 0, 35]
    assert [f.processed_prm_once for f in folds] == [34, 18, 31]
    assert [f.processed_prm_per_step for f in folds] == [70, 18, 43]
    assert [f.reference for f in folds] == [34, 25, 35]


def test_shares_are_pooled_over_problems():
    work = total(fold(trajectory) for trajectory in three_solutions())
    # Kept 2 + 1 + 0 of 3 + 1 + 2 draft steps; target steps 1 + 0 + 2 of 3 + 1 + 2 kept steps.
    assert work.trajectories == 3
    assert work.acceptance_rate == pytest.approx(3 / 6)
    assert work.target_step_share == pytest.approx(3 / 6)
    # Kept 5 + 3 + 5 draft tokens, rejected 4 + 4 + 2.
    assert work.acceptance_rate_tokens == pytest.approx(13 / 23)
    assert work.response_tokens == 13 + 21


def test_flops_are_twice_parameters_times_tokens():
    work = total(fold(trajectory) for trajectory in three_solutions())
    # Draft 99 tokens, target 66, PRM 83 or 131, at 10, 100 and 20 parameters.
    spent = flops(work, PARAMETERS)
    assert spent == Flops(2 * (990 + 6600 + 1660), 2 * (990 + 6600 + 2620))
    assert reference_flops(work, PARAMETERS) == Flops(2 * 9400, 2 * 9400)


def test_flops_without_a_needed_parameter_count_are_unknown_not_zero():
    work = fold(three_solutions()[0])
    assert flops(work, PARAMETERS | {"prm": None}) == Flops(None, None)
    assert reference_flops(work, PARAMETERS | {"target": None}) == Flops(None, None)


def test_a_model_that_did_nothing_costs_nothing_whatever_its_size():
    alone = fold(solution("1", [target(0, 20, 10), target(1, 30, 5)]))
    spent = flops(alone, {"draft": None, "target": 100, "prm": None})
    assert spent == reference_flops(alone, PARAMETERS) == Flops(7000, 7000)


def test_no_steps_fold_to_nothing():
    empty = fold(solution("1", []))
    assert empty.acceptance_rate is empty.acceptance_rate_tokens is empty.target_step_share is None
    assert flops(empty, PARAMETERS) == Flops(0, 0)
    assert total([]).trajectories == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(1, 9)), max_size=20))
def test_once_never_exceeds_per_step_and_covers_what_was_kept(plan):
    """Random RSD solutions with exact prefixes: kept or not, draft tokens, target tokens."""
    steps, prompt, read = [], 20, 12
    for index, (kept, drafted, written) in enumerate(plan):
        steps.append(draft(index, kept, prompt, drafted, read + drafted, drafted))
        if not kept:
            steps.append(target(index, prompt, written))
        tokens = drafted if kept else written
        prompt, read = prompt + tokens, read + tokens
    it = fold(solution("1", steps))
    assert it.processed_prm_once <= it.processed_prm_per_step
    rejected = it.draft_tokens_rejected
    if plan:
        # Everything is read once by the draft, but a last step that the target wrote.
        last = 0 if plan[-1][0] else plan[-1][2]
        assert it.processed_draft == prompt - last + rejected
        assert it.processed_prm_once == read - last + rejected
        assert it.reference == prompt
