"""The threshold for a budget, and how well rewards separate right from wrong."""

from __future__ import annotations

from itertools import product
from math import inf

import numpy as np
import pytest
from analysis.reward_world import World, drafts, run_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from rsd.analysis.calibration import calibrate
from rsd.analysis.calibration.budget import budget, readable, share_below, threshold_for
from rsd.analysis.calibration.recorded import Floats, Rewards, read_rewards
from rsd.analysis.calibration.separation import (
    Labelled,
    clustered_auc,
    kept_steps,
    lowest_of_solutions,
    reliability,
)
from rsd.analysis.calibration.table import render_calibration
from rsd.errors import ConfigError

SHARES = st.floats(0, 1)
REWARDS = st.lists(st.integers(0, 12).map(lambda i: i / 12), min_size=1, max_size=30)


def labelled(rewards: list[float], right: list[bool], problem: list[int]) -> Labelled:
    return Labelled(np.array(rewards), np.array(right), np.array(problem))


def test_the_threshold_for_a_share_is_the_quantile_of_the_rewards():
    run = run_of([drafts("1", 0.9, 0.2, 0.4, 0.8), drafts("2", 0.6, 0.3)], [True, False])
    found = budget(read_rewards(run), 0.34)  # two of six: 0.2 and 0.3 lie below 0.4
    assert found.threshold == 0.4
    assert found.share == pytest.approx(2 / 6)
    assert found.next_share == pytest.approx(3 / 6)
    assert found.ci95[0] <= 0.4 <= found.ci95[1]


@given(REWARDS, SHARES)
def test_the_threshold_meets_the_share_and_no_larger_one_does(rewards, share):
    reward = np.array(rewards)
    threshold = threshold_for(reward, share)
    assert share_below(reward, threshold) <= share + 1e-9
    if threshold < inf:
        assert share_below(reward, np.nextafter(threshold, inf)) > share


@given(REWARDS, SHARES)
def test_the_recommended_threshold_rejects_the_same_steps_in_fewer_digits(rewards, share):
    reward = np.array(rewards)
    run = run_of([drafts("1", *rewards)], [True])
    found = budget(read_rewards(run), share)
    assert found.share == share_below(reward, threshold_for(reward, share))
    assert found.share == share_below(reward, found.threshold)
    assert found.ci95[0] <= found.threshold <= found.ci95[1]


@pytest.mark.parametrize("problems", [1, 40])
def test_the_recommended_threshold_lies_in_its_interval(problems):
    """Every problem has the same rewards; its bounds are rounded like it."""
    run = run_of([drafts(str(i), 0.1, 0.8765432) for i in range(problems)], [True] * problems)
    found = budget(read_rewards(run), 0.5)
    assert found.threshold == 0.87
    assert found.ci95[0] <= found.threshold <= found.ci95[1]


def test_one_problem_tells_nothing_of_the_next():
    found = budget(read_rewards(run_of([drafts("1", 0.2, 0.9)], [True])), 0.5)
    assert found.ci95 == (-inf, inf)


def test_no_step_and_all_steps_by_the_target_have_one_bound():
    rewards = read_rewards(run_of([drafts(str(i), 0.3, 0.6) for i in range(50)], [True] * 50))
    assert budget(rewards, 0).ci95 == (-inf, 0.3)
    assert budget(rewards, 1).ci95 == (0.6, inf)


@pytest.mark.parametrize("problems", [10, 30])
def test_the_interval_of_the_threshold_covers_the_truth_about_as_often_as_it_says(problems):
    """Uniform rewards, alike within a problem: the threshold for a share is that share."""
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        shared = np.repeat(random.normal(size=problems), 6)
        rewards = uniform(np.sqrt(0.3) * shared + np.sqrt(0.7) * random.normal(size=len(shared)), 6)
        low, high = budget(rewards, 0.1).ci95
        covered += low <= 0.1 <= high
    assert 0.92 <= covered / 300 <= 0.99


def test_a_readable_number_lies_in_its_range():
    assert readable(0.7311, 0.7394989) == 0.739
    assert readable(0.5, 0.500001) == 0.500001
    assert readable(-inf, 0.5) == 0.5
    assert readable(0.9, inf) == inf


