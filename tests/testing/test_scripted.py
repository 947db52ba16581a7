from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsd.errors import BackendError, ContextError, ScorerError
from rsd.protocols import Generator, Sampling, Scorer
from rsd.testing import ByteTokenizer, ScriptedGenerator, ScriptedScorer
from rsd.testing.continuation import cut
from rsd.types import Completion, Prefix

STOP = Sampling(stop=("\n\n",))


def generate(
    generator: Generator, prefix: Prefix | str, max_tokens: int = 100, sampling: Sampling = STOP
) -> Completion:
    if isinstance(prefix, str):
        prefix = Prefix(prefix)
    return asyncio.run(generator.generate(prefix, max_tokens=max_tokens, sampling=sampling))


def reward(scorer: Scorer, *steps: str) -> float:
    return asyncio.run(scorer.score("Q", steps)).reward


@given(
    written=st.text(alphabet="ab\n|", max_size=30),
    stops=st.lists(st.sampled_from(["\n\n", "|", "ab"]), max_size=3),
    limit=st.integers(1, 40),
)
def test_cutting_follows_the_server(written: str, stops: list[str], limit: int) -> None:
    tokenizer = ByteTokenizer()
    result = cut(written, tokenizer, stops, limit)
    assert 1 <= len(result.ids) <= limit
    assert written.startswith(result.text)
    if result.finish_reason == "length":
        assert len(result.ids) == limit
        assert result.stop is None
    elif result.stop is None:
        assert result.text == written
        assert result.ids[-1] == tokenizer.eos_id
        assert not any(stop in written for stop in stops)
    else:
        assert tokenizer.decode(result.ids) == result.text + result.stop
        assert not any(stop in result.text for stop in stops)


def test_steps_end_at_the_separator_and_the_last_at_the_end_of_sequence() -> None:
    generator = ScriptedGenerator({"Q": ["one", "two"]})
    first = generate(generator, "Q")
    assert (first.text, first.finish_reason, first.matched_stop) == ("one", "stop", "\n\n")
    assert first.usage.completion_tokens == 4
    last = generate(generator, "Qone\n\n")
    assert (last.text, last.finish_reason, last.matched_stop) == ("two", "stop", None)
    assert first.token_ids is last.token_ids is None


def test_without_a_stop_string_the_rest_is_written_at_once() -> None:
    whole = generate(ScriptedGenerator({"Q": ["one", "two"]}), "Q", sampling=Sampling())
    assert (whole.text, whole.matched_stop) == ("one\n\ntwo", None)


def test_a_small_budget_or_context_cuts_a_step() -> None:
    short = generate(ScriptedGenerator({"Q": ["one"]}), "Q", max_tokens=2)
    assert (short.text, short.finish_reason) == ("on", "length")
    tight = generate(ScriptedGenerator({"Q": ["one"]}, context=3), "Q")
    assert (tight.text, tight.finish_reason) == ("on", "length")
    with pytest.raises(ContextError):
        generate(ScriptedGenerator({"Q": ["one"]}, context=1), "Q")


def test_token_ids_of_a_prefix_are_read_in_place_of_its_text() -> None:
    generator = ScriptedGenerator({"Q": ["one", "two"]}, token_ids=True)
    ids = tuple(ByteTokenizer().encode("Qone\n\n"))
    completion = generate(generator, Prefix("something else", ids))
    assert completion.text == "two"
    assert completion.prompt_token_ids == ids
    assert completion.token_ids == (*ByteTokenizer().encode("two"), ByteTokenizer.eos_id)


def test_a_function_sees_the_sampling() -> None:
    generator = ScriptedGenerator(lambda text, sampling: f"{text}{sampling.seed}")
    assert generate(generator, "Q", sampling=Sampling(seed=3)).text == "Q3"


def test_the_longest_prompt_that_fits_is_followed() -> None:
    generator = ScriptedGenerator({"Q": ["short"], "Q2": ["long"]})
    assert generate(generator, "Q2").text == "long"
    with pytest.raises(LookupError, match="no prompt that begins"):
        generate(generator, "R")


def test_failures_are_chosen_by_prefix_and_recorded() -> None:
    def fail(text: str) -> Exception | None:
        return BackendError("down") if text == "Q" else None

    generator = ScriptedGenerator({"Q": ["one", "two"]}, fail=fail)
    with pytest.raises(BackendError, match="down"):
        generate(generator, "Q")
    assert generate(generator, "Qone\n\n").text == "two"
    assert [call.outcome for call in generator.calls] == ["failed", "answered"]


def test_a_cancelled_call_is_recorded_as_such() -> None:
    async def forever(text: str) -> None:
        await asyncio.Event().wait()

    async def scenario() -> tuple[str, str]:
        generator = ScriptedGenerator({"Q": ["one"]}, pause=forever)
        task = asyncio.create_task(generator.generate(Prefix("Q"), max_tokens=9, sampling=STOP))
        await asyncio.sleep(0)
        before = generator.calls[0].outcome
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return before, generator.calls[0].outcome

    assert asyncio.run(scenario()) == ("pending", "cancelled")


def test_rewards_come_from_the_newest_step_a_default_or_a_function() -> None:
    scorer = ScriptedScorer({"good": 0.9}, default=0.2)
    assert reward(scorer, "other", "good") == 0.9
    assert reward(scorer, "good", "other") == 0.2
    assert reward(ScriptedScorer(lambda question, steps: len(steps) / 10), "a", "b") == 0.2
    assert scorer.calls[0].steps == ("other", "good")


def test_a_step_without_a_reward_is_a_mistake_in_the_script() -> None:
    with pytest.raises(LookupError, match="no reward for 'a'"):
        reward(ScriptedScorer({}), "a")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reward_that_is_not_finite_is_a_scorer_error(value: float) -> None:
    scorer = ScriptedScorer({"a": value})
    with pytest.raises(ScorerError, match=f"is {value}"):
        reward(scorer, "a")
    assert scorer.calls[0].outcome == "failed"
