"""Replicas of a role behind the protocols: whoever asks need not know that there are several."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from rsd.backends.replicas import Replicas
from rsd.protocols import Generator, Sampling, Scorer, StreamingGenerator
from rsd.types import Chunk, Completion, Likelihood, Prefix, Score


class ReplicatedGenerator:
    """The `generators` of `replicas`, in the same order, as one."""

    def __init__(self, replicas: Replicas, generators: Sequence[Generator]) -> None:
        self._replicas = replicas
        self._generators = tuple(generators)

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        return await self._replicas.ask(
            lambda place: self._generators[place].generate(
                prefix, max_tokens=max_tokens, sampling=sampling
            )
        )

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It does not move to another replica."""
        generator = await self._replicas.ask(self._at)
        if isinstance(generator, StreamingGenerator):
            async with aclosing(
                generator.stream(prefix, max_tokens=max_tokens, unless_busy=unless_busy)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        return await self._replicas.ask(
            lambda place: self._generators[place].log_likelihood(prefix, completion)
        )

    async def _at(self, place: int) -> Generator:
        return self._generators[place]


class ReplicatedScorer:
    """The `scorers` of `replicas`, in the same order, as one."""

    def __init__(self, replicas: Replicas, scorers: Sequence[Scorer]) -> None:
        self._replicas = replicas
        self._scorers = tuple(scorers)

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        return await self._replicas.ask(lambda place: self._scorers[place].score(question, steps))
