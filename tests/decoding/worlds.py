"""Small deterministic worlds for the strategies' tests: models and rewards drawn from a hash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from rsd.config import DecodingConfig
from rsd.decoding import (
    Limits,
    Parts,
    RewardGuidedSpeculativeDecoding,
    Rules,
    SingleModel,
    Weighting,
    build_strategy,
)
from rsd.decoding.acceptance import step as threshold
from rsd.decoding.repetition import LONGEST_CYCLE
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
    return SingleModel(generator, source=source, rules=Rules(limits, sampling))


def rsd(
    draft: ScriptedGenerator,
    target: ScriptedGenerator,
    scorer: ScriptedScorer,
    *,
    delta: float = 0.5,
    limits: Limits = ROOMY,
    sampling: Sampling = GREEDY,
    weighting: Weighting | None = None,
    lookahead: int = 0,
) -> RewardGuidedSpeculativeDecoding:
    return RewardGuidedSpeculativeDecoding(
        draft,
        target,
        scorer,
        weighting=weighting or threshold(delta),
        rules=Rules(limits, sampling),
        lookahead=lookahead,
    )


def texts(steps: list[Step]) -> list[str]:
    """Texts of the accepted steps."""
    return [step.text for step in steps if step.accepted]


def loops(steps: Sequence[str], times: int) -> bool:
    """Whether `steps` end in a loop, by the words of `rsd.decoding.repetition`, for steps whose
    fences and lines of tables are lines of their own."""
    begin, open_block = 0, False
    for count, step in enumerate(steps, start=1):
        fences = step.split("\n").count("```")
        if open_block or fences or step.startswith("|"):
            begin = count
        open_block ^= fences % 2 == 1
    prose = list(steps[begin:])
    return any(
        len(prose) >= period * times
        and prose[-period * times :] == prose[-period:] * times
        and any(char.isalnum() for step in prose[-period:] for char in step)
        for period in range(1, LONGEST_CYCLE + 1)
    )


class World:
    """A draft, a target and a reward model whose every answer is a hash of the request.

    `number` picks the world. Answers are short, sometimes empty, and end now and then; `unlike`
    makes no two of them the same, and a `script` has every model write its steps, one after the
    other. `pauses` makes each request wait as many turns of the event
    loop as a hash says; `hook` is awaited before each, whoever is asked.
    """

    def __init__(
        self,
        number: int,
        *,
        token_ids: bool = False,
        pauses: bool = False,
        unlike: bool = False,
        script: Sequence[str] = (),
        hook: Callable[[], Awaitable[None]] | None = None,
        bursts: bool = False,
        fail: Callable[[str], Exception | None] = lambda text: None,
    ) -> None:
        self._number = number
        self._bursts = bursts
        self._fail = fail
        self._pauses = pauses
        self._unlike = unlike
        self._script = script
        self._hook = hook
        self.draft = self._generator("draft", token_ids)
        self.target = self._generator("target", token_ids)
        self.scorer = ScriptedScorer(
            lambda question, steps: self._draw("reward", question, *steps) % 100 / 99,
            pause=self._pause,
            fail=fail,
        )

    def _generator(self, role: str, token_ids: bool) -> ScriptedGenerator:
        return ScriptedGenerator(
            self._writer(role),
            token_ids=token_ids,
            pause=self._pause,
            burst=lambda text: 1 + self._draw("burst", text) % 3 if self._bursts else 1,
            fail=self._fail,
            likelihood=lambda prefix, text: -(self._draw(role, "likely", prefix, text) % 100) / 20,
        )

    def _writer(self, role: str) -> Callable[[str, Sampling], str]:
        def write(text: str, sampling: Sampling) -> str:
            if self._script:
                place = text.removeprefix(PROMPT).count("\n\n")
                last = place == len(self._script) - 1
                return self._script[place] + ("" if last else "\n\n")
            drawn = self._draw(role, text, sampling.seed)
            step = ("x = 1", "so y = 22", "", "therefore z is 333 + é")[drawn % 4]
            if self._unlike:
                step = f"{step} {drawn}"
            return step if drawn // 4 % 6 == 0 else step + "\n\n"

        return write

    async def _pause(self, text: str) -> None:
        if self._hook is not None:
            await self._hook()
        if self._pauses:
            for _ in range(self._draw("pause", text) % 7):
                await asyncio.sleep(0)

    def _draw(self, *parts: object) -> int:
        return derive(self._number, *parts)

    @property
    def outcomes(self) -> list[str]:
        """What became of every request."""
        generators = (self.draft, self.target)
        return [
            *(call.outcome for generator in generators for call in generator.calls),
            *(call.outcome for generator in generators for call in generator.stream_calls),
            *(call.outcome for generator in generators for call in generator.likelihood_calls),
            *(call.outcome for call in self.scorer.calls),
        ]


class LastLine:
    """The answer is the last line of a response; case does not matter."""

    async def grouped(self, responses: Sequence[str], query: Query) -> list[list[int]]:
        await asyncio.sleep(0)
        groups: dict[str, list[int]] = {}
        for number, response in enumerate(responses):
            if line := response.split("\n")[-1]:
                groups.setdefault(line.casefold(), []).append(number)
        return list(groups.values())


EVERY: dict[str, dict[str, object]] = {
    "rsd": {"threshold": 0.5},
    "rsd with candidates": {"strategy": "rsd", "threshold": 0.6, "candidates": 3},
    "rsd with a coin": {"strategy": "rsd", "weighting": "sigmoidal"},
    "draft": {},
    "target": {},
    "majority": {"candidates": 3},
    "best_of_n": {"candidates": 3, "writer": "target"},
    "process_best_of_n": {"candidates": 3},
    "beam": {"candidates": 2, "beams": 2},
    "random": {"probability": 0.5},
    "first_steps": {"first_steps": 2},
    "oracle": {"threshold": 0.5},
    "guided": {"threshold": 0.5, "candidates": 3, "tilt": 20.0},
    "confidence": {"threshold": -0.2},
}
"""Every strategy, with keys that make it take all its branches in a few worlds."""


def built(
    world: World,
    strategy: str,
    *,
    limits: Limits = ROOMY,
    sampling: Sampling = WARM,
    **keys: object,
) -> Strategy:
    """The strategy that a configuration with these keys names, on the models of `world`."""
    values = {"strategy": strategy, "temperature": sampling.temperature} | keys
    decoding = DecodingConfig.model_validate(values)
    return build_strategy(
        Parts(
            {"draft": world.draft, "target": world.target},
            world.scorer,
            Rules(limits, sampling),
            decoding,
            LastLine(),
        )
    )


def one_of_every(world: World, name: str, *, limits: Limits = ROOMY) -> Strategy:
    """The strategy called `name` in `EVERY`."""
    return built(world, **{"strategy": name, **EVERY[name]}, limits=limits)  # type: ignore[arg-type]
