"""What the gateway says an answer has cost, against the brute-force count of the positions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from decoding.reference_costs import (
    Judge,
    check_that_all_is_counted,
    judging_positions,
    scored_positions,
    written_positions,
)
from decoding.worlds import EVERY, PROMPT, World, one_of_every
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.backends import AGGREGATIONS, AggregatedScorer
from rsd.config import Config, parse
from rsd.decoding import Limits
from rsd.decoding.seeds import derive
from rsd.gateway.answering.answer import Answer, AnswerRequest, decode_answer
from rsd.gateway.errors import LostServer
from rsd.gateway.metrics import GatewayMetrics
from rsd.gateway.openai.report import Report
from rsd.protocols import Strategy
from rsd.testing import ScriptedScorer
from rsd.types import Completion, Query, Role, Step, Usage

NUMBERS = st.integers(0, 10**6)
PARAMETERS: dict[Role, int | None] = {"draft": 1, "target": 10**6, "prm": 10**12}
"""So far apart that the total tells the positions of each model."""

LIMITS = Limits(max_tokens=400, max_steps=4, max_repeats=5, context=1 << 20)
CONFIG = parse(
    {
        "name": "costs",
        "models": {
            role: {"model": role, "served_name": role, "endpoint": "http://127.0.0.1:1/v1"}
            for role in PARAMETERS
        },
        "tasks": {"names": ["demo"]},
    },
    "test",
)


class Decoding:
    """`AnswerServers` without servers: each of `strategies` continues where the one before lost a
    server."""

    def __init__(self, *strategies: Strategy) -> None:
        self._strategies = iter(strategies)
        self.counted: list[Step] = []

    def decode(self, config: Config, request: AnswerRequest, query: Query) -> AsyncIterator[Step]:
        return next(self._strategies).decode(query)

    def substitute(self, config: Config, lost: set[Role]) -> tuple[Config, Role | None]:
        return config, None

    def suspect(self) -> None:
        pass

    def count(self, step: Step) -> None:
        self.counted.append(step)


async def ignore(sample: Answer, step: Step, text: str) -> None:
    """Nobody is told of a step."""


def answered(*strategies: Strategy) -> Answer:
    ask = AnswerRequest(0, Query(PROMPT, "Q"), CONFIG, seed=7)
    return asyncio.run(decode_answer(ask, Decoding(*strategies), ignore))


def told(sample: Answer) -> dict[str, Any]:
    """The object `rsd` of the answer."""
    report = Report(strategy="s", threshold=None, parameters=PARAMETERS, include_steps=True)
    return report.of_request([sample])


def positions(flops: float) -> tuple[int, ...]:
    """Those of draft, target and reward model, from their FLOPs."""
    rest, draft = divmod(round(flops) // 2, 10**6)
    prm, target = divmod(rest, 10**6)
    return draft, target, prm


@pytest.mark.parametrize("name", sorted(EVERY))
@settings(max_examples=20, deadline=None)
@given(number=NUMBERS)
def test_each_model_pays_for_each_position_once(name: str, number: int) -> None:
    world = World(number, token_ids=True, unlike=True)
    sample = answered(one_of_every(world, name, limits=LIMITS))
    flops = told(sample)["flops"]
    assert positions(flops["total"]) == (
        written_positions(sample.steps, "draft"),
        written_positions(sample.steps, "target"),
        scored_positions(world.scorer.calls),
    )
    alone = sample.steps[0].completion.usage.prompt_tokens
    alone += sum(step.completion.usage.completion_tokens for step in sample.kept)
    assert positions(flops["target_only"]) == (0, alone, 0)
    assert flops["ratio"] == flops["total"] / flops["target_only"]


@pytest.mark.parametrize("name", sorted(EVERY))
@settings(max_examples=20, deadline=None)
@given(number=NUMBERS, turns=st.integers(1, 40))
def test_what_was_written_for_a_client_that_left_is_counted(
    name: str, number: int, turns: int
) -> None:
    async def main() -> None:
        asking = asyncio.create_task(decode_answer(ask, decoding, ignore))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])

    world = World(number, token_ids=True, unlike=True, pauses=True)
    decoding = Decoding(one_of_every(world, name, limits=LIMITS))
    ask = AnswerRequest(0, Query(PROMPT, "Q"), CONFIG, seed=7)
    asyncio.run(main())
    check_that_all_is_counted(world, decoding.counted)


def test_the_metrics_count_tokens_that_were_drafted_ahead_and_discarded() -> None:
    completion = Completion("x", "stop", "\n\n", Usage(1, 9, 0, 4, wasted_tokens=6), 0.0, 0.0)
    metrics = GatewayMetrics()
    metrics.step(Step(0, "draft", False, completion))

    async def shown() -> str:
        return metrics.text().decode()

    text = asyncio.run(shown())
    for verdict, tokens in (("rejected", 4), ("wasted", 6)):
        assert f'tokens_total{{source="draft",verdict="{verdict}"}} {tokens}.0' in text


@pytest.mark.parametrize("name", ["rsd", "rsd with candidates", "oracle", "beam", "best_of_n"])
@settings(max_examples=20, deadline=None)
@given(number=NUMBERS)
def test_an_answer_that_goes_on_without_the_reward_model_pays_for_both_parts(
    name: str, number: int
) -> None:
    def lost(text: str) -> Exception | None:
        return LostServer("prm", "down") if derive(number, "lost", text) % 5 == 0 else None

    world = World(number, token_ids=True, unlike=True, pauses=True)
    world.scorer = ScriptedScorer(lambda question, steps: len(steps[-1]) % 7 / 6, fail=lost)
    alone = one_of_every(world, "target", limits=LIMITS)
    sample = answered(one_of_every(world, name, limits=LIMITS), alone)
    draft, target, _ = positions(told(sample)["flops"]["total"])
    assert draft == written_positions(sample.steps, "draft")
    assert target == written_positions(sample.steps, "target")
    check_that_all_is_counted(world, sample.steps)


@pytest.mark.parametrize("aggregated", [False, True])
@pytest.mark.parametrize("name", ["rsd", "rsd with candidates", "oracle", "best_of_n", "beam"])
@settings(max_examples=20, deadline=None)
@given(number=NUMBERS)
def test_a_judge_is_charged_to_the_target(name: str, aggregated: bool, number: int) -> None:
    world = World(number, token_ids=True, unlike=True)
    judge = Judge()
    scorer = AggregatedScorer(judge, AGGREGATIONS["min"]) if aggregated else judge
    world.scorer = scorer  # type: ignore[assignment]
    sample = answered(one_of_every(world, name, limits=LIMITS))
    _, target, prm = positions(told(sample)["flops"]["total"])
    assert (target, prm) == (judging_positions(sample.steps, judge.judged), 0)
    assert told(sample)["tokens"]["target"]["requests"] >= len(judge.judged)