def test_equal_rewards_are_told_beside_the_budget():
    run = run_of([drafts("1", *[0.5] * 9, 0.9)], [True])
    found = calibrate(run, target_share=0.3)
    assert (found.budget.share, found.budget.next_share) == (0.0, 0.9)
    assert "The next larger threshold that makes a difference sends 90.0%." in flat(
        render_calibration(found)
    )


def test_a_threshold_just_below_one_is_not_shown_as_one():
    """As of a saturated reward model, whose rewards are single floats next to 1."""
    near = 0.99999994
    run = run_of([drafts("1", near, 1.0, threshold=near)], [True], near)
    text = render_calibration(calibrate(run))
    assert "RSD δ=0.99999994," in text
    assert "\n0.99999994 (run" in text


def test_few_different_rewards_are_not_called_equal():
    found = calibrate(run_of([drafts("1", 0.1, 0.3, 0.5, 0.9)], [True]), target_share=0.45)
    text = flat(render_calibration(found))
    assert "The next larger threshold that makes a difference sends 50.0%." in text
    assert "rewards are equal" not in text


def test_a_whole_share_asks_for_the_target_alone():
    found = calibrate(run_of([drafts("1", 0.5, 0.9)], [True]), target_share=1)
    assert found.budget.threshold == inf
    assert '"threshold": "Infinity"' in found.model_dump_json(indent=1)
    assert "the target alone" in render_calibration(found)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match="is no share"):
        calibrate(run_of([drafts("1", 0.5)], [True]), target_share=share)


def test_auc_by_hand():
    # Of the four pairs, 0.9 beats both wrong ones and 0.8 beats 0.7 alone.
    found = clustered_auc(labelled([0.9, 0.8, 0.7, 0.85], [True, True, False, False], [1, 2, 3, 4]))
    assert found is not None
    assert found.value == 0.75
    assert found.ci95[0] < 0.5 < 0.75 < found.ci95[1]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 4)), max_size=20))
def test_auc_is_the_share_of_pairs_in_order(cases):
    found = clustered_auc(labelled(*map(list, zip(*cases, strict=True)))) if cases else None
    right = [reward for reward, verdict, _ in cases if verdict]
    wrong = [reward for reward, verdict, _ in cases if not verdict]
    if not right or not wrong:
        assert found is None
        return
    pairs = [(a > b) + (a == b) / 2 for a, b in product(right, wrong)]
    assert found is not None
    assert found.value == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= found.ci95[0] <= found.value <= found.ci95[1] <= 1


def test_steps_of_one_problem_do_not_count_as_independent():
    random = np.random.default_rng(1)
    problem = np.arange(60)
    right = problem % 2 == 0
    reward = random.normal(size=60) + right
    once = clustered_auc(Labelled(reward, right, problem))
    often = clustered_auc(Labelled(*(np.repeat(it, 5) for it in (reward, right, problem))))
    assert once is not None
    assert often is not None
    assert often.value == pytest.approx(once.value)
    assert often.ci95 == pytest.approx(once.ci95)


def test_the_interval_of_the_auc_covers_the_truth_about_as_often_as_it_says():
    """Normal rewards, one apart, of clustered steps: the AUC is Φ(1 / √2) = 0.760."""
    random = np.random.default_rng(7)
    problem = np.repeat(np.arange(40), 4)
    right = problem < 20
    covered = 0
    for _ in range(400):
        shared, own = random.normal(size=40), random.normal(size=160)
        reward = (shared[problem] + own) / np.sqrt(2) + right
        found = clustered_auc(Labelled(reward, right, problem))
        assert found is not None
        covered += found.ci95[0] <= 0.7602 <= found.ci95[1]
    assert 0.92 <= covered / 400 <= 0.99


def test_only_kept_steps_lead_to_an_answer():
    run = run_of([drafts("1", 0.9, 0.1, 0.8), drafts("2", 0.75)], [True, False])
    rewards = read_rewards(run)
    assert sorted(kept_steps(rewards).reward) == [0.75, 0.8, 0.9]
    assert sorted(lowest_of_solutions(rewards).reward) == [0.75, 0.8]
    names = {group.name: group.steps for group in calibrate(run).rewards}
    assert names == {
        "kept, answer right": 2,
        "kept, answer wrong": 1,
        "replaced, answer right": 1,
    }


