"""One model writes the whole solution, step by step: draft-only and target-only.

Step by step and not in one request, so that the baseline stops by the same rules as RSD and
its trajectories can be compared step for step. With prefix caching the server does no work
twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from rsd.decoding.limits import Limits, Response
from rsd.decoding.seeds import seeded
from rsd.protocols import Generator, Sampling
from rsd.types import Query, Source, Step


class SingleModel:
    """Decode with one generator; nothing is scored and every step is accepted."""

    def __init__(
        self,
        generator: Generator,
        *,
        source: Source,
        limits: Limits,
        sampling: Sampling,
        separator: str = "\n\n",
    ) -> None:
        self._generator = generator
        self._source = source
        self._limits = limits
        self._sampling = replace(sampling, stop=(separator,))
        self._separator = separator

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of one solution, all accepted."""
        response = Response(query.prompt, self._separator, self._limits)
        ends = None
        while ends is None:
            index = len(response.steps)
            completion = await self._generator.generate(
                response.prefix,
                max_tokens=response.budget,
                sampling=seeded(self._sampling, query.seed, index, self._source),
            )
            ends = response.ending(completion)
            yield Step(
                index=index,
                source=self._source,
                accepted=True,
                completion=completion,
                ends=ends,
            )
            response.accept(completion)
