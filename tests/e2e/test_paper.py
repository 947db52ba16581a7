"""The profile `paper` on the real servers, against the plain restatement of the published program:
every step, response and token count of all 200 problems."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from harness.common import Demo
from harness.lock_step import LockStep, Solution
from paper.world import entries

from rsd.config import Config
from rsd.patience import cut, cuts
from rsd.records import TrajectoryRecord, read_run
from rsd.runs import execute

pytestmark = pytest.mark.servers
PROBLEMS = 200


@pytest.fixture(scope="module")
def config(demo: Demo) -> Config:
    return demo.config("name=paper", "decoding.profile=paper")


@pytest.fixture(scope="module")
def decoded(config: Config) -> list[TrajectoryRecord]:
    outcome = asyncio.run(execute(config))
    assert outcome.failed == 0
    trajectories = read_run(outcome.directory).trajectories
    assert len(trajectories) == PROBLEMS
    return [trajectories[key] for key in sorted(trajectories)]


def lock_step(
    config: Config, trajectories: Sequence[TrajectoryRecord], patience: int | None = None
) -> list[Solution]:
    reference = LockStep.of(config)
    reference.patience = patience
    return reference.solve([t.question for t in trajectories])


def assert_same(trajectory: TrajectoryRecord, solution: Solution) -> None:
    """The same but for the last bits of rewards, which depend on what is scored in one batch."""
    steps = entries(trajectory)
    for step, entry in zip(steps, solution.entries, strict=True):
        assert step.reward == (entry.reward and pytest.approx(entry.reward, abs=1e-5))
        step.reward = entry.reward
    assert steps == solution.entries
    assert trajectory.response == solution.response


def test_the_same_steps_responses_and_token_counts(
    config: Config, decoded: list[TrajectoryRecord]
) -> None:
    for trajectory, solution in zip(decoded, lock_step(config, decoded), strict=True):
        assert_same(trajectory, solution)
    steps = [step for trajectory in decoded for step in trajectory.steps]
    assert {step.source for step in steps} == {"draft", "target"}


@pytest.mark.parametrize("patience", [3, 4])
def test_the_same_solutions_are_cut_in_the_same_places(
    config: Config, decoded: list[TrajectoryRecord], patience: int
) -> None:
    """The demo's solutions are short: with few problems and less patience some are cut."""
    chosen = [decoded[start::50] for start in range(12)]
    how_many = 0
    for part in chosen:
        found = cuts(part, patience)
        for whole, solution in zip(part, lock_step(config, part, patience), strict=True):
            assert solution.cut == (whole.key in found)
            assert_same(cut(whole, found[whole.key]) if solution.cut else whole, solution)
        how_many += len(found)
    assert 0 < how_many < sum(map(len, chosen))
