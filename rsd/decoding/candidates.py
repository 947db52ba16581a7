"""Several candidates for the same step, written concurrently and each scored once written."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rsd.decoding.response import Response
from rsd.protocols import Generator, Scorer
from rsd.types import Completion, Score, Source, Step

T = TypeVar("T")


async def together(jobs: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run `jobs` concurrently; their results in the order given.

    The first failure cancels the others and is raised itself. Cancellation reaches all jobs, and
    no job outlives the call.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(job) for job in jobs]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scored candidate for the next step; `number` distinguishes those of the same writer."""

    source: Source
    number: int
    completion: Completion
    score: Score

    @property
    def reward(self) -> float:
        return self.score.reward

    def keep(self, response: Response) -> Step:
        """Append this candidate to `response`."""
        return response.keep(self.source, self.completion, self.score, self.number)

    def drop(self, response: Response) -> Step:
        """Reject this candidate."""
        return response.drop(self.source, self.completion, self.score, self.number)


async def write_candidate(
    response: Response, generator: Generator, source: Source, scorer: Scorer, number: int = 0
) -> Candidate:
    """Let `generator` write a candidate for the next step of `response`, and score it."""
    completion = await response.write(generator, source, number)
    score = await response.score(scorer, source, completion, number)
    return Candidate(source, number, completion, score)


async def write_candidates(
    response: Response, generator: Generator, source: Source, scorer: Scorer, count: int
) -> list[Candidate]:
    """`count` candidates for the next step of `response`, by number."""
    numbers = range(count)
    return await together(
        write_candidate(response, generator, source, scorer, number) for number in numbers
    )


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The one with the highest reward; of equals the first."""
    return max(candidates, key=lambda candidate: candidate.reward)


def others(candidates: Sequence[Candidate], chosen: Candidate) -> list[Candidate]:
    """All but `chosen`."""
    return [candidate for candidate in candidates if candidate is not chosen]
