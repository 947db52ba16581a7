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
from analysis.made_up_runs import PARAMETERS, draft, target, three_solutions
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.costs import CostTotals, Flops, cost_totals, flops, reference_flops, total


def test_processed_tokens_of_each_problem():
    costs = [cost_totals(trajectory.steps) for trajectory in three_solutions()]
    assert [f.processed_draft for f in costs] == [38, 25, 36]
    assert [f.processed_target for f in costs] == [31, 0, 35]
    assert [f.processed_prm_once for f in costs] == [34, 18, 31]
    assert [f.processed_prm_per_step for f in costs] == [70, 18, 43]
    assert [f.reference for f in costs] == [34, 25, 35]


def test_shares_are_pooled_over_problems():
    work = total(cost_totals(trajectory.steps) for trajectory in three_solutions())
    # Kept 2 + 1 + 0 of 3 + 1 + 2 draft steps; target steps 1 + 0 + 2 of 3 + 1 + 2 kept steps.
    assert work.acceptance_rate == pytest.approx(3 / 6)
    assert work.target_step_share == pytest.approx(3 / 6)
    # Kept 5 + 3 + 5 draft tokens, rejected 4 + 4 + 2.
    assert work.acceptance_rate_tokens == pytest.approx(13 / 23)
    assert work.response_tokens == 13 + 21


def test_flops_are_twice_parameters_times_tokens():
    work = total(cost_totals(trajectory.steps) for trajectory in three_solutions())
    # Draft 99 tokens, target 66, PRM 83 or 131, at 10, 100 and 20 parameters.
    spent = flops(work, PARAMETERS)
    assert spent == Flops(2 * (990 + 6600 + 1660), 2 * (990 + 6600 + 2620))
    assert reference_flops(work, PARAMETERS) == Flops(2 * 9400, 2 * 9400)


def test_a_target_that_grades_pays_for_the_steps_that_it_reads():
    # Problem 1 again, but the target judges: after the prompt of 20, each draft step and a
    # question of 8 tokens about it. It reads 33, then knows 25: 4 + 8 of the rejected step;
    # writes 6 after 25; knows 31: 3 + 8.
    steps = [
        draft(0, True, 20, 5, 33, 13),
        draft(1, False, 25, 4, 37, 12),
        target(1, 25, 6),
        draft(2, True, 31, 3, 42, 11),
    ]
    judged = [
        step.model_copy(update={"score_role": "target"}) if step.score_tokens else step
        for step in steps
    ]
    work = cost_totals(judged)
    assert work.processed_target == 33 + 12 + 6 + 11
    assert work.processed_prm_once == work.processed_prm_per_step == 0
    assert flops(work, PARAMETERS | {"prm": None}).prm_once is not None


def test_requests_for_the_rewards_of_earlier_steps_count_once_per_request():
    first, rejected, written, last = (
        draft(0, True, 20, 5, 18, 5),
        draft(1, False, 25, 4, 23, 5),
        target(1, 25, 6),
        draft(2, True, 31, 3, 29, 4),
    )
    again = last.model_copy(update={"score_extra_tokens": 25})  # the target's step, scored apart
    steps = [first, rejected, written]
    alone, both = (cost_totals([*steps, step]) for step in (last, again))
    assert both.processed_prm_per_step == alone.processed_prm_per_step + 25
    assert both.processed_prm_once == alone.processed_prm_once


def test_flops_without_a_needed_parameter_count_are_unknown_not_zero():
    work = cost_totals(three_solutions()[0].steps)
    assert flops(work, PARAMETERS | {"prm": None}) == Flops(None, None)
    assert reference_flops(work, PARAMETERS | {"target": None}) == Flops(None, None)


def test_a_model_that_did_nothing_costs_nothing_whatever_its_size():
    alone = cost_totals([target(0, 20, 10), target(1, 30, 5)])
    spent = flops(alone, {"draft": None, "target": 100, "prm": None})
    assert spent == reference_flops(alone, PARAMETERS) == Flops(7000, 7000)


