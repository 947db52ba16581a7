"""Rewards of several steps made into one: which are asked for, remembered, paid for."""

from __future__ import annotations

import asyncio
import math

import pytest

from rsd.backends import AGGREGATIONS, AggregatedScorer
from rsd.errors import ScorerError
from rsd.testing import ScriptedScorer
from rsd.types import Usage

REWARDS = {"a": 0.9, "b": 0.5, "c": 0.8}


def scripted() -> ScriptedScorer:
    return ScriptedScorer(REWARDS)


@pytest.mark.parametrize(
    ("how", "expected"), [("min", 0.5), ("prod", 0.9 * 0.5 * 0.8), ("mean", 2.2 / 3)]
)
def test_all_steps_so_far_count(how: str, expected: float) -> None:
    scorer = AggregatedScorer(scripted(), AGGREGATIONS[how])
    score = asyncio.run(scorer.score("q", ["a", "b", "c"]))
    assert score.reward == pytest.approx(expected)
    assert asyncio.run(scorer.score("q", ["a"])).reward == 0.9


def test_only_what_was_not_asked_for_yet_is_asked_for() -> None:
    async def decode() -> tuple[ScriptedScorer, list[int]]:
        inner = scripted()
        scorer, requests = AggregatedScorer(inner, min), []
        for steps in (["a"], ["a", "c"], ["a", "b"]):  # c is rejected, and the target writes b
            requests.append((await scorer.score("q", steps)).usage.requests)
        requests.append((await scorer.score("q", ["a", "b", "c", "a"])).usage.requests)
        return inner, requests

    inner, requests = asyncio.run(decode())
    assert requests == [1, 1, 1, 2]
    asked = [call.steps for call in inner.calls]
    assert asked[-2:] == [("a", "b", "c", "a"), ("a", "b", "c")]


def test_a_reward_is_of_its_question_and_its_steps() -> None:
    def reward(question: str, steps: object) -> float:
        return 0.25 if (question, steps) == ("other", ("a",)) else 0.75

    async def decode() -> list[float]:
        scorer = AggregatedScorer(ScriptedScorer(reward), min)
        asked = [("q", ["a"]), ("q", ["a", "b"]), ("other", ["a", "b"]), ("other", ["b", "a"])]
        return [(await scorer.score(*each)).reward for each in asked]

    assert asyncio.run(decode()) == [0.75, 0.75, 0.25, 0.75]


def test_further_requests_are_paid_for_apart_from_the_newest_steps() -> None:
    alone = asyncio.run(scripted().score("q", ["a", "b"]))
    earlier = asyncio.run(scripted().score("q", ["a"]))
    score = asyncio.run(AggregatedScorer(scripted(), min).score("q", ["a", "b"]))
    assert score.usage == alone.usage + earlier.usage
    assert score.extra_tokens == earlier.usage.prompt_tokens
    assert score.step_tokens == alone.step_tokens
    assert score.usage.prompt_tokens - score.extra_tokens == alone.usage.prompt_tokens
    assert alone.usage != Usage()


def test_forgotten_rewards_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rsd.backends.aggregation._REMEMBERED_REWARDS", 2)

    async def decode() -> tuple[float, int]:
        scorer = AggregatedScorer(scripted(), math.prod)
        for steps in (["a"], ["b"], ["c"]):
            await scorer.score("q", steps)
        score = await scorer.score("q", ["a", "b"])
        return score.reward, score.usage.requests

    assert asyncio.run(decode()) == (pytest.approx(0.45), 2)


def test_problems_decoded_at_the_same_time_do_not_mix() -> None:
    def reward(question: str, steps: object) -> float:
        return (hash((question, steps)) % 1000) / 1000

    problems = [("q1", list("abcd")), ("q2", list("abdc")), ("q1", list("abdc"))] * 3

    async def one(scorer: AggregatedScorer, question: str, steps: list[str]) -> list[float]:
        grown = [steps[:count] for count in range(1, len(steps) + 1)]
        return [(await scorer.score(question, each)).reward for each in grown]

    async def together() -> list[list[float]]:
        scorer = AggregatedScorer(ScriptedScorer(reward), min)
        return await asyncio.gather(*(one(scorer, *problem) for problem in problems))

    async def apart() -> list[list[float]]:
        return [await one(AggregatedScorer(ScriptedScorer(reward), min), *p) for p in problems]

    assert asyncio.run(together()) == asyncio.run(apart())


def test_a_failed_request_is_not_remembered() -> None:
    failures = [ScorerError("down")]

    async def decode() -> float:
        inner = ScriptedScorer(
            REWARDS, fail=lambda text: failures.pop() if failures and text == "a" else None
        )
        scorer = AggregatedScorer(inner, min)
        with pytest.raises(ScorerError, match="down"):
            await scorer.score("q", ["a", "b"])
        return (await scorer.score("q", ["a", "b"])).reward

    assert asyncio.run(decode()) == 0.5
