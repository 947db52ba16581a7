from __future__ import annotations

import pytest
from analysis.made_up_runs import grade, solution, target, three_solutions, write_run

from rsd.analysis import analyze, compare
from rsd.analysis.compare import target_only
from rsd.records import read_run
from rsd.types import StopReason


def analyzed(directory):
    return analyze(read_run(directory))


def test_rsd_against_target_by_hand(rsd_run, target_run):
    it = compare(analyzed(rsd_run), analyzed(target_run))
    assert (it.pairs, it.unpaired, it.finished) == (3, 0, 3)
    assert (it.first_better, it.second_better) == (0, 1)
    assert it.difference == pytest.approx(-1 / 3)
    # -1 / 5 over its error, sqrt((2 / 5 - 1 / 25) / 5): 0.7454, on two sides of t with 4 degrees.
    assert it.p_value == pytest.approx(0.49747, abs=1e-5)
    # -1 / 5 with the two pairs added, 2.77645 sqrt((2 / 5 - 1 / 25) / 5) either way.
    assert it.ci95 == pytest.approx((-0.94499, 0.54499), abs=1e-5)
    # The target alone: prompts 3 x 20 and 40 tokens at 100 parameters, 2 each.
    assert it.flops_ratio.prm_once == pytest.approx(18500 / 20000)
    assert it.flops_ratio.prm_per_step == pytest.approx(20420 / 20000)
    assert it.tokens_first["draft"].generated == 23
    assert it.tokens_second["target"].generated == 40


def test_a_run_equals_itself(rsd_run):
    run = analyzed(rsd_run)
    it = compare(run, run)
    assert (it.difference, it.p_value) == (0, 1)
    assert it.ci95 == pytest.approx((-0.55529, 0.55529), abs=1e-5)  # three pairs tell little
    assert it.flops_ratio.prm_once == 1


def test_only_common_problems_with_verdicts_are_paired(rsd_run, tmp_path):
    broken = solution("1", [], stop_reason=StopReason.ERROR, error="down")
    others = [broken, solution("2", [target(0, 20, 10)]), solution("7", [target(0, 20, 10)])]
    grades = [grade("2", None), grade("7", True)]
    directory = write_run(tmp_path / "other", others, grades, strategy="target")
    it = compare(analyzed(rsd_run), analyzed(directory))
    # 3 is missing there and 7 here; 2 has no gradable gold; 1 failed there, so it is wrong.
    assert (it.unpaired, it.pairs, it.first_better) == (2, 1, 1)
    # Both finished problem 2 only: draft 25 x 10 and PRM 18 x 20 against target 30 x 100.
    assert it.finished == 1
    assert it.flops_ratio.prm_once == pytest.approx((250 + 360) / 3000)


def test_runs_with_nothing_in_common_have_no_difference(rsd_run, tmp_path):
    directory = write_run(tmp_path / "o", [solution("9", [target(0, 1, 1)])], [grade("9", True)])
    it = compare(analyzed(rsd_run), analyzed(directory))
    assert (it.pairs, it.unpaired) == (0, 4)
    assert it.difference is it.ci95 is it.p_value is it.flops_ratio.prm_once is None


def test_the_target_run_must_cover_every_problem(rsd_run, target_run, tmp_path):
    run, alone = analyzed(rsd_run), analyzed(target_run)
    assert target_only(run, [run, alone]) is alone
    fewer = write_run(tmp_path / "f", three_solutions()[:1], [grade("1", True)], strategy="target")
    assert target_only(run, [run, analyzed(fewer)]) is None


def sampled(directory, right, strategy="rsd", tokens=10):
    """A run of the target's steps; `right` are the verdicts on the samples of each problem."""
    solutions = [
        solution(problem_id, [target(0, 20, tokens)], sample=sample)
        for problem_id, verdicts in right.items()
        for sample in range(len(verdicts))
    ]
    grades = [
        grade(problem_id, verdict, sample=sample)
        for problem_id, verdicts in right.items()
        for sample, verdict in enumerate(verdicts)
    ]
    samples = max(map(len, right.values()))
    return analyzed(write_run(directory, solutions, grades, strategy=strategy, samples=samples))


def test_samples_are_averaged_to_problems_before_these_are_paired(tmp_path):
    first = sampled(tmp_path / "a", {"1": [True, True], "2": [True, False], "3": [False, False]})
    second = sampled(tmp_path / "b", {"1": [True, False], "2": [True, True], "3": [False, False]})
    it = compare(first, second)
    assert (it.pairs, it.unpaired, it.finished) == (3, 0, 3)
    assert (it.first_better, it.second_better) == (1, 1)
    assert it.p_value == 1
    assert it.difference == 0
    # Of the differences 1/2, -1/2 and 0: 2.77645 sqrt((1 / 4 + 1 / 4 + 1) / 5 / 5).
    assert it.ci95 == pytest.approx((-0.68009, 0.68009), abs=1e-5)
    assert it.tokens_first["target"].generated == 60


def test_more_samples_of_the_same_problems_are_no_more_pairs(tmp_path):
    verdicts = {str(i): [i % 3 > 0] for i in range(30)}
    others = {str(i): [i % 2 > 0] for i in range(30)}
    once = compare(sampled(tmp_path / "a", verdicts), sampled(tmp_path / "b", others))
    eight = {
        name: {i: right * 8 for i, right in it.items()}
        for name, it in (("c", verdicts), ("d", others))
    }
    often = compare(*(sampled(tmp_path / name, it) for name, it in eight.items()))
    assert often.pairs == once.pairs == 30
    assert often.difference == once.difference
    assert often.ci95 == once.ci95
    assert often.p_value == once.p_value


def test_a_sampled_run_against_a_single_target_run(tmp_path):
    run = sampled(tmp_path / "a", {"1": [True, False, True, True], "2": [False] * 4}, tokens=30)
    alone = sampled(tmp_path / "b", {"1": [True], "2": [True], "9": [True]}, strategy="target")
    assert target_only(run, [run, alone]) is alone
    it = compare(run, alone)
    assert (it.pairs, it.unpaired) == (2, 1)
    assert it.difference == pytest.approx((3 / 4 + 0) / 2 - 1)
    # One solution against one: 20 + 30 positions of the target against 20 + 10.
    assert it.flops_ratio.prm_once == pytest.approx(50 / 30)


def test_a_failed_sample_costs_nothing_in_the_ratio_but_is_wrong(tmp_path):
    run = sampled(tmp_path / "a", {"1": [True, True]})
    broken = run.run.trajectories["demo", "1", 1].model_copy(
        update={"error": "down", "stop_reason": StopReason.ERROR}
    )
    run.run.trajectories[broken.key] = broken
    it = compare(analyze(run.run), sampled(tmp_path / "b", {"1": [True]}, strategy="target"))
    assert it.difference == pytest.approx(-1 / 2)
    assert (it.finished, it.flops_ratio.prm_once) == (1, pytest.approx(1))
