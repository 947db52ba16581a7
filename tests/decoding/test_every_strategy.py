"""What holds for every strategy, in every world."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import count

import pytest
from decoding.worlds import (
    EVERY,
    QUERY,
    World,
    collect,
    collect_into,
    loops,
    one_of_every,
    run,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.config import STRATEGIES
from rsd.decoding import Limits
from rsd.errors import BackendError
from rsd.types import Query, Step

NUMBERS = st.integers(0, 10**6)
NAMES = st.sampled_from(sorted(EVERY))
LIMITS = st.builds(
    Limits,
    max_tokens=st.integers(1, 120),
    max_steps=st.integers(1, 6),
    max_repeats=st.integers(1, 5),
    context=st.integers(9, 120),
)
SHORT = Limits(max_tokens=200, max_steps=4, max_repeats=5, context=1 << 20)
THOROUGH = settings(max_examples=80, deadline=None)
every = pytest.mark.parametrize("name", sorted(EVERY))


def test_every_configurable_strategy_is_built_and_tested_here() -> None:
    tested = {keys.get("strategy", name) for name, keys in EVERY.items()}
    assert tested == STRATEGIES.keys()


@THOROUGH
@given(name=NAMES, number=NUMBERS, limits=LIMITS, ids=st.booleans())
def test_the_accepted_steps_are_one_response_within_its_limits(
    name: str, number: int, limits: Limits, ids: bool
) -> None:
    steps = run(collect(one_of_every(World(number, token_ids=ids), name, limits=limits)))
    accepted = [step for step in steps if step.accepted]
    assert [step.index for step in accepted] == list(range(len(accepted)))
    assert steps[-1] is accepted[-1]
    assert [step.ends is not None for step in steps] == [False] * (len(steps) - 1) + [True]
    assert len(accepted) <= limits.max_steps
    written = texts(steps)
    assert not any(loops(written[:n], limits.max_repeats) for n in range(1, len(written)))
    assert sum(s.completion.usage.completion_tokens for s in accepted) <= limits.max_tokens


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_each_step_continues_exactly_what_it_says(name: str, number: int) -> None:
    steps = run(collect(one_of_every(World(number, token_ids=True), name, limits=SHORT)))
    accepted = {step.index: step for step in steps if step.accepted}
    named = {(step.index, step.candidate): step for step in steps}
    for step in steps:
        if step.index:
            before = step.index - 1
            parent = accepted[before] if step.continues is None else named[before, step.continues]
            was = parent.completion
            assert was.prompt_token_ids is not None
            assert was.token_ids is not None
            assert step.completion.prompt_token_ids == was.prompt_token_ids + was.token_ids


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_every_request_is_in_the_steps(name: str, number: int) -> None:
    world = World(number)
    steps = run(collect(one_of_every(world, name, limits=SHORT)))
    requests = [call for generator in (world.draft, world.target) for call in generator.calls]
    assert len(steps) == len(requests)
    assert sum(step.score is not None for step in steps) == len(world.scorer.calls)
    assert sum(step.likelihood is not None for step in steps) == len(world.target.likelihood_calls)


@THOROUGH
@given(name=NAMES, number=NUMBERS, limits=LIMITS)
def test_the_order_in_which_requests_are_answered_changes_nothing(
    name: str, number: int, limits: Limits
) -> None:
    at_once = run(collect(one_of_every(World(number), name, limits=limits)))
    paused = run(collect(one_of_every(World(number, pauses=True), name, limits=limits)))
    assert paused == at_once


@settings(max_examples=40, deadline=None)
@given(name=NAMES, number=NUMBERS)
def test_problems_decoded_together_come_out_as_alone(name: str, number: int) -> None:
    queries = [Query(prompt=f"Q{i}\n", question=f"Q{i}", seed=i) for i in range(4)]
    alone = [
        run(collect(one_of_every(World(number), name, limits=SHORT), query)) for query in queries
    ]

    async def together() -> list[list[Step]]:
        strategy = one_of_every(World(number, pauses=True), name, limits=SHORT)
        return await asyncio.gather(*(collect(strategy, query) for query in queries))

    assert run(together()) == alone


@every
def test_an_error_of_any_request_passes_through_and_ends_the_others(name: str) -> None:
    async def scenario(failing: int) -> bool:
        """Fail one request; False when there are no more than that many."""
        turn, error = count(), BackendError("server lost")

        async def fail() -> None:
            if next(turn) == failing:
                raise error
            await asyncio.sleep(0)

        world = World(3, hook=fail, pauses=True)
        decoding = collect(one_of_every(world, name, limits=SHORT))
        (result,) = await asyncio.gather(decoding, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert "pending" not in world.outcomes
        assert ("failed" in world.outcomes) == (result is error)
        return result is error

    failed = 0
    while run(scenario(failed)):
        failed += 1
    assert failed >= 2


@every
def test_cancellation_reaches_every_request_in_flight(name: str) -> None:
    async def scenario(waiting: int) -> bool:
        """Cancel while one request hangs; False when there are no more than that many."""
        turn, hangs = count(), asyncio.Event()

        async def hang() -> None:
            if next(turn) == waiting:
                hangs.set()
                await asyncio.Event().wait()

        world = World(3, hook=hang)
        task = asyncio.create_task(collect_into([], one_of_every(world, name, limits=SHORT)))
        hanging = asyncio.create_task(hangs.wait())
        await asyncio.wait((task, hanging), return_when=asyncio.FIRST_COMPLETED)
        hanging.cancel()
        task.cancel()
        (done, _) = await asyncio.gather(task, hanging, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert "pending" not in world.outcomes
        return isinstance(done, asyncio.CancelledError)

    cancelled = 0
    while run(scenario(cancelled)):
        cancelled += 1
    assert cancelled >= 2


@every
def test_closing_after_any_step_leaves_nothing_running(name: str) -> None:
    async def scenario(wanted: int) -> bool:
        world = World(3)
        async with aclosing(one_of_every(world, name, limits=SHORT).decode(QUERY)) as steps:  # type: ignore[type-var]
            for _ in range(wanted):
                if await anext(steps, None) is None:
                    return False
            asked = len(world.outcomes)
        assert len(world.outcomes) == asked
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return True

    wanted = 0
    while run(scenario(wanted)):
        wanted += 1
    assert wanted >= 2


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("rsd with candidates", 3),
        ("majority", 3),
        ("best_of_n", 3),
        ("process_best_of_n", 3),
        ("beam", 4),
        ("oracle", 2),
        ("guided", 3),
    ],
)
def test_candidates_are_asked_for_at_the_same_time(name: str, requests: int) -> None:
    async def scenario() -> int:
        begun = count(1)
        all_begun = asyncio.Event()

        async def wait_for_all() -> None:
            if next(begun) == requests:
                all_begun.set()
            await all_begun.wait()

        world = World(3, hook=wait_for_all)
        async with asyncio.timeout(20):
            steps = await collect(one_of_every(world, name, limits=SHORT))
        return len(steps)

    assert run(scenario()) >= requests


@every
def test_without_a_seed_requests_have_none(name: str) -> None:
    world = World(3)
    steps = run(collect(one_of_every(world, name, limits=SHORT), Query("Q\n", "Q")))
    assert steps[-1].ends is not None
    assert {c.sampling.seed for g in (world.draft, world.target) for c in g.calls} == {None}
