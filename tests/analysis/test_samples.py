"""pass@k, maj@k and best-of-k against counting over all subsets, and by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations
from statistics import fmean

import pytest
from analysis.made_up_runs import draft, grade, run_of, solution, target, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.analysis import analyze, render_table, summarize
from rsd.analysis.samples import sampled
from rsd.analysis.statistics.several_samples import best_of_k, majority_at_k, pass_at_k
from rsd.records import read_run
from rsd.types import StopReason

answers = st.one_of(st.none(), st.integers(0, 3))
"""The group of a sample's answer; None without an answer."""
rights = st.lists(st.booleans(), min_size=1, max_size=8)
rewards = st.sampled_from([0.1, 0.5, 0.9])
rewarded = st.lists(st.tuples(rewards, st.booleans()), min_size=1, max_size=8)
problems = st.lists(
    st.tuples(answers, st.booleans()).map(lambda it: (it[0], it[1] and it[0] is not None)),
    min_size=1,
    max_size=8,
)
"""Samples as (group, right); those without an answer are wrong, members of a group may differ."""


def over_subsets(samples, value):
    """The mean of `value` over all k-subsets, for k = 1 .. n."""
    n = len(samples)
    return [fmean(map(value, combinations(samples, k))) for k in range(1, n + 1)]


def votes(samples):
    """The groups (size, right share) and the number of silent samples."""
    groups = {}
    for group, right in samples:
        if group is not None:
            groups.setdefault(group, []).append(right)
    sizes = tuple((len(rights), fmean(rights)) for rights in groups.values())
    return sizes, len(samples) - sum(size for size, _ in sizes)


@given(rights)
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(samples):
    assert pass_at_k(len(samples), sum(samples)) == pytest.approx(over_subsets(samples, any))


@settings(deadline=None)
@given(problems)
def test_majority_is_the_mean_over_subsets_of_the_winners_shares(samples):
    groups, silent = votes(samples)
    shares = {
        group: fmean(right for it, right in samples if it == group)
        for group in {it for it, _ in samples if it is not None}
    }

    def winner(subset):
        given = [group for group, _ in subset if group is not None]
        most = max(map(given.count, given), default=0)
        tied = [shares[group] for group in set(given) if given.count(group) == most]
        return fmean(tied) if tied else 0.0

    assert majority_at_k(groups, silent) == pytest.approx(over_subsets(samples, winner))


@given(rewarded)
def test_best_is_the_mean_over_subsets_of_the_highest_reward(samples):
    def best(subset):
        highest = max(reward for reward, _ in subset)
        return fmean(right for reward, right in subset if reward == highest)

    assert best_of_k(samples) == pytest.approx(over_subsets(samples, best))


@settings(deadline=None)
@given(problems, st.randoms())
def test_order_does_not_matter(samples, random):
    shuffled = random.sample(samples, len(samples))
    (groups, silent), (others, _) = votes(samples), votes(shuffled)
    assert majority_at_k(groups, silent) == pytest.approx(majority_at_k(others, silent))
    rated = [(it[0] or 0, it[1]) for it in samples]
    again = [(it[0] or 0, it[1]) for it in shuffled]
    assert best_of_k(rated) == pytest.approx(best_of_k(again))


@settings(deadline=None)
@given(problems)
def test_all_figures_for_one_sample_are_the_mean_accuracy(samples):
    n, right = len(samples), sum(right for _, right in samples)
    assert pass_at_k(n, right)[0] == pytest.approx(right / n)
    assert majority_at_k(*votes(samples))[0] == pytest.approx(right / n)
    assert best_of_k([(it[0] or 0, it[1]) for it in samples])[0] == pytest.approx(right / n)


@settings(deadline=None)
@given(problems)
def test_pass_at_k_grows_with_k_and_bounds_the_others(samples):
    passed = pass_at_k(len(samples), sum(right for _, right in samples))
    assert passed == sorted(passed)
    best = best_of_k([(it[0] or 0, it[1]) for it in samples])
    for chance, bound in zip(best, passed, strict=True):
        assert chance <= bound + 1e-12


