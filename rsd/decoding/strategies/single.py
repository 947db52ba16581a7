"""One model writes the whole solution, step by step: draft-only and target-only.

Step by step, so that the baseline stops by the same rules as RSD and its trajectories can be
compared step for step. With prefix caching the server repeats no work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

from rsd.decoding.parts import Parts
from rsd.decoding.response import Rules
from rsd.protocols import Generator
from rsd.types import Query, Source, Step


@dataclass(frozen=True)
class SingleModel:
    """Decode with one generator; nothing is scored and every step is accepted."""

    generator: Generator
    source: Source
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield the steps of one solution, all accepted."""
        response = self.rules.start(query)
        while not response.ended:
            completion = await response.write(self.generator, self.source)
            yield response.keep(self.source, completion)


class DraftAlone(SingleModel):
    roles = ("draft",)
    label = "draft alone"

    @classmethod
    def build(cls, parts: Parts) -> Self:
        return cls(parts.draft, "draft", parts.rules)


class TargetAlone(SingleModel):
    roles = ("target",)
    label = "target alone"

    @classmethod
    def build(cls, parts: Parts) -> Self:
        return cls(parts.target, "target", parts.rules)