def test_no_steps_cost_nothing():
    empty = cost_totals([])
    assert empty.acceptance_rate is empty.acceptance_rate_tokens is empty.target_step_share is None
    assert flops(empty, PARAMETERS) == Flops(0, 0)
    assert total([cost_totals([])]) == total([]) == CostTotals()


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
    it = cost_totals(steps)
    assert it.processed_prm_once <= it.processed_prm_per_step
    rejected = it.draft_tokens_rejected
    if plan:
        # Everything is read once by the draft, but a last step that the target wrote.
        last = 0 if plan[-1][0] else plan[-1][2]
        assert it.processed_draft == prompt - last + rejected
        assert it.processed_prm_once == read - last + rejected
        assert it.reference == prompt


def sampled(index, candidate, kept, prompt, tokens, **fields):
    """A step by the draft, of one sample or candidate among others; `fields` as in StepRecord."""
    step = draft(index, kept, prompt, tokens, 0, 0)
    return step.model_copy(update={"candidate": candidate, "reward": None} | fields)


def test_samples_share_their_prompt_and_nothing_else():
    """Two solutions of one problem, the second kept: prompt 20 once, 5 + 4 and 6 + 3 tokens."""
    lost = [sampled(0, 0, False, 20, 5), sampled(1, 0, False, 25, 4, continues=0)]
    won = [sampled(0, 1, True, 20, 6), sampled(1, 1, True, 26, 3)]
    it = cost_totals(lost + won)
    assert it.processed_draft == 20 + 5 + 4 + 6 + 3
    assert it.reference == 20 + 6 + 3
    assert (it.draft_steps_kept, it.draft_steps_rejected) == (2, 0)
    assert it.acceptance_rate == 1.0
    assert it.acceptance_rate_tokens == pytest.approx(9 / 18)


def test_a_beam_is_charged_for_what_it_does_not_share():
    """Beams 0 and 1 go on in two ways each; 1 wins with its candidate 3, whose prefix is 26."""
    steps = [
        sampled(0, 0, False, 20, 5),
        sampled(1, 0, False, 25, 4, continues=0),
        sampled(1, 1, False, 25, 7, continues=0),
        sampled(1, 2, False, 26, 2, continues=1),
        sampled(0, 1, True, 20, 6),
        sampled(1, 3, True, 26, 3),
    ]
    assert cost_totals(steps).processed_draft == 20 + 5 + 6 + 4 + 7 + 2 + 3


def test_of_several_draft_candidates_one_is_put_to_the_rule():
    """Step 0: two candidates, the better kept. Step 1: both rejected, the target's 6 tokens.
    Draft: 20 + 5 + 4, then 25 - 25 + 3 + 2, then 31 - 25 read and 1 written."""
    steps = [
        sampled(0, 1, False, 20, 4),
        sampled(0, 0, True, 20, 5),
        sampled(1, 0, False, 25, 3),
        sampled(1, 1, False, 25, 2),
        target(1, 25, 6),
        sampled(2, 0, True, 31, 1),
    ]
    it = cost_totals(steps)
    assert it.processed_draft == 29 + 5 + 7
    assert (it.draft_steps_kept, it.draft_steps_rejected) == (2, 1)
    assert it.acceptance_rate == pytest.approx(2 / 3)
    assert it.acceptance_rate_tokens == pytest.approx(6 / 15)


def test_a_likelihood_costs_the_target_its_whole_input_each_time():
    """Two draft candidates of 5 and 4 tokens, both read by the target after a prompt of 20; then
    it writes 6 after the prompt, which it has processed by then."""
    steps = [
        sampled(0, 0, False, 20, 5, likelihood=-2.0, likelihood_tokens=25),
        sampled(0, 1, False, 20, 4, likelihood=-3.0, likelihood_tokens=24),
        target(0, 20, 6),
    ]
    assert cost_totals(steps).processed_target == 25 + 24 + 6