def test_large_numbers_of_samples_stay_exact():
    # 151 right votes against 149: of all 300, and of any 299, the right answer wins.
    share = majority_at_k(((151, 1.0), (149, 0.0)), 0)
    assert share[-2:] == pytest.approx((1, 1))
    # Of 298 there is a tie where two right ones are missing.
    assert share[-3] == pytest.approx(1 - 151 * 150 / (300 * 299) / 2)
    assert share[0] == pytest.approx(151 / 300)
    assert pass_at_k(2000, 1)[999] == pytest.approx(0.5)


BY_HAND = {
    # Two of three agree on the right answer; the best last step is right, the best mean wrong.
    "1": [(True, 0, (0.1, 0.9)), (False, 1, (0.9, 0.8)), (True, 0, (0.2, 0.2))],
    # One right sample, one without an answer, and one that only the target wrote.
    "2": [(True, 0, (0.5,)), (False, None, (0.6,)), (False, 2, ())],
}


def test_the_block_by_hand(tmp_path):
    summarize(run_of(tmp_path / "r", BY_HAND))
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    it = metrics["overall"]["samples"]
    assert it == metrics["tasks"]["demo"]["samples"]
    assert (it["n"], it["problems"], it["unrewarded"]) == (3, 2, 1)

    def values(figures):
        assert [figure["k"] for figure in figures] == [1, 2, 3]
        assert all(f["ci95"][0] <= f["value"] <= f["ci95"][1] for f in figures)
        return [figure["value"] for figure in figures]

    # 1: 2 of 3 right. 2: 1 of 3, and 2 of the 3 pairs hold it.
    assert values(it["pass_at_k"]) == pytest.approx([1 / 2, (1 + 2 / 3) / 2, 1])
    # Pairs of 1: right, and two ties; of 2: right alone, a tie, wrong alone. All of 2 is a tie.
    assert values(it["maj_at_k"]) == pytest.approx([1 / 2, (2 / 3 + 1 / 2) / 2, (1 + 1 / 2) / 2])
    best = it["best_of_k"]
    assert list(best) == ["last", "min", "mean", "prod"]
    # Last steps rank 1 as right, wrong, right and 2 as wrong, right, wrong (without a reward).
    assert values(best["last"]) == pytest.approx([1 / 2, (2 / 3 + 1 / 3) / 2, 1 / 2])
    # Means (and minima and products) rank 1 as wrong, right, right.
    assert values(best["mean"]) == pytest.approx([1 / 2, (1 / 3 + 1 / 3) / 2, 0])
    assert values(best["min"]) == values(best["prod"]) == values(best["mean"])


def test_figures_for_one_sample_are_the_accuracy_with_its_interval(tmp_path):
    overall = analyze(read_run(run_of(tmp_path / "r", BY_HAND))).metrics.overall
    it = overall.samples
    assert it.avg_at_k == it.pass_at_k[0].model_copy(update={"k": 3})
    for figures in (it.pass_at_k, it.maj_at_k, *it.best_of_k.values()):
        assert figures[0].value == pytest.approx(overall.accuracy)
        assert figures[0].ci95 == pytest.approx(overall.ci95)


def test_samples_in_another_order_give_the_same_block(tmp_path):
    turned = {problem_id: its[::-1] for problem_id, its in reversed(BY_HAND.items())}
    blocks = [
        analyze(read_run(run_of(tmp_path / name, samples))).metrics.overall.samples.model_dump()
        for name, samples in (("a", BY_HAND), ("b", turned))
    ]
    assert json.dumps(blocks[0]) == json.dumps(blocks[1])


