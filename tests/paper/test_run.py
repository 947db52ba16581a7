"""A run of the profile `paper`: what it stores, and what its metrics say with patience."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from paper.world import World, drawn_world

from rsd.analysis import analyze, render_page, render_table
from rsd.analysis.paper.figures import PaperTokens
from rsd.grading import grade
from rsd.patience import cuts
from rsd.records import CUT_GRADES, RunRecord, read_run
from rsd.runs import execute, regrade

pytestmark = pytest.mark.slow

SETTINGS = {"threshold": 0.4, "max_tokens": 520, "max_steps": 16}
FOUR_OF_WHICH_TWO_ARE_CUT = 7
TITLE = "Figures as the published program computes them"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("world")
    with drawn_world(root, FOUR_OF_WHICH_TWO_ARE_CUT, problems=4) as running:
        yield running


@pytest.fixture(scope="module")
def run(world: World) -> RunRecord:
    return world.run(**SETTINGS)


def test_cut_solutions_are_graded_as_cut(world: World, run: RunRecord) -> None:
    settings = replace(world.reference(), threshold=0.4, cap=520, max_steps=16, patience=5)
    solutions = settings.solve(world.questions)
    assert sum(s.cut for s in solutions) == 2
    assert set(run.cut_grades) == {("demo", str(n), 0) for n, s in enumerate(solutions) if s.cut}
    for number, solution in enumerate(solutions):
        if solution.cut:
            stored = run.cut_grades["demo", str(number), 0]
            verdict = grade(solution.response, "22", "demo")
            assert stored.steps == solution.entries[-1].number
            assert (stored.prediction, stored.correct) == (verdict.prediction, verdict.correct)


def test_metrics_count_with_and_without_patience(world: World, run: RunRecord) -> None:
    settings = replace(world.reference(), threshold=0.4, cap=520, max_steps=16)
    paper = analyze(run).metrics.overall.paper
    assert paper is not None
    assert (paper.cut, paper.ungraded) == (2, 0)
    for patience, counted in ((5, paper.tokens), (None, paper.tokens_without_patience)):
        entries = [
            (e.writer, e.kept, e.tokens)
            for s in replace(settings, patience=patience).solve(world.questions)
            for e in s.entries
        ]
        kept = sum(n for writer, kept, n in entries if writer == "draft" and kept)
        rejected = sum(n for writer, kept, n in entries if writer == "draft" and not kept)
        assert counted == PaperTokens(
            draft_kept=kept,
            draft_rejected=rejected,
            target=sum(n for writer, _, n in entries if writer == "target"),
            acceptance_rate=kept / (kept + rejected),
        )
    assert paper.tokens != paper.tokens_without_patience


def test_accuracy_with_patience_takes_the_grades_of_the_cut_solutions(run: RunRecord) -> None:
    right = {key: g.model_copy(update={"correct": True}) for key, g in run.grades.items()}
    wrong = {key: g.model_copy(update={"correct": False}) for key, g in run.cut_grades.items()}
    metrics = analyze(replace(run, grades=right, cut_grades=wrong)).metrics.overall
    assert metrics.accuracy == 1
    assert metrics.paper is not None
    assert metrics.paper.accuracy == 0.5


def test_a_cut_solution_without_its_grade_is_left_out_and_counted(run: RunRecord) -> None:
    stale = {key: g.model_copy(update={"steps": g.steps + 1}) for key, g in run.cut_grades.items()}
    for cut_grades in ({}, stale):
        paper = analyze(replace(run, cut_grades=cut_grades)).metrics.overall.paper
        assert paper is not None
        assert (paper.cut, paper.ungraded) == (2, 2)


def test_grades_that_are_missing_are_made_up_for_without_a_server(
    world: World, run: RunRecord
) -> None:
    asked = sum(len(app.state.requests) for app in world.apps.values())
    for again in (execute, lambda config: regrade(config, run.directory)):
        (run.directory / CUT_GRADES).unlink()
        asyncio.run(again(run.config))
        assert read_run(run.directory).cut_grades == run.cut_grades
    assert sum(len(app.state.requests) for app in world.apps.values()) == asked


def test_the_table_and_the_page_show_what_patience_did(run: RunRecord) -> None:
    analyzed = analyze(run)
    for shown in (render_table([analyzed]), render_page([analyzed])):
        assert TITLE in shown
        assert "2 of 4" in shown


def test_the_default_profile_knows_no_patience(world: World) -> None:
    run = world.run("default", profile="default", **SETTINGS)
    assert len(cuts(run.trajectories.values())) > 0
    assert not (run.directory / CUT_GRADES).exists()
    assert run.cut_grades == {}
    analyzed = analyze(run)
    metrics = analyzed.metrics
    assert TITLE not in render_table([analyzed])
    assert metrics.overall.paper is None
    assert metrics.average.accuracy_paper_with_patience is None
    assert all(s.paper_tokens is None for t in run.trajectories.values() for s in t.steps)
