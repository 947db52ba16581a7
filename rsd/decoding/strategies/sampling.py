"""Several whole solutions by one model, of which one is chosen: majority vote and best-of-n.

The solutions of a problem are written concurrently. The losers are yielded first, as rejected
steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from rsd.decoding.candidates import together
from rsd.decoding.discards import record
from rsd.decoding.parts import Answers, BuiltIn
from rsd.decoding.response import Rules
from rsd.protocols import Generator, Scorer
from rsd.types import Query, Source, Step


@dataclass(frozen=True, slots=True)
class _Solution:
    """One finished solution, and its steps as a scorer reads them."""

    steps: tuple[Step, ...]
    read: Sequence[str]


@dataclass(frozen=True)
class MajorityVote(BuiltIn):
    """The first of the `candidates` (>= 1) solutions with the most frequent answer
    (arXiv 2203.11171). Answers count as one if they are equivalent, not only if they are the same
    text. Solutions without an answer do not vote; of equal groups the earlier wins."""

    keys = ("writer", "candidates")
    roles = ()
    label = "majority of {candidates}, {writer}"

    writer: Generator
    answers: Answers
    source: Source
    candidates: int
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of all solutions, those of the chosen one last."""
        solutions = await together(
            _write_solution(self.writer, self.source, self.rules, query, number)
            for number in range(self.candidates)
        )
        join = self.rules.separator.join
        texts = [join(step.text for step in solution.steps) for solution in solutions]
        groups = await self.answers.grouped(texts, query)
        for step in _chosen_last(solutions, max(groups, key=len, default=[0])[0]):
            yield step


@dataclass(frozen=True)
class BestOfN(BuiltIn):
    """The one of `candidates` (>= 1) solutions that the reward model prefers. Each is scored when
    it is finished, by the reward of its last step or as `models.prm.aggregation` says."""

    keys = ("writer", "candidates")
    roles = ("prm",)
    label = "best of {candidates}, {writer}"

    writer: Generator
    scorer: Scorer
    source: Source
    candidates: int
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of all solutions, those of the best last; last steps have rewards."""
        numbers = range(self.candidates)
        scored = await together(self._write_and_score(query, number) for number in numbers)
        best = max(numbers, key=lambda number: scored[number][1])
        for step in _chosen_last([solution for solution, _ in scored], best):
            yield step

    async def _write_and_score(self, query: Query, number: int) -> tuple[_Solution, float]:
        solution = await _write_solution(self.writer, self.source, self.rules, query, number)
        score = await self.scorer.score(query.question, solution.read)
        last = replace(solution.steps[-1], score=score)
        record(replace(last, accepted=False, ends=None))
        return replace(solution, steps=(*solution.steps[:-1], last)), score.reward


async def _write_solution(
    writer: Generator, source: Source, rules: Rules, query: Query, number: int
) -> _Solution:
    """A whole solution; `number` distinguishes it and its seeds from the others."""
    response = rules.start(query)
    steps: list[Step] = []
    read: Sequence[str] = ()
    while not response.ended:
        completion = await response.write(writer, source, number)
        read = response.with_candidate(completion)
        step = response.keep(source, completion, candidate=number)
        steps.append(replace(step, continues=number if steps else None))
    return _Solution(tuple(steps), read)


def _chosen_last(solutions: Sequence[_Solution], chosen: int) -> Iterator[Step]:
    for number, solution in enumerate(solutions):
        if number != chosen:
            for step in solution.steps:
                yield replace(step, accepted=False, ends=None)
    for step in solutions[chosen].steps:
        yield replace(step, continues=None)
