"""Metrics of the three solutions of made_up_runs; their costs are derived in
test_costs_by_hand.py."""

from __future__ import annotations

import json

import pytest
from analysis.made_up_runs import (
    PARAMETERS,
    draft,
    grade,
    solution,
    target,
    three_solutions,
    write_run,
)

from rsd.analysis import analyze, summarize
from rsd.errors import StoreError
from rsd.records import TRAJECTORIES, read_run
from rsd.types import StopReason


def failed(problem_id: str):
    """A problem whose server died after 7 draft tokens."""
    return solution(
        problem_id,
        [draft(0, False, prompt=20, tokens=7, scored=18, own=6)],
        stop_reason=StopReason.ERROR,
        error="draft: http://127.0.0.1:8001/v1 does not answer",
        seconds=99,
    )


def test_metrics_file_by_hand(rsd_run):
    summarize(rsd_run)
    metrics = json.loads((rsd_run / "metrics.json").read_text())
    overall = metrics["overall"]
    assert list(metrics) == ["tasks", "overall", "average"]
    average = {"accuracy": 2 / 3, "accuracy_paper": 1, "accuracy_paper_with_patience": None}
    assert metrics["average"] == pytest.approx(average)
    assert overall["n"] == 3
    assert (overall["errors"], overall["ungradable"], overall["ungraded"]) == (0, 0, 0)
    assert overall["accuracy"] == pytest.approx(2 / 3)
    assert overall["accuracy_paper"] == 1
    # Wilson for 2 of 3: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96.
    assert overall["ci95"] == pytest.approx([0.20766, 0.93851], abs=1e-5)
    assert overall["steps"] == {"draft_accepted": 3, "draft_rejected": 3, "target": 3}
    assert overall["acceptance_rate"] == pytest.approx(0.5)
    assert overall["acceptance_rate_tokens"] == pytest.approx(13 / 23)
    assert overall["target_step_share"] == pytest.approx(0.5)
    assert overall["tokens"]["draft"] == {
        "requests": 6,
        "generated": 23,
        "prompt": 20 + 25 + 31 + 20 + 20 + 30,
        "cached": 0,
        "wasted": 0,
    }
    assert overall["tokens"]["target"]["generated"] == 21
    assert overall["tokens"]["prm"]["prompt"] == 131
    assert overall["flops_per_problem"] == pytest.approx(
        {"prm_once": 18500 / 3, "prm_per_step": 20420 / 3}
    )
    assert overall["flops_ratio_vs_target_only"] == pytest.approx(
        {"prm_once": 18500 / 18800, "prm_per_step": 20420 / 18800}
    )
    assert overall["latency_s"]["p50"] == 6
    assert overall["latency_s"]["p90"] == pytest.approx(9.2)  # 0.8 of the way from 6 to 10
    # One session of 20 s; every request of the helper runs from 0 to 1 s.
    assert overall["seconds"] == 20
    assert overall["problems_per_s"] == pytest.approx(3 / 20)
    assert overall["tokens_per_s"] == pytest.approx(34 / 20)
    assert overall["busy"] == {"draft": 0.05, "target": 0.05, "prm": 0.05}
    # A task's own time is what its trajectories span, 10 s here; all else is as overall.
    task = metrics["tasks"]["demo"]
    assert task["problems_per_s"] == pytest.approx(3 / 10)
    timed = {"seconds", "problems_per_s", "tokens_per_s", "busy"}
    assert {k: v for k, v in task.items() if k not in timed} == {
        k: v for k, v in overall.items() if k not in timed
    }


def test_a_failed_problem_is_wrong_and_its_work_counted_but_no_share(tmp_path):
    grades = [grade("1", True), grade("2", True), grade("3", True)]
    directory = write_run(tmp_path / "r", [*three_solutions(), failed("4")], grades)
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.n, overall.errors, overall.ungraded) == (4, 1, 0)
    assert overall.accuracy == overall.accuracy_paper == pytest.approx(3 / 4)
    assert overall.tokens["draft"].generated == 23 + 7
    assert overall.acceptance_rate == pytest.approx(0.5)
    assert overall.flops_per_problem.prm_once == pytest.approx(18500 / 3)
    assert overall.latency_s is not None
    assert overall.latency_s.p99 < 10.01


