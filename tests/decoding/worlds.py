"""Small deterministic worlds for the strategies' tests: models and rewards drawn from a hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from rsd.decoding import (
    Limits,
    RewardGuidedSpeculativeDecoding,
    SingleModel,
    Weighting,
)
from rsd.decoding.acceptance import step as threshold
from rsd.decoding.seeds import derive
from rsd.protocols import Sampling, Strategy
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Query, Source, Step

T = TypeVar("T")

PROMPT = "Q\n"
QUERY = Query(prompt=PROMPT, question="Q", seed=7)
ROOMY = Limits(max_tokens=10_000, max_steps=100, max_repeats=5, context=1 << 20)
GREEDY = Sampling()
WARM = Sampling(temperature=0.8, top_p=0.95)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


async def collect(strategy: Strategy, query: Query = QUERY) -> list[Step]:
    return [step async for step in strategy.decode(query)]


async def collect_into(steps: list[Step], strategy: Strategy, query: Query = QUERY) -> None:
    """Collect as a runner does, keeping the steps that came before an error."""
    generator = strategy.decode(query)
    assert isinstance(generator, AsyncIterator)
    async with aclosing(generator):  # type: ignore[type-var]
        async for step in generator:
            steps.append(step)


def single(
    generator: ScriptedGenerator,
    source: Source = "target",
    *,
    limits: Limits = ROOMY,
    sampling: Sampling = GREEDY,
) -> SingleModel:
    return SingleModel(generator, source=source, limits=limits, sampling=sampling)


def rsd(
    draft: ScriptedGenerator,
    target: ScriptedGenerator,
    scorer: ScriptedScorer,
    *,
    delta: float = 0.5,
    limits: Limits = ROOMY,
    sampling: Sampling = GREEDY,
    weighting: Weighting | None = None,
) -> RewardGuidedSpeculativeDecoding:
    return RewardGuidedSpeculativeDecoding(
        draft,
        target,
        scorer,
        weighting=weighting or threshold(delta),
        limits=limits,
        sampling=sampling,
    )


def texts(steps: list[Step]) -> list[str]:
    """Texts of the accepted steps."""
    return [step.text for step in steps if step.accepted]


class World:
    """A draft, a target and a reward model whose every answer is a hash of the request.

    `number` picks the world. Answers are short, sometimes empty, and end now and then. `pause`
    makes each request wait as many turns of the event loop as a hash says.
    """

    def __init__(self, number: int, *, token_ids: bool = False, pauses: bool = False) -> None:
        pause = self._pause if pauses else _no_pause
        self._number = number
        self.draft = ScriptedGenerator(self._writer("draft"), token_ids=token_ids, pause=pause)
        self.target = ScriptedGenerator(self._writer("target"), token_ids=token_ids, pause=pause)
        self.scorer = ScriptedScorer(
            lambda question, steps: self._draw("reward", question, *steps) % 100 / 99, pause=pause
        )

    def _writer(self, role: str) -> Callable[[str, Sampling], str]:
        def write(text: str, sampling: Sampling) -> str:
            drawn = self._draw(role, text, sampling.seed)
            step = ("x = 1", "so y = 22", "", "therefore z is 333 + é")[drawn % 4]
            return step if drawn // 4 % 6 == 0 else step + "\n\n"

        return write

    async def _pause(self, text: str) -> None:
        for _ in range(self._draw("pause", text) % 7):
            await asyncio.sleep(0)

    def _draw(self, *parts: object) -> int:
        return derive(self._number, *parts)


async def _no_pause(text: str) -> None:
    return None
