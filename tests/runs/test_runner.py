"""One problem at a time, decoded by strategies that are made up here."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

from rsd.decoding import Limits, Rules
from rsd.errors import ContextError
from rsd.protocols import Strategy
from rsd.records import TrajectoryRecord
from rsd.runs.runner import decode_one
from rsd.types import Completion, Problem, Query, Step, StopReason, Trajectory, Usage

PROBLEM = Problem("demo", "p1", "1+1?", "2")
QUERY = Query("Q: 1+1?\n", "1+1?")


class Defective:
    """Raises before its first step."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        raise self._error
        yield


def decoded_by(strategy: Strategy) -> Trajectory:
    return asyncio.run(decode_one(PROBLEM, 0, QUERY, strategy, "\n\n".join, lambda step: None))


class Outgrowing:
    """Writes `kept` steps, after which an input no longer fits."""

    def __init__(self, kept: int) -> None:
        self._kept = kept

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        response = Rules(Limits(100, 10, 5, 100)).start(query)
        for number in range(self._kept):
            completion = Completion(f"step {number}", "stop", "\n\n", Usage(1, 5, 0, 1), 0.0, 0.0)
            yield response.keep("draft", completion)
        raise ContextError("prm server: maximum context length")


def test_a_solution_that_outgrows_a_model_is_as_long_as_it_can_be() -> None:
    trajectory = decoded_by(Outgrowing(kept=2))
    assert (trajectory.stop_reason, trajectory.error) == (StopReason.CONTEXT, None)
    assert trajectory.response == "step 0\n\nstep 1"


def test_a_prompt_that_fits_no_context_is_an_error() -> None:
    trajectory = decoded_by(Outgrowing(kept=0))
    assert trajectory.stop_reason is StopReason.ERROR
    assert trajectory.error == "prm server: maximum context length"


def test_a_defect_is_one_line_that_any_file_can_hold() -> None:
    trajectory = decoded_by(Defective(ValueError("two\nlines, and half of a pair: \ud83d")))
    assert trajectory.stop_reason is StopReason.ERROR
    error = trajectory.error or ""
    said, _, where = error.rpartition(", in ")
    assert said == "ValueError: two lines, and half of a pair: \\ud83d"
    assert where.startswith("test_runner.py:")
    assert TrajectoryRecord.of(trajectory).model_dump_json().encode()


class Careless:
    """Its first step is a defect deep in an installed package; or it just stops."""

    def __init__(self, broken: bool) -> None:
        self._broken = broken

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        response = Rules(Limits(100, 10, 5, 100)).start(query)
        yield response.keep("draft", Completion("a", "stop", "\n\n", Usage(1, 5, 0, 1), 0.0, 0.0))
        if self._broken:
            json.loads("{")


def test_the_place_of_a_defect_is_in_the_strategy_and_not_in_what_it_calls() -> None:
    error = decoded_by(Careless(broken=True)).error or ""
    assert error.startswith("JSONDecodeError: Expecting property name")
    assert re.search(r", in test_runner\.py:\d+$", error)


def test_a_strategy_that_just_stops_has_failed_and_says_so() -> None:
    trajectory = decoded_by(Careless(broken=False))
    assert trajectory.stop_reason is StopReason.ERROR
    assert trajectory.error == (
        "the strategy stopped before the solution ended: its last step has no `ends`"
    )
