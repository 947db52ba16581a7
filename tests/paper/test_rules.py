"""The rules of the published program, each by hand."""

from __future__ import annotations

import asyncio

import pytest

from rsd.config import DecodingConfig
from rsd.decoding import (
    Limits,
    PaperRules,
    RewardGuidedSpeculativeDecoding,
    Rules,
    SingleModel,
    published_text,
)
from rsd.decoding.acceptance import step as threshold
from rsd.protocols import Sampling, Strategy
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Query, Step, StopReason

PROMPT = "Q\n"


def rules(cap: int = 1000, max_steps: int = 100, target_weight: int = 1) -> PaperRules:
    """One token a byte; the target counts `target_weight` for each."""
    limits = Limits(max_tokens=cap, max_steps=max_steps, max_repeats=2, context=1 << 20)
    counts = {"draft": lambda text: len(text), "target": lambda text: target_weight * len(text)}
    return PaperRules(limits, counts=counts)


def writer(*raw: str) -> ScriptedGenerator:
    """Writes the next of `raw` in each request, to its end or to its first blank line."""

    def write(text: str, sampling: Sampling) -> str:
        return raw[text.removeprefix(PROMPT).count("\n\n")]

    return ScriptedGenerator(write, token_ids=True)


def decode(strategy: Strategy) -> list[Step]:
    async def collect() -> list[Step]:
        return [step async for step in strategy.decode(Query(PROMPT, "Q"))]

    return asyncio.run(collect())


def alone(generator: ScriptedGenerator, rules: Rules) -> list[Step]:
    return decode(SingleModel(generator, source="draft", rules=rules))


def test_runs_of_newlines_collapse_and_the_response_is_trimmed() -> None:
    generator = writer("\n\n", "a\n\n\n\nlost", "\n\n", "\nb\n\n\nlost", "c\n")
    steps = alone(generator, rules())
    assert [step.text for step in steps] == ["", "a", "", "\nb", "c\n"]
    assert [call.prefix.text for call in generator.calls] == [
        PROMPT,
        PROMPT + "\n\n",
        PROMPT + "\n\na\n\n",
        PROMPT + "\n\na\n\n\n\n",
        PROMPT + "\n\na\n\n\n\n\nb\n\n",
    ]
    assert published_text(step.text for step in steps) == "a\n\n\n\n\nb\n\nc"


def test_text_is_sent_also_where_token_ids_are_known() -> None:
    generator = writer("a\n\n", "b\n\n", "c")
    alone(generator, rules())
    assert {call.prefix.token_ids for call in generator.calls} == {None}


def test_the_reward_model_reads_the_response_split_at_blank_lines() -> None:
    draft, scorer = writer("\n\n", "a\n\n", "\n\n", "\nb\n\n", "c\n"), ScriptedScorer({}, default=1)
    target = ScriptedGenerator({})
    decode(
        RewardGuidedSpeculativeDecoding(
            draft, target, scorer, weighting=threshold(0.5), rules=rules()
        )
    )
    assert [call.steps for call in scorer.calls] == [
        ("",),
        ("", "a"),
        ("", "a", ""),
        ("", "a", "", "\nb"),
        ("", "a", "", "\nb", "c\n"),
    ]


@pytest.mark.parametrize(("target_weight", "steps"), [(1, 4), (2, 2)])
def test_the_cap_holds_prompt_and_response_under_either_tokenizer(
    target_weight: int, steps: int
) -> None:
    generator = writer(*["abcd\n\n"] * 9)  # 2 + 6 n tokens after n steps
    written = alone(
        generator, rules(cap=26 if target_weight == 1 else 28, target_weight=target_weight)
    )
    assert len(written) == steps
    assert written[-1].ends is StopReason.MAX_TOKENS


def test_one_call_may_take_the_whole_cap_however_long_the_response_is() -> None:
    generator = writer("abcd\n\n", "x" * 50)
    written = alone(generator, rules(cap=20))
    assert [call.max_tokens for call in generator.calls] == [20, 20]
    assert written[-1].text == "x" * 20
    assert written[-1].ends is StopReason.MAX_TOKENS


def test_equal_steps_do_not_end_a_solution_but_a_hundred_steps_do() -> None:
    written = alone(writer(*["same\n\n"] * 200), rules(cap=10_000))
    assert len(written) == 100
    assert written[-1].ends is StopReason.MAX_STEPS


def test_steps_are_counted_with_their_separator_by_the_tokenizer_of_their_writer() -> None:
    strategy = RewardGuidedSpeculativeDecoding(
        writer("abc\n\n", "d"),
        writer("ef\n\n"),
        ScriptedScorer({"abc": 0, "d": 1}),
        weighting=threshold(0.5),
        rules=rules(target_weight=3),
    )
    steps = [(step.source, step.accepted, step.paper_tokens) for step in decode(strategy)]
    assert steps == [("draft", False, 5), ("target", True, 12), ("draft", True, 3)]


def test_the_profile_sends_text_and_knows_one_separator() -> None:
    assert DecodingConfig(profile="paper").prefix == "text"
    assert DecodingConfig(profile="paper", prefix="auto").prefix == "text"
    assert DecodingConfig().prefix == "auto"
    with pytest.raises(ValueError, match="sends text; remove prefix"):
        DecodingConfig(profile="paper", prefix="tokens")
    with pytest.raises(ValueError, match="a fixed step_separator"):
        DecodingConfig(profile="paper", step_separator="\n")
