"""The texts of the options reach the grader, through the record of a trajectory."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import pytest

from rsd.grading import GraderPool
from rsd.kinds import AnswerKind
from rsd.records import TrajectoryRecord
from rsd.runs.grading import grade_record
from rsd.types import Problem, StopReason, Trajectory

PROBLEM = Problem(
    "sat_math",
    "0",
    "Which? ...",
    "B",
    choices=("0.44", "0.56", "Exactly one", "1.80"),
    kind=AnswerKind.CHOICE,
)


@pytest.mark.parametrize(
    ("response", "correct"),
    [
        (r"So it is \boxed{0.56}.", True),
        (r"So it is \boxed{B}.", True),
        (r"So it is \boxed{0.44}.", False),
        (r"So it is \boxed{\text{exactly one}}.", False),
    ],
)
def test_an_option_may_be_named_by_its_text(response: str, correct: bool) -> None:
    trajectory = Trajectory(PROBLEM, 0, (), response, StopReason.EOS, started_at=0.0, seconds=1.0)
    stored = TrajectoryRecord.of(trajectory).model_dump_json()
    record = TrajectoryRecord.model_validate_json(stored)
    assert {name: getattr(record, name) for name in asdict(PROBLEM)} == asdict(PROBLEM)

    async def graded() -> bool | None:
        async with GraderPool(workers=1) as grader:
            return (await grade_record(grader, record)).correct

    assert asyncio.run(graded()) is correct
