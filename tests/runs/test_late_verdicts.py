"""Grading on a machine so loaded that no worker process answers in time: late verdicts are stored
as such, cost no verdict that was already decided, and are counted apart."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from analysis.made_up_runs import solution, write_run

from rsd.analysis import analyze, render_table
from rsd.config import load
from rsd.grading.workers import client
from rsd.grading.workers.client import Job, Worker
from rsd.records import CONFIG, read_run
from rsd.runs import regrade

ANSWERS = {
    "easy": (r"\boxed{42}", "42"),  # needs no worker
    "half": (r"\boxed{x=2y}", "2y"),  # only the default verdict needs one
    "hard": (r"\boxed{2x}", "x+x"),  # both verdicts need one
}


def grade_all(run: Path) -> list[tuple[object, ...]]:
    """Grade the run as `rsd grade` does; the verdicts that are then stored."""
    asyncio.run(regrade(load(run / CONFIG), run))
    grades = read_run(run).grades
    return [(it.correct, it.how, it.correct_paper, it.how_paper) for it in grades.values()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # where no benchmark file is
    solutions = [
        solution(name, [], task="math500", response=response, gold=gold)
        for name, (response, gold) in ANSWERS.items()
    ]
    return write_run(tmp_path / "run", solutions, [], tasks=("math500",))


def stop_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel give every worker no processor time once it has a job."""
    ask = Worker.ask

    def stopped(self: Worker, job: Job, latest: float) -> dict[str, Any]:
        os.kill(self.pid, signal.SIGSTOP)
        return ask(self, job, latest)

    monkeypatch.setattr(Worker, "ask", stopped)
    monkeypatch.setattr(client, "JOB_SECONDS", 0.05)


def test_late_verdicts_are_counted_apart_and_tried_again(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_workers(patch)
        assert grade_all(run) == [
            (True, "box/string", True, None),
            (False, "timeout", True, None),
            (False, "timeout", False, "timeout"),
        ]
    found = analyze(read_run(run))
    overall = found.metrics.overall
    assert (overall.accuracy, overall.undecided) == (pytest.approx(1 / 3), 2)
    assert (overall.accuracy_paper, overall.undecided_paper) == (pytest.approx(2 / 3), 1)
    table = " ".join(render_table([found]).split())
    assert "2 undecided: grading timed out" in table
    assert "1 undecided by the paper's grader: grading timed out" in table

    decided = [(correct, paper) for correct, _, paper, _ in grade_all(run)]
    assert decided == [(True, True)] * 3


def test_late_verdicts_take_no_stored_verdict_back(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = grade_all(run)
    stop_workers(monkeypatch)
    assert grade_all(run) == before
