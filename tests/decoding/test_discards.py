"""Whatever ends a solution, each token that a model was seen to write or read is in its steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import cast

import pytest
from decoding.reference_costs import (
    check_that_all_is_counted,
    scored_positions,
    written_positions,
)
from decoding.worlds import EVERY, GREEDY, QUERY, World, built, one_of_every, run
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.backends import AGGREGATIONS, AggregatedScorer
from rsd.costs import cost_totals
from rsd.decoding import Limits, recording
from rsd.decoding.seeds import derive
from rsd.errors import BackendError, ContextError
from rsd.protocols import Strategy
from rsd.records import StepRecord, TrajectoryRecord
from rsd.runs.runner import decode_one
from rsd.types import Problem, Source, Step, StopReason

NUMBERS = st.integers(0, 10**6)
LIMITS = Limits(max_tokens=400, max_steps=4, max_repeats=5, context=1 << 20)
NAMES = [*sorted(EVERY), "rsd ahead"]
MANY = settings(max_examples=25, deadline=None)
Fail = Callable[[str], Exception | None]


def made(number: int, name: str, fail: Fail = lambda text: None) -> tuple[World, Strategy]:
    world = World(number, token_ids=True, unlike=True, pauses=True, fail=fail)
    if name == "rsd ahead":
        keys = {"threshold": 0.5, "lookahead": 2}
        return world, built(world, "rsd", sampling=GREEDY, limits=LIMITS, **keys)
    return world, one_of_every(world, name, limits=LIMITS)


def decoded(strategy: Strategy) -> tuple[list[Step], StopReason]:
    problem = Problem("demo", "1", QUERY.question, gold="1")
    it = run(decode_one(problem, 0, QUERY, strategy, "\n\n".join, lambda step: None))
    assert TrajectoryRecord.of(it)
    return list(it.steps), it.stop_reason


@pytest.mark.parametrize("error", [ContextError("full"), BackendError("lost")])
@pytest.mark.parametrize("name", NAMES)
@MANY
@given(number=NUMBERS)
def test_a_request_that_fails_costs_what_was_written_before_it(
    name: str, error: Exception, number: int
) -> None:
    def fail(text: str) -> Exception | None:
        return error if derive(number, "fail", text) % 6 == 0 else None

    world, strategy = made(number, name, fail)
    steps, reason = decoded(strategy)
    check_that_all_is_counted(world, steps)
    if "failed" in world.outcomes and name != "rsd ahead":  # there `generate` may still do it
        assert reason in (StopReason.ERROR, StopReason.CONTEXT)


@pytest.mark.parametrize("name", NAMES)
@MANY
@given(number=NUMBERS, count=st.integers(1, 4))
def test_a_caller_that_stops_reading_pays_for_what_was_written(
    name: str, number: int, count: int
) -> None:
    async def main() -> list[Step]:
        steps: list[Step] = []
        decoding = cast(AsyncGenerator[Step, None], strategy.decode(QUERY))
        with recording() as candidates:
            async with aclosing(decoding):
                async for step in decoding:
                    steps.append(step)
                    if len(steps) == count:
                        break
        return steps + candidates.discarded(steps)

    world, strategy = made(number, name)
    check_that_all_is_counted(world, run(main()))


@pytest.mark.parametrize("name", NAMES)
@MANY
@given(number=NUMBERS, turns=st.integers(1, 40))
def test_a_caller_that_is_cancelled_pays_for_what_was_written(
    name: str, number: int, turns: int
) -> None:
    async def read(steps: list[Step]) -> None:
        decoding = cast(AsyncGenerator[Step, None], strategy.decode(QUERY))
        async with aclosing(decoding):
            async for step in decoding:
                steps.append(step)

    async def main() -> list[Step]:
        steps: list[Step] = []
        with recording() as candidates:
            reading = asyncio.create_task(read(steps))
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        return steps + candidates.discarded(steps)

    world, strategy = made(number, name)
    check_that_all_is_counted(world, run(main()))


@pytest.mark.parametrize("name", sorted(EVERY))
@MANY
@given(number=NUMBERS)
def test_discarded_candidates_are_charged_like_all_others(name: str, number: int) -> None:
    """Each position once, also where a request failed; a place is not rejected by that."""

    def fail(text: str) -> Exception | None:
        return ContextError("full") if derive(number, "fail", text) % 6 == 0 else None

    world, strategy = made(number, name, fail)
    steps, _ = decoded(strategy)
    work = cost_totals([StepRecord.of(step) for step in steps])
    sources: tuple[Source, Source] = ("draft", "target")
    written = tuple(written_positions(steps, source) for source in sources)
    assert (work.processed_draft, work.processed_target) == written
    answered = [call for call in world.scorer.calls if call.outcome == "answered"]
    assert work.processed_prm_once == scored_positions(answered)
    kept = {step.index: step.source for step in steps if step.accepted}
    drafted = {step.index for step in steps if step.source == "draft"} & kept.keys()
    assert work.draft_steps_rejected == sum(kept[index] == "target" for index in drafted)


def test_steps_that_are_given_up_without_a_fault_are_no_discards() -> None:
    for name in NAMES:
        for number in range(20):
            _, strategy = made(number, name)
            steps, _ = decoded(strategy)
            places = [(step.index, step.source, step.candidate) for step in steps]
            assert len(set(places)) == len(places), name
            assert steps[-1].ends is not None, name


def test_a_refused_reward_has_cost_no_rewards_of_earlier_steps() -> None:
    """The newest input is the longest: if it does not fit, the others are not asked for."""

    def fail(text: str) -> Exception | None:
        return ContextError("full") if text == "c" else None

    world = World(1)
    world.scorer._fail = fail
    scorer = AggregatedScorer(world.scorer, AGGREGATIONS["min"])
    with pytest.raises(ContextError):
        run(scorer.score("q", ["a", "b", "c"]))
    assert [call.outcome for call in world.scorer.calls] == ["failed"]