def test_the_interval_of_the_accuracy_is_by_problem(tmp_path):
    alike = {str(i): [(i < 6, 0, ())] * 8 for i in range(10)}
    many = analyze(read_run(run_of(tmp_path / "a", alike))).metrics.overall
    single = {problem_id: its[:1] for problem_id, its in alike.items()}
    one = analyze(read_run(run_of(tmp_path / "b", single))).metrics.overall
    assert many.accuracy == one.accuracy
    assert many.ci95[1] - many.ci95[0] > one.ci95[1] - one.ci95[0]
    assert one.ci95 == pytest.approx((0.3127, 0.8318), abs=1e-4)  # Wilson for 6 of 10
    assert one.samples is None
    assert many.samples.best_of_k is None


def test_only_problems_with_all_samples_count_and_a_failed_sample_is_one(tmp_path):
    samples = BY_HAND | {"3": [(True, 0, (0.9,))]}
    run = read_run(run_of(tmp_path / "r", samples, n=3))
    key = ("demo", "1", 0)
    run.trajectories[key] = run.trajectories[key].model_copy(
        update={"error": "down", "stop_reason": StopReason.ERROR}
    )
    it = sampled(run, run.trajectories.values())
    assert (it.problems, it.unrewarded) == (2, 2)
    # It is wrong, casts no vote and ranks last: 1 has a wrong best, then a right sample.
    assert it.pass_at_k[0].value == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert it.maj_at_k[2].value == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert it.best_of_k["last"][2].value == 0
    text = render_table([analyze(run)])
    assert "only the 2 of 3 problems whose 3 samples are all decoded and graded" in text
    assert sampled(run, [run.trajectories["demo", "3", 0]]) is None


def test_without_groups_there_is_no_vote(tmp_path):
    run = read_run(run_of(tmp_path / "r", BY_HAND))
    key = ("demo", "2", 2)
    run.grades[key] = run.grades[key].model_copy(update={"group": None})
    assert sampled(run, run.trajectories.values()).maj_at_k is None
    assert "answers are not grouped yet" in " ".join(render_table([analyze(run)]).split())


def test_aggregated_rewards_are_not_aggregated_again_nor_negative_ones_multiplied(tmp_path):
    run = read_run(run_of(tmp_path / "r", BY_HAND))
    prm = run.config.models.prm.model_copy(update={"aggregation": "min"})
    models = run.config.models.model_copy(update={"prm": prm})
    aggregated = replace(run, config=run.config.model_copy(update={"models": models}))
    assert list(sampled(aggregated, run.trajectories.values()).best_of_k) == ["last"]
    below = {"1": [(True, 0, (-0.5, 0.2)), (False, 1, (-0.1, 0.1))]}
    negative = read_run(run_of(tmp_path / "n", below))
    best = sampled(negative, negative.trajectories.values()).best_of_k
    assert list(best) == ["last", "min", "mean"]


def test_rejected_steps_have_no_say_in_the_best(tmp_path):
    rejected = draft(0, False, 20, 5, 18, 6).model_copy(update={"reward": 1.0})
    kept = draft(1, True, 20, 5, 18, 6).model_copy(update={"reward": 0.2})
    better = draft(0, True, 20, 5, 18, 6).model_copy(update={"reward": 0.3})
    solutions = [
        solution("1", [rejected, target(0, 20, 5), kept], sample=0),
        solution("1", [better], sample=1),
    ]
    grades = [grade("1", right, sample=i, group=i) for i, right in enumerate([False, True])]
    it = analyze(
        read_run(write_run(tmp_path / "r", solutions, grades, samples=2))
    ).metrics.overall.samples
    assert it.best_of_k["last"][1].value == 1


def test_a_reward_is_never_nan_or_infinite_in_the_file(tmp_path):
    summarize(run_of(tmp_path / "r", BY_HAND))
    text = (tmp_path / "r" / "metrics.json").read_text()
    figures = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in metrics.json"))
    assert math.isfinite(figures["overall"]["samples"]["best_of_k"]["prod"][2]["value"])
