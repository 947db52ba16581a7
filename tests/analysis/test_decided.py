"""Failures and grading timeouts are no wrong answers; shares are not rounded to 0 or 100%."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis.made_up_runs import draft, grade, solution, write_run

from rsd.analysis import analyze
from rsd.analysis.calibration import calibrate
from rsd.analysis.plots.rewards import rewards_by_answer
from rsd.analysis.tables.cells import accuracy, percent
from rsd.records import read_run
from rsd.types import StopReason


def made(directory: Path, *, failures: int) -> Path:
    """Thirty solutions, the right ones with high rewards; and failures and undecided ones whose
    rewards are higher still."""
    runs, grades = [], []
    for i in range(30):
        step = draft(0, True, 20, 5, 18, 6).model_copy(update={"reward": 0.6 + 0.01 * i})
        runs.append(solution(str(i), [step]))
        grades.append(grade(str(i), i >= 10))
    for i in range(30, 30 + failures):
        step = draft(0, True, 20, 5, 18, 6).model_copy(update={"reward": 0.99})
        if i % 2:
            runs.append(solution(str(i), [step], stop_reason=StopReason.ERROR, error="down"))
            grades.append(grade(str(i), False))
        else:
            runs.append(solution(str(i), [step]))
            grades.append(grade(str(i), False).model_copy(update={"how": "timeout"}))
    return write_run(directory, runs, grades)


def test_failures_are_no_wrong_answers_of_the_reward_model(tmp_path):
    alone, lost = (read_run(made(tmp_path / str(n), failures=n)) for n in (0, 10))
    assert rewards_by_answer(analyze(lost)) == rewards_by_answer(analyze(alone))
    before, after = calibrate(alone, 0.3), calibrate(lost, 0.3)
    assert before.auc_steps is not None
    assert after.auc_steps == before.auc_steps
    assert after.auc_solutions == before.auc_solutions


@pytest.mark.parametrize(
    ("share", "whole", "tenths"),
    [
        (0, "0%", "0.0%"),
        (0.0004, "<1%", "<0.1%"),
        (0.004, "<1%", "0.4%"),
        (0.006, "1%", "0.6%"),
        (0.994, "99%", "99.4%"),
        (0.996, ">99%", "99.6%"),
        (0.9996, ">99%", ">99.9%"),
        (1, "100%", "100.0%"),
    ],
)
def test_only_none_and_all_are_0_and_100_percent(share, whole, tenths):
    assert (percent(share), percent(share, 1)) == (whole, tenths)
    assert accuracy(share, (0.0, 1.0)).startswith(tenths.rstrip("%"))
