"""rsd's profile `paper` against the plain restatement of the published program, on fake servers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from harness.lock_step import Solution
from paper.world import World, drawn_world, entries

from rsd.patience import cut, cuts
from rsd.records import RunRecord, TrajectoryRecord

pytestmark = pytest.mark.slow

CAP = 520
MAX_STEPS = 16


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with drawn_world(tmp_path_factory.mktemp("world"), number=1, problems=20) as running:
        yield running


@pytest.fixture(scope="module")
def run(world: World) -> RunRecord:
    return world.run(threshold=0.4, max_tokens=CAP, max_steps=MAX_STEPS)


def reference(
    world: World, questions: Sequence[str], patience: int | None = None
) -> list[Solution]:
    settings = replace(
        world.reference(), threshold=0.4, cap=CAP, max_steps=MAX_STEPS, patience=patience
    )
    return settings.solve(questions)


def test_the_world_has_every_awkward_case(run: RunRecord) -> None:
    trajectories = list(run.trajectories.values())
    steps = [step for t in trajectories for step in t.steps]
    assert {t.stop_reason for t in trajectories} == {"eos", "max_tokens", "max_steps"}
    assert any(step.text == "" for step in steps)
    assert any(step.text.startswith("\n") for step in steps)
    assert any(step.text.endswith("\n") for step in steps)
    assert any(step.tokens == CAP for step in steps)
    assert any(step.source == "target" for step in steps)
    assert any("\n\n\n" in t.response for t in trajectories)


def test_every_step_response_and_token_count_is_the_same(world: World, run: RunRecord) -> None:
    solutions = reference(world, world.questions)
    for solution, trajectory in zip(solutions, in_order(run), strict=True):
        assert entries(trajectory) == solution.entries
        assert trajectory.response == solution.response


@pytest.mark.parametrize(("patience", "together"), [(1, 20), (2, 10), (5, 4)])
def test_patience_cuts_the_same_solutions_to_the_same_responses(
    world: World, run: RunRecord, patience: int, together: int
) -> None:
    """Few problems have long gaps between their finish steps: they are decoded `together`."""
    how_many = []
    for start in range(0, len(world.questions), together):
        part = in_order(run)[start : start + together]
        solutions = reference(world, world.questions[start : start + together], patience=patience)
        found = cuts(part, patience)
        assert [t.key for t, s in zip(part, solutions, strict=True) if s.cut] == list(found)
        for solution, whole in zip(solutions, part, strict=True):
            left = cut(whole, found[whole.key]) if whole.key in found else whole
            assert entries(left) == solution.entries
            assert left.response == solution.response
        how_many.append(len(found))
    assert 0 < sum(how_many) < len(world.questions)


@pytest.mark.parametrize(("strategy", "threshold"), [("draft", -math.inf), ("target", math.inf)])
def test_one_model_alone_writes_the_same(world: World, strategy: str, threshold: float) -> None:
    alone = world.run(strategy=strategy, max_tokens=CAP, max_steps=MAX_STEPS)
    # A single model needs, and counts with, its own tokenizer alone.
    settings = world.reference()
    model = settings.draft if strategy == "draft" else settings.target
    one = replace(
        settings,
        draft=replace(settings.draft, tokenizer=model.tokenizer),
        target=replace(settings.target, tokenizer=model.tokenizer),
    )
    limited = replace(one, threshold=threshold, cap=CAP, max_steps=MAX_STEPS)
    solutions = limited.solve(world.questions)
    for solution, trajectory in zip(solutions, in_order(alone), strict=True):
        kept = [replace(entry, reward=None) for entry in solution.entries if entry.kept]
        assert entries(trajectory) == kept
        assert trajectory.response == solution.response


def in_order(run: RunRecord) -> list[TrajectoryRecord]:
    return sorted(run.trajectories.values(), key=lambda t: int(t.problem_id))
