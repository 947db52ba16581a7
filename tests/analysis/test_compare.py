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
    assert (it.only_first_right, it.only_second_right) == (0, 1)
    assert it.difference == pytest.approx(-1 / 3)
    assert it.p_value == 1  # one discordant pair: either way round is as likely
    assert it.ci95 == pytest.approx((-1, 0))
    # The target alone: prompts 3 x 20 and 40 tokens at 100 parameters, 2 each.
    assert it.flops_ratio.prm_once == pytest.approx(18500 / 20000)
    assert it.flops_ratio.prm_per_step == pytest.approx(20420 / 20000)
    assert it.tokens_first["draft"].generated == 23
    assert it.tokens_second["target"].generated == 40


def test_a_run_equals_itself(rsd_run):
    run = analyzed(rsd_run)
    it = compare(run, run)
    assert (it.difference, it.ci95, it.p_value) == (0, (0, 0), 1)
    assert it.flops_ratio.prm_once == 1


def test_only_common_problems_with_verdicts_are_paired(rsd_run, tmp_path):
    broken = solution("1", [], stop_reason=StopReason.ERROR, error="down")
    others = [broken, solution("2", [target(0, 20, 10)]), solution("7", [target(0, 20, 10)])]
    grades = [grade("2", None), grade("7", True)]
    directory = write_run(tmp_path / "other", others, grades, strategy="target")
    it = compare(analyzed(rsd_run), analyzed(directory))
    # 3 is missing there and 7 here; 2 has no gradable gold; 1 failed there, so it is wrong.
    assert (it.unpaired, it.pairs, it.only_first_right) == (2, 1, 1)
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