def test_reliability_by_hand():
    found = reliability(
        labelled([0.2, 0.4, 0.8, 1.0], [False, True, True, True], [1, 2, 3, 4]), bins=2
    )
    assert [(bin.low, bin.high, bin.steps, bin.share_right) for bin in found] == [
        (0.2, 0.4, 2, 0.5),
        (0.8, 1.0, 2, 1.0),
    ]
    assert reliability(labelled([], [], [])) == []


def test_the_best_of_several_candidates_is_what_the_rule_saw():
    it = drafts("1", 0.4)
    better = it.steps[0].model_copy(update={"reward": 0.6, "candidate": 1, "text": "better"})
    run = run_of([it.model_copy(update={"steps": (*it.steps, better)})], [True])
    assert list(read_rewards(run).reward) == [0.6]


def test_a_reward_model_that_separates_gives_no_warning():
    right = [drafts(f"r{i}", 0.9, 0.95, threshold=0) for i in range(30)]
    wrong = [drafts(f"w{i}", 0.9, 0.1, threshold=0) for i in range(30)]
    found = calibrate(run_of([*right, *wrong], [True] * 30 + [False] * 30, threshold=0))
    assert found.auc_solutions is not None
    assert found.auc_solutions.ci95[0] > 0.8
    assert found.warnings == []


def test_a_reward_model_that_does_not_separate_is_told():
    its = [drafts(str(i), 0.1 + i / 50, threshold=0) for i in range(40)]
    found = calibrate(run_of(its, [i % 2 == 0 for i in range(40)], threshold=0))
    assert [warning.split(":")[0] for warning in found.warnings] == [
        "The reward model hardly separates right from wrong"
    ]


def test_where_steps_were_replaced_the_warning_names_the_run_that_would_tell():
    its = [drafts(str(i), 0.71 + i / 200, 0.2) for i in range(40)]
    (warning,) = calibrate(run_of(its, [i % 2 == 0 for i in range(40)])).warnings
    assert "50% that were replaced" in warning
    assert "decoding.threshold=-.inf" in warning


def test_equal_rewards_are_warned_of():
    its = [drafts(str(i), 0.5, threshold=0) for i in range(10)]
    warnings = calibrate(run_of(its, [True] * 5 + [False] * 5, threshold=0)).warnings
    assert "100% of the rewards are equal" in warnings[0]


@pytest.mark.parametrize("strategy", ["draft", "target", "confidence"])
def test_a_run_without_rewards_is_refused_with_the_mend(strategy):
    run = run_of([drafts("1", 0.5)], [True], threshold=-1, strategy=strategy)
    with pytest.raises(ConfigError, match=rf"'{strategy}' has no draft steps.*threshold=-\.inf"):
        calibrate(run)


def test_a_run_that_has_not_begun_is_refused():
    with pytest.raises(ConfigError, match="no draft step has a reward yet"):
        calibrate(run_of([], []))


def test_a_calibration_is_at_most_100_columns_wide():
    world = World(problems=60)
    found = calibrate(world.run(0.4, oracle=True), 0.3, (world.run(0.6), world.run(-inf)))
    text = render_calibration(found)
    assert max(map(len, text.splitlines())) <= 100
    assert "Verdicts in hindsight" in text
    assert "The predictions checked" in text


def uniform(normal: Floats, steps: int) -> Rewards:
    """Rewards from normal deviates, `steps` of each solution, all kept."""
    n, count = len(normal), len(normal) // steps
    return Rewards(
        keys=tuple(("demo", str(i), 0) for i in range(count)),
        right=np.ones(count),
        problem=np.arange(count),
        reward=ndtr(normal),
        kept=np.ones(n, dtype=np.bool_),
        solution=np.repeat(np.arange(count), steps),
        repeated=np.zeros(n, dtype=np.bool_),
        alternative=np.full(n, np.nan),
    )


def flat(text: str) -> str:
    return " ".join(text.split())
