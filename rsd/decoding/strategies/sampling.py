"""Several whole solutions by one model, and one of them chosen: majority vote and best-of-n.

The solutions of a problem are written at the same time. Those that were not chosen are yielded
first, as rejected steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from rsd.decoding.candidates import together
from rsd.decoding.discards import record
from rsd.decoding.response import Rules
from rsd.protocols import Generator, Scorer
from rsd.types import Query, Source, Step


class Answers(Protocol):
    """How the answers to a question are read and compared; whoever grades knows."""

    async def grouped(self, responses: Sequence[str], query: Query) -> list[list[int]]:
        """The numbers of the responses that state an answer, in groups of equivalent answers: each
        group ascending, and the groups in the order of their first members."""
        ...


@dataclass(frozen=True, slots=True)
class _Sample:
    """One finished solution, and its steps as a scorer reads them."""

    steps: tuple[Step, ...]
    read: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Sampler:
    """Writes solutions with one generator; `number` tells them, and their seeds, apart."""

    writer: Generator
    source: Source
    rules: Rules

    async def sample(self, query: Query, number: int) -> _Sample:
        response = self.rules.start(query)
        steps: list[Step] = []
        read: Sequence[str] = ()
        while not response.ended:
            completion = await response.write(self.writer, self.source, number)
            read = response.with_candidate(completion)
            step = response.keep(self.source, completion, candidate=number)
            steps.append(replace(step, continues=number if steps else None))
        return _Sample(tuple(steps), read)


class MajorityVote:
    """The first of the `candidates` (>= 1) solutions whose answer most of them give
    (arXiv 2203.11171). Answers count as one if they are equivalent, not only if they are the same
    text; solutions without an answer do not vote, and of equal groups the earlier wins."""

    def __init__(
        self,
        writer: Generator,
        answers: Answers,
        *,
        source: Source,
        candidates: int,
        rules: Rules,
    ) -> None:
        self._sampler = _Sampler(writer, source, rules)
        self._answers = answers
        self._candidates = candidates
        self._separator = rules.separator

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of all solutions, those of the chosen one last."""
        numbers = range(self._candidates)
        samples = await together(self._sampler.sample(query, number) for number in numbers)
        for step in _chosen_last(samples, await self._vote(samples, query)):
            yield step

    async def _vote(self, samples: Sequence[_Sample], query: Query) -> int:
        texts = [self._separator.join(step.text for step in sample.steps) for sample in samples]
        groups = await self._answers.grouped(texts, query)
        return max(groups, key=len, default=[0])[0]


class BestOfN:
    """The one of `candidates` (>= 1) solutions that the reward model prefers. Each is scored when
    it is finished, by the reward of its last step or what `models.prm.aggregation` makes of all.
    """

    def __init__(
        self, writer: Generator, scorer: Scorer, *, source: Source, candidates: int, rules: Rules
    ) -> None:
        self._sampler = _Sampler(writer, source, rules)
        self._scorer = scorer
        self._candidates = candidates

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of all solutions, those of the best last; last steps have rewards."""
        numbers = range(self._candidates)
        scored = await together(self._scored(query, number) for number in numbers)
        best = max(numbers, key=lambda number: scored[number][1])
        for step in _chosen_last([sample for sample, _ in scored], best):
            yield step

    async def _scored(self, query: Query, number: int) -> tuple[_Sample, float]:
        sample = await self._sampler.sample(query, number)
        score = await self._scorer.score(query.question, sample.read)
        last = replace(sample.steps[-1], score=score)
        record(replace(last, accepted=False, ends=None))
        return replace(sample, steps=(*sample.steps[:-1], last)), score.reward


def _chosen_last(samples: Sequence[_Sample], chosen: int) -> Iterator[Step]:
    for number, sample in enumerate(samples):
        if number != chosen:
            for step in sample.steps:
                yield replace(step, accepted=False, ends=None)
    for step in samples[chosen].steps:
        yield replace(step, continues=None)
