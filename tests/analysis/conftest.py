from __future__ import annotations

from pathlib import Path

import pytest
from analysis.made_up_runs import grade, solution, target, three_solutions, write_run


@pytest.fixture
def rsd_run(tmp_path: Path) -> Path:
    """RSD on three problems, two of them right."""
    grades = [grade("1", True), grade("2", False, correct_paper=True), grade("3", True)]
    return write_run(tmp_path / "made-up-rsd", three_solutions(), grades)


@pytest.fixture
def target_run(tmp_path: Path) -> Path:
    """The target alone on the same problems, all right."""
    solutions = [
        solution("1", [target(0, 20, 10), target(1, 30, 10)]),
        solution("2", [target(0, 20, 10)]),
        solution("3", [target(0, 20, 10)]),
    ]
    grades = [grade(problem_id, True) for problem_id in "123"]
    return write_run(tmp_path / "made-up-target", solutions, grades, strategy="target")
