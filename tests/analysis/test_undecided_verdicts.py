"""Verdicts that grading did not reach: not right, counted apart, and said in every table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from analysis.made_up_runs import grade, three_solutions, write_run

from rsd.analysis import analyze, render_page, render_table
from rsd.analysis.export import write_tables
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, outcome, outcome_paper
from rsd.analysis.tables.labels import labels
from rsd.records import read_run

GRADES = [
    grade("1", True, how_paper="timeout", correct_paper=False),
    grade("2", False, how="crash", correct_paper=True),
    grade("3", False, how="timeout", how_paper="timeout"),
]


@pytest.fixture
def run(tmp_path: Path) -> AnalyzedRun:
    return analyze(read_run(write_run(tmp_path / "r", three_solutions(), GRADES)))


def test_each_grader_has_its_own() -> None:
    solved = three_solutions()
    found = [outcome(*pair) for pair in zip(solved, GRADES, strict=True)]
    assert found == [Outcome.RIGHT, Outcome.UNDECIDED, Outcome.UNDECIDED]
    found = [outcome_paper(*pair) for pair in zip(solved, GRADES, strict=True)]
    assert found == [Outcome.UNDECIDED, Outcome.RIGHT, Outcome.UNDECIDED]


def test_they_count_as_not_right_and_are_counted_apart(run: AnalyzedRun) -> None:
    overall = analyze(run.run).metrics.overall
    assert overall.accuracy == overall.accuracy_paper == pytest.approx(1 / 3)
    assert (overall.undecided, overall.undecided_paper, overall.ungraded) == (2, 2, 0)


def test_every_table_says_so(run: AnalyzedRun, tmp_path: Path) -> None:
    assert labels([run]) == ["RSD δ=0.7 (3 undecided)"]
    table = " ".join(render_table([run]).split())
    why = "grading timed out or crashed (counted as wrong; rsd grade retries them)"
    assert f"2 undecided: {why}" in table
    assert f"2 undecided by the paper's grader: {why}" in table
    page = render_page([run])
    assert "(3 undecided)" in page
    assert "2 / 2" in page
    write_tables([run], tmp_path / "csv")
    with (tmp_path / "csv" / "problems.csv").open(encoding="utf-8") as file:
        assert [row["outcome"] for row in csv.DictReader(file)] == ["right", *["undecided"] * 2]
    with (tmp_path / "csv" / "runs.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["undecided"], row["undecided_paper"]) == ("2", "2")


def test_nothing_is_said_where_there_are_none(rsd_run: Path) -> None:
    run = analyze(read_run(rsd_run))
    assert "undecided" not in render_table([run])
    assert "undecided by" not in render_page([run])
