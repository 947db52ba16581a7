"""Model servers that take the time which a device would take, on a virtual clock.

    engine = SimulatedEngine(Device(...), Model(...))
    draft = SimulatedGenerator(ScriptedGenerator(..., token_ids=True), engine)
    virtual_time.run(main())

What is answered is the script's; when it is answered, the engine's (`simulated_engine`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from harness.simulated_engine import Counters, Device, Model, SimulatedEngine
from rsd.protocols import Generator, Sampling, Scorer, StreamingGenerator
from rsd.types import Chunk, Completion, Likelihood, Prefix, Score, Usage

__all__ = [
    "Counters",
    "Device",
    "Model",
    "SimulatedEngine",
    "SimulatedGenerator",
    "SimulatedScorer",
]


class SimulatedGenerator:
    """A generator that writes what `inner` writes, as late as `engine` does. `inner` must give
    token ids. `round_trip_s` is what a request and its answer take on their way."""

    def __init__(
        self, inner: Generator, engine: SimulatedEngine, round_trip_s: float = 0.0
    ) -> None:
        self._inner = inner
        self._engine = engine
        self._round_trip_s = round_trip_s

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        start = asyncio.get_running_loop().time()
        written = await self._inner.generate(prefix, max_tokens=max_tokens, sampling=sampling)
        assert written.prompt_token_ids is not None
        assert written.token_ids is not None
        await asyncio.sleep(self._round_trip_s)
        cached = await self._engine.run(written.prompt_token_ids, written.token_ids)
        seconds = asyncio.get_running_loop().time() - start
        usage = replace(written.usage, cached_tokens=cached)
        return replace(written, usage=usage, started_at=start, seconds=seconds)

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It brings nothing if `inner` does not
        stream. Busy is an engine that has any other request."""
        if not isinstance(self._inner, StreamingGenerator) or (unless_busy and self._engine.busy):
            return
        chunks = [c async for c in self._inner.stream(prefix, max_tokens=max_tokens)]
        output = [token for chunk in chunks for token in chunk.token_ids]
        await asyncio.sleep(self._round_trip_s)
        async with aclosing(self._engine.stream(chunks[0].prompt_token_ids, output)) as marks:
            arrived = 0
            for chunk in chunks:
                arrived += len(chunk.token_ids)
                async for mark in marks:
                    if mark >= arrived:
                        break
                yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        start = asyncio.get_running_loop().time()
        found = await self._inner.log_likelihood(prefix, completion)
        assert prefix.token_ids is not None
        assert completion.token_ids is not None
        await asyncio.sleep(self._round_trip_s)
        await self._engine.run((*prefix.token_ids, *completion.token_ids))
        return replace(found, started_at=start, seconds=asyncio.get_running_loop().time() - start)


class SimulatedScorer:
    """A reward model that scores as `inner` does, as late as `engine` does. `read` gives the
    token ids that it reads: those of k steps should begin those of k + 1."""

    def __init__(
        self,
        inner: Scorer,
        engine: SimulatedEngine,
        read: Callable[[str, Sequence[str]], Sequence[int]],
        round_trip_s: float = 0.0,
    ) -> None:
        self._inner = inner
        self._engine = engine
        self._read = read
        self._round_trip_s = round_trip_s

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        start = asyncio.get_running_loop().time()
        score = await self._inner.score(question, steps)
        await asyncio.sleep(self._round_trip_s)
        ids = self._read(question, steps)
        cached = await self._engine.run(ids)
        usage = Usage(1, prompt_tokens=len(ids), cached_tokens=cached)
        seconds = asyncio.get_running_loop().time() - start
        return replace(score, usage=usage, started_at=start, seconds=seconds)
