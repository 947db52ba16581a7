"""Requests that wait for a server go together, and nobody can tell but the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from backends.reward_servers import BEHAVIORS, QUESTION, STEPS, fake_of, reward_of
from hypothesis import given
from hypothesis import strategies as st

from rsd.backends import open_scorer
from rsd.backends.coalescing import Coalescing
from rsd.errors import ScorerError, ServerLostError


class Asked:
    """A server of squares: answers when told to, refuses negative numbers, dies of 13."""

    def __init__(self) -> None:
        self.requests: list[list[int]] = []
        self.cancelled = 0
        self.open = asyncio.Event()

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.requests.append(list(numbers))
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if 13 in numbers:
            raise ServerLostError("gone")
        if min(numbers) < 0:
            raise ScorerError(f"{min(numbers)} has no place here")
        return [number * number for number in numbers]


def run(
    scenario: Callable[[Asked, Coalescing[int, int]], Awaitable[None]], largest: int = 64
) -> None:
    async def main() -> None:
        asked = Asked()
        await scenario(asked, Coalescing(asked, under_way=2, largest=largest))

    asyncio.run(main())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_waits_goes_together_and_each_has_its_own_answer() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        answers = [asyncio.create_task(ask(number)) for number in range(8)]
        await settle()
        assert asked.requests == [[0], [1]]
        asked.open.set()
        assert await asyncio.gather(*answers) == [number * number for number in range(8)]
        assert asked.requests[2:] == [[2, 3, 4, 5, 6], [7]]

    run(scenario, largest=5)


def test_an_idle_server_is_asked_at_once_and_one_by_one() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        asked.open.set()
        assert [await ask(2), await ask(3)] == [4, 9]
        assert asked.requests == [[2], [3]]

    run(scenario)


def test_a_poisoned_input_fails_alone() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        answers = [asyncio.create_task(ask(number)) for number in (1, 2, 3, -4, 5)]
        await settle()
        asked.open.set()
        found = await asyncio.gather(*answers, return_exceptions=True)
        assert found[:3] == [1, 4, 9]
        assert isinstance(found[3], ScorerError)
        assert found[4] == 25
        assert asked.requests[2:] == [[3, -4, 5], [3], [-4], [5]]

    run(scenario)


def test_a_lost_server_is_lost_for_all() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        answers = [asyncio.create_task(ask(number)) for number in (1, 2, 3, 13, 5)]
        await settle()
        asked.open.set()
        found = await asyncio.gather(*answers, return_exceptions=True)
        assert found[:2] == [1, 4]
        assert [type(it) for it in found[2:]] == [ServerLostError] * 3
        assert asked.requests[2:] == [[3, 13, 5]]
        assert await ask(6) == 36

    run(scenario)


def test_who_leaves_leaves_the_others_as_they_are() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        first, second, third, fourth, fifth = [
            asyncio.create_task(ask(number)) for number in (1, 2, 3, 4, 5)
        ]
        await settle()
        for gone in (second, fourth):  # one under way alone, one that waits
            gone.cancel()
        await settle()
        assert asked.cancelled == 1
        assert asked.requests == [[1], [2], [3, 5]]
        third.cancel()  # of two in a request
        await settle()
        assert asked.cancelled == 1
        asked.open.set()
        assert [await first, await fifth] == [1, 25]

    run(scenario)


def test_a_request_that_nobody_waits_for_is_cancelled() -> None:
    async def scenario(asked: Asked, ask: Coalescing[int, int]) -> None:
        waiting = [asyncio.create_task(ask(number)) for number in (1, 2, 3, 4)]
        await settle()
        waiting[0].cancel()
        await settle()
        assert asked.requests[-1] == [3, 4]
        for task in waiting[2:]:
            task.cancel()
        await settle()
        assert asked.cancelled == 2
        asked.open.set()
        assert await waiting[1] == 4

    run(scenario)


@given(
    st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 3), st.booleans()), max_size=20),
    st.integers(1, 4),
)
def test_no_caller_can_tell_that_others_ask_too(
    callers: list[tuple[int, int, bool]], largest: int
) -> None:
    async def caller(ask: Coalescing[int, int], number: int, turns: int) -> object:
        for _ in range(turns):
            await asyncio.sleep(0)
        try:
            return await ask(number)
        except ScorerError as error:
            return str(error)

    async def main() -> None:
        asked = Asked()
        asked.open.set()
        ask = Coalescing(asked, under_way=1, largest=largest)
        tasks = [asyncio.create_task(caller(ask, number, turns)) for number, turns, _ in callers]
        await asyncio.sleep(0)
        for task, (_, _, leaves) in zip(tasks, callers, strict=True):
            if leaves:
                task.cancel()
        for task, (number, _, leaves) in zip(tasks, callers, strict=True):
            if leaves:
                with suppress(asyncio.CancelledError):
                    await task
            else:
                wanted = f"{number} has no place here" if number < 0 else number * number
                assert await task == wanted

    asyncio.run(main())


@pytest.mark.parametrize("kind", BEHAVIORS)
def test_scores_that_wait_go_in_one_request(kind: str, tmp_path: Path) -> None:
    questions = [f"{QUESTION} ({number})" for number in range(9)]

    async def scores(fake) -> tuple[list[float], list[float], int]:  # type: ignore[no-untyped-def]
        server = fake.server()
        try:
            scorer = open_scorer(fake.config, server)
            alone = [await scorer.score(question, STEPS) for question in questions]
            before = len(fake.app.state.requests)
            together = await asyncio.gather(*(scorer.score(q, STEPS) for q in questions))
            made = len(fake.app.state.requests) - before
        finally:
            await server.aclose()
        read = [score.usage.prompt_tokens for score in alone]
        assert [score.usage.prompt_tokens for score in together] == read
        assert all(0 <= s.usage.cached_tokens <= s.usage.prompt_tokens for s in together)
        return [s.reward for s in alone], [s.reward for s in together], made

    with fake_of(kind, tmp_path) as fake:
        alone, together, made = asyncio.run(scores(fake))
    assert together == alone
    assert len(set(alone)) > 1 or reward_of("a") == reward_of("b")
    assert made < len(questions)