def test_a_target_that_grades_its_own_step_pays_for_the_question_alone():
    """It wrote 6 tokens after 20; the grade reads 20 + 6 + a question of 9."""
    own = {"score_tokens": 35, "score_step_tokens": 15, "score_role": "target", "reward": 0.5}
    assert cost_totals([target(0, 20, 6).model_copy(update=own)]).processed_target == 35


def test_a_target_that_grades_pays_once_for_the_question_about_each_earlier_step():
    """It wrote 6 tokens after 20 and 5 after 26, which nobody graded. The reward of the draft's
    next step is over all so far: two requests more, each with the question of 8 tokens. The one
    after that brings none."""
    own = {"score_role": "target"}
    steps = [
        target(0, 20, 6),
        target(1, 26, 5),
        draft(2, True, 31, 3, 42, 11).model_copy(update=own | {"score_extra_tokens": 34 + 39}),
        draft(3, True, 34, 3, 45, 11).model_copy(update=own),
    ]
    assert cost_totals(steps).processed_target == 20 + 6 + 5 + (3 + 8) + 2 * 8 + (3 + 8)


def test_what_was_drafted_after_an_undecided_step_continues_it_and_not_its_successor():
    """Nobody judged the draft's 4 tokens, after which it had drafted 6 ahead; then, without the
    reward model, the target writes 7 at the same place and 3 more. The draft: 20 + 5, 4, 6."""
    steps = [
        sampled(0, 0, True, 20, 5),
        sampled(1, 0, False, 25, 4),
        sampled(2, 0, False, 29, 0, continues=0, wasted_tokens=6),
        target(1, 25, 7),
        target(2, 32, 3),
    ]
    it = cost_totals(steps)
    assert (it.processed_draft, it.processed_target) == (20 + 5 + 4 + 6, 25 + 7 + 3)
    assert it.wasted_tokens == 6


def test_a_candidate_that_nobody_decided_about_is_no_rejection():
    """The solution ended at its second draft step: it is in the tokens, but at no place."""
    it = cost_totals([sampled(0, 0, True, 20, 5), sampled(1, 0, False, 25, 4)])
    assert (it.draft_steps_kept, it.draft_steps_rejected, it.acceptance_rate) == (1, 0, 1.0)
    assert it.draft_tokens_rejected == 4


def judged(index, source, kept, reward, candidate=0):
    step = draft(index, kept, 20, 5, 0, 0) if source == "draft" else target(index, 20, 5)
    fields = {"accepted": kept, "reward": reward, "candidate": candidate}
    return step.model_copy(update=fields)


def test_hindsight_compares_both_models_steps():
    steps = [
        judged(0, "target", False, 0.9),
        judged(0, "draft", True, 0.8),  # kept, and the target's was better: a mistake
        judged(1, "target", False, 0.8),
        judged(1, "draft", True, 0.8),  # kept, rightly: no better step was to be had
        judged(2, "draft", False, 0.3),
        judged(2, "target", True, 0.3),  # written again in vain
        judged(3, "draft", False, 0.3),
        judged(3, "draft", False, 0.2, candidate=1),
        judged(3, "target", True, 0.4),  # better than the best candidate
        judged(4, "draft", False, 0.3),
        judged(4, "target", True, None),  # as in RSD, where nobody knows
    ]
    it = cost_totals(steps)
    assert (it.acceptances, it.acceptances_mistaken) == (2, 1)
    assert (it.regenerations, it.regenerations_wasted) == (2, 1)
    assert it.mistaken_acceptances == it.wasted_regenerations == 0.5


def test_without_both_rewards_there_is_no_hindsight():
    it = total(cost_totals(trajectory.steps) for trajectory in three_solutions())
    assert it.mistaken_acceptances is it.wasted_regenerations is None