def test_a_failed_problem_is_wrong_even_if_its_beginning_was_graded_right(tmp_path):
    directory = write_run(tmp_path / "r", [failed("1")], [grade("1", True)])
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.accuracy, overall.accuracy_paper) == (0, 0)


def test_ungradable_gold_and_missing_grades_stay_out_of_accuracy(tmp_path):
    grades = [grade("1", True), grade("2", None)]
    directory = write_run(tmp_path / "r", three_solutions(), grades)
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.n, overall.ungradable, overall.ungraded) == (3, 1, 1)
    assert overall.accuracy == 1
    assert overall.accuracy_paper == 0.5  # the paper's grader reads every gold answer
    assert overall.acceptance_rate == pytest.approx(0.5)


def test_an_answer_that_was_not_found_is_wrong(tmp_path):
    grades = [grade("2", False, prediction=None, how="no answer")]
    directory = write_run(tmp_path / "r", three_solutions()[1:2], grades)
    assert analyze(read_run(directory)).metrics.overall.accuracy == 0


def test_average_weighs_tasks_equally_and_overall_problems(tmp_path):
    one, two, three = three_solutions()
    moved = three.model_copy(update={"task": "gsm8k"})
    grades = [grade("1", True), grade("2", True), grade("3", False, task="gsm8k")]
    directory = write_run(tmp_path / "r", [moved, one, two], grades, tasks=("demo", "gsm8k"))
    metrics = analyze(read_run(directory)).metrics
    assert list(metrics.tasks) == ["demo", "gsm8k"]
    assert metrics.average.accuracy == pytest.approx(1 / 2)
    assert metrics.overall.accuracy == pytest.approx(2 / 3)


def test_a_torn_last_line_is_not_counted(rsd_run):
    path = rsd_run / TRAJECTORIES
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[0].replace('"1"', '"9"')[:200])
    assert analyze(read_run(rsd_run)).metrics.overall.n == 3
    path.write_text(whole[:-20])
    assert analyze(read_run(rsd_run)).metrics.overall.n == 2


def test_unknown_parameter_counts_give_null_flops(tmp_path):
    sizes = {role: n for role, n in PARAMETERS.items() if role != "target"}
    directory = write_run(tmp_path / "r", three_solutions(), [], parameters=sizes)
    overall = analyze(read_run(directory)).metrics.overall
    assert overall.flops_per_problem.prm_once is None
    assert overall.flops_ratio_vs_target_only.prm_per_step is None


def test_target_alone_is_its_own_reference(target_run):
    overall = analyze(read_run(target_run)).metrics.overall
    assert overall.flops_ratio_vs_target_only.prm_once == pytest.approx(1)
    assert overall.flops_ratio_vs_target_only.prm_per_step == pytest.approx(1)
    assert overall.target_step_share == 1
    assert overall.acceptance_rate is None
    assert overall.busy["draft"] is overall.busy["prm"] is None


def test_a_run_with_nothing_in_it_has_metrics_and_a_table(tmp_path):
    directory = write_run(tmp_path / "empty", [], [])
    assert "empty" in summarize(directory)
    overall = json.loads((directory / "metrics.json").read_text())["overall"]
    assert (overall["n"], overall["accuracy"], overall["latency_s"]) == (0, None, None)


def test_summarize_writes_metrics_and_page_and_leaves_no_temporary_file(rsd_run):
    before = {path.name for path in rsd_run.iterdir()}
    assert "RSD δ=0.7" in summarize(rsd_run)
    after = {path.name for path in rsd_run.iterdir()}
    assert after - before == {"metrics.json", "report.html"}


def test_a_place_that_cannot_be_written_is_one_clear_line(rsd_run):
    (rsd_run / "metrics.json").mkdir()
    with pytest.raises(StoreError, match=r"metrics\.json: cannot be written") as caught:
        summarize(rsd_run)
    assert "\n" not in str(caught.value)
    assert not list(rsd_run.glob(".*"))


def test_a_problem_that_was_tried_again_counts_once(tmp_path):
    """A later line for the same problem, as after a resume, replaces the failed one."""
    again = solution("4", [target(0, 20, 10)])
    directory = write_run(tmp_path / "r", [failed("4"), again], [grade("4", True)])
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.n, overall.errors, overall.accuracy) == (1, 0, 1)
