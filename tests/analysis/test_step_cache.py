"""Runs that took answers from the step cache: their speed is void, all else stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from analysis.made_up_runs import grade, three_solutions, write_run

from rsd.analysis import AnalyzedRun, analyze, render_page, render_table
from rsd.analysis.timing import step_cache_use
from rsd.records import TrajectoryRecord, read_run
from rsd.types import ROLES

GRADES = [grade("1", True), grade("2", True), grade("3", False)]


def analyzed(directory: Path, trajectories: list[TrajectoryRecord]) -> AnalyzedRun:
    return analyze(read_run(write_run(directory, trajectories, GRADES)))


def with_hits(**marks: bool) -> list[TrajectoryRecord]:
    """One step of one solution is marked."""
    first, *others = three_solutions()
    step, *rest = first.steps
    marked = step.model_copy(update=marks)
    return [first.model_copy(update={"steps": (marked, *rest)}), *others]


@pytest.mark.parametrize("mark", ["from_cache", "score_from_cache", "likelihood_from_cache"])
def test_one_hit_makes_the_speed_of_the_whole_run_void(tmp_path: Path, mark: str) -> None:
    run = analyzed(tmp_path / "hit", with_hits(**{mark: True}))
    asked = analyzed(tmp_path / "asked", three_solutions())
    metrics = run.metrics
    for summary in (metrics.overall, metrics.tasks["demo"]):
        assert summary.speed_void == "the step cache gave 1 of 15 answers"
        assert summary.latency_s is summary.problems_per_s is summary.tokens_per_s is None
        assert summary.busy == dict.fromkeys(ROLES)
    assert asked.metrics.overall.latency_s is not None
    speed = {"speed_void", "latency_s", "problems_per_s", "tokens_per_s", "busy"}
    for name in set(type(metrics.overall).model_fields) - speed:
        assert getattr(metrics.overall, name) == getattr(asked.metrics.overall, name), name


def test_the_table_and_the_page_have_dashes_and_say_why(tmp_path: Path) -> None:
    hit = analyzed(tmp_path / "hit", with_hits(from_cache=True))
    asked = analyzed(tmp_path / "asked", three_solutions())
    told = "No speed is given for 1 of 2 runs: the step cache"
    block = render_table([asked, hit]).split("\n\n")[1]
    rows = [line.split()[-4:] for line in block.splitlines() if line.startswith(("asked", "hit"))]
    assert rows[1] == ["-"] * 4
    assert "-" not in rows[0]
    assert told in block
    assert told in render_page([asked, hit])
    assert "No speed is given" not in render_table([asked])


def test_records_of_older_runs_have_no_hits(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "old", three_solutions(), GRADES)
    path = directory / "trajectories.jsonl"
    lines = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        for step in record["steps"]:
            for mark in ("from_cache", "score_from_cache", "likelihood_from_cache"):
                del step[mark]
        lines.append(json.dumps(record) + "\n")
    path.write_text("".join(lines))
    assert step_cache_use(read_run(directory).trajectories.values()) == (0, 15)
