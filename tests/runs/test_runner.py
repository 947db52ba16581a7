"""One problem at a time, decoded by strategies that are made up here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from rsd.records import TrajectoryRecord
from rsd.runs.runner import decode_one
from rsd.types import Problem, Query, Step, StopReason, Trajectory

PROBLEM = Problem("demo", "p1", "1+1?", "2")
QUERY = Query("Q: 1+1?\n", "1+1?")


class Defective:
    """Raises before its first step."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        raise self._error
        yield


def decoded_by(strategy: Defective) -> Trajectory:
    return asyncio.run(decode_one(PROBLEM, 0, QUERY, strategy, "\n\n".join, lambda step: None))


def test_a_defect_is_one_line_that_any_file_can_hold() -> None:
    trajectory = decoded_by(Defective(ValueError("two\nlines, and half of a pair: \ud83d")))
    assert trajectory.stop_reason is StopReason.ERROR
    assert trajectory.error == "ValueError: two lines, and half of a pair: \\ud83d"
    assert TrajectoryRecord.of(trajectory).model_dump_json().encode()
