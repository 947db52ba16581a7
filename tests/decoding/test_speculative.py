"""RSD, branch by branch, on scripted models."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from dataclasses import replace

import pytest
from decoding.worlds import (
    GREEDY,
    PROMPT,
    QUERY,
    ROOMY,
    WARM,
    collect,
    collect_into,
    rsd,
    run,
    texts,
)

from rsd.decoding import Limits
from rsd.errors import BackendError, ScorerError
from rsd.testing import ByteTokenizer, ScriptedGenerator, ScriptedScorer
from rsd.types import Query, Source, Step, StopReason

GOOD, BAD = 0.9, 0.1


def generator(*steps: str, **options: object) -> ScriptedGenerator:
    return ScriptedGenerator({PROMPT: steps}, **options)  # type: ignore[arg-type]


def outline(steps: list[Step]) -> list[tuple[int, Source, str, bool, StopReason | None]]:
    return [(s.index, s.source, s.text, s.accepted, s.ends) for s in steps]


def test_good_draft_steps_are_kept_and_the_target_is_never_asked() -> None:
    target = generator()
    steps = run(collect(rsd(generator("a", "b"), target, ScriptedScorer({"a": GOOD, "b": GOOD}))))
    assert outline(steps) == [
        (0, "draft", "a", True, None),
        (1, "draft", "b", True, StopReason.EOS),
    ]
    assert [s.reward for s in steps] == [GOOD, GOOD]
    assert target.calls == []


def test_a_bad_step_is_written_again_by_the_target_from_the_same_prefix() -> None:
    draft, target = generator("a", "wrong", "c"), generator("a", "b", "c")
    scorer = ScriptedScorer({"wrong": BAD}, default=GOOD)
    steps = run(collect(rsd(draft, target, scorer)))
    assert outline(steps) == [
        (0, "draft", "a", True, None),
        (1, "draft", "wrong", False, None),
        (1, "target", "b", True, None),
        (2, "draft", "c", True, StopReason.EOS),
    ]
    assert steps[2].score is None
    assert [c.prefix.text for c in draft.calls] == ["Q\n", "Q\na\n\n", "Q\na\n\nb\n\n"]
    assert [c.prefix.text for c in target.calls] == ["Q\na\n\n"]
    assert [c.steps for c in scorer.calls] == [("a",), ("a", "wrong"), ("a", "b", "c")]
    assert {c.question for c in scorer.calls} == {"Q"}


def test_a_reward_equal_to_the_threshold_is_accepted() -> None:
    steps = run(collect(rsd(generator("a"), generator(), ScriptedScorer({"a": 0.5}), delta=0.5)))
    assert [s.accepted for s in steps] == [True]


def test_a_rejected_end_of_sequence_does_not_end_the_response() -> None:
    target = generator("slow", "end")
    scorer = ScriptedScorer({"hasty": BAD, "end": GOOD})
    draft = ScriptedGenerator(lambda text, _: "hasty" if text == PROMPT else "end")
    steps = run(collect(rsd(draft, target, scorer)))
    assert outline(steps) == [
        (0, "draft", "hasty", False, None),
        (0, "target", "slow", True, None),
        (1, "draft", "end", True, StopReason.EOS),
    ]


def test_an_empty_step_at_the_end_of_sequence_is_a_step() -> None:
    scorer = ScriptedScorer({"a": GOOD, "": GOOD})
    steps = run(collect(rsd(generator("a", ""), generator(), scorer)))
    assert outline(steps)[-1] == (1, "draft", "", True, StopReason.EOS)
    assert steps[-1].completion.usage.completion_tokens == 1
    assert scorer.calls[-1].steps == ("a", "")


@pytest.mark.parametrize("writer", ["draft", "target"])
@pytest.mark.parametrize(
    ("limits", "reason", "expected"),
    [
        (ROOMY, StopReason.EOS, ["one", "two", "two", "two"]),
        (replace(ROOMY, max_tokens=6), StopReason.MAX_TOKENS, ["one", "tw"]),
        (replace(ROOMY, max_tokens=8), StopReason.MAX_TOKENS, ["one", "two"]),
        (replace(ROOMY, max_steps=2), StopReason.MAX_STEPS, ["one", "two"]),
        (replace(ROOMY, context=len(PROMPT) + 6), StopReason.CONTEXT, ["one", "tw"]),
        (replace(ROOMY, context=len(PROMPT) + 4), StopReason.CONTEXT, ["one"]),
        (replace(ROOMY, max_repeats=2), StopReason.REPETITION, ["one", "two", "two"]),
        (replace(ROOMY, max_repeats=3), StopReason.REPETITION, ["one", "two", "two", "two"]),
    ],
)
def test_each_way_to_end(
    writer: str, limits: Limits, reason: StopReason, expected: list[str]
) -> None:
    """A step "one" with its separator is 4 tokens of the byte tokenizer."""
    last = [] if reason is StopReason.EOS else ["four"]
    script = generator("one", "two", "two", "two", *last)
    draft = script if writer == "draft" else ScriptedGenerator(lambda text, _: "bad\n\n")
    scorer = ScriptedScorer(lambda _, steps: BAD if steps[-1].startswith("ba") else GOOD)
    steps = run(collect(rsd(draft, script, scorer, limits=limits)))
    assert texts(steps) == expected
    assert steps[-1].ends is reason
    assert {s.source for s in steps if s.accepted} == {writer}
    assert [s.ends for s in steps[:-1]] == [None] * (len(steps) - 1)


def test_loops_are_looked_for_among_accepted_steps_only() -> None:
    draft = ScriptedGenerator(lambda text, _: "bad\n\n")
    target = generator("a", "b", "c", "d")
    limits = replace(ROOMY, max_repeats=2)
    steps = run(collect(rsd(draft, target, ScriptedScorer({"bad": BAD}), limits=limits)))
    assert texts(steps) == ["a", "b", "c", "d"]
    assert steps[-1].ends is StopReason.EOS


def test_the_token_budget_shrinks_by_what_was_accepted() -> None:
    draft, target = generator("one", "bad", "three"), generator("one", "second", "three")
    scorer = ScriptedScorer({"bad": BAD}, default=GOOD)
    run(collect(rsd(draft, target, scorer, limits=replace(ROOMY, max_tokens=100))))
    assert [c.max_tokens for c in draft.calls] == [100, 96, 89]
    assert [c.max_tokens for c in target.calls] == [96]


def test_a_step_never_outgrows_the_smallest_context() -> None:
    """The reward model may have a smaller context than the draft."""
    draft = generator("one", "x" * 50)
    limits = replace(ROOMY, context=30)
    steps = run(collect(rsd(draft, generator(), ScriptedScorer({}, default=GOOD), limits=limits)))
    assert steps[-1].ends is StopReason.CONTEXT
    usage = steps[-1].completion.usage
    assert usage.prompt_tokens + usage.completion_tokens == 30


def test_token_ids_are_handed_on_unchanged_between_draft_and_target() -> None:
    """The separator as two newline tokens: encoding the text again would give one other token."""

    class TwoNewlines(ByteTokenizer):
        def encode(self, text: str) -> list[int]:
            return [token for char in text for token in super(TwoNewlines, self).encode(char)]

    draft = generator("a", "wrong", "c", tokenizer=TwoNewlines(), token_ids=True)
    target = generator("a", "b", "c", tokenizer=ByteTokenizer(), token_ids=True)
    scorer = ScriptedScorer({"wrong": BAD}, default=GOOD)
    steps = run(collect(rsd(draft, target, scorer)))
    assert texts(steps) == ["a", "b", "c"]

    ids = ByteTokenizer().encode
    newline = ids("\n")
    start = (*ids("Q\n"), *ids("a"), *newline, *newline)
    assert draft.calls[0].prefix.token_ids is None
    assert target.calls[0].prefix.token_ids == start
    assert draft.calls[2].prefix.token_ids == (*start, *ids("b\n\n"))
    assert steps[2].completion.prompt_token_ids == start


def test_without_token_ids_text_is_sent() -> None:
    draft = generator("a", "b")
    run(collect(rsd(draft, generator(), ScriptedScorer({}, default=GOOD))))
    assert [(c.prefix.text, c.prefix.token_ids) for c in draft.calls] == [
        ("Q\n", None),
        ("Q\na\n\n", None),
    ]


def test_every_request_stops_at_the_separator_and_has_its_own_seed() -> None:
    draft, target = generator("a", "b"), generator("a", "b")
    run(collect(rsd(draft, target, ScriptedScorer({}, default=BAD), sampling=WARM)))
    sent = [call.sampling for call in (*draft.calls, *target.calls)]
    assert {(s.temperature, s.top_p, s.stop) for s in sent} == {(0.8, 0.95, ("\n\n",))}
    seeds = [s.seed for s in sent]
    assert None not in seeds
    assert len(set(seeds)) == len(seeds) == 4

    again = generator("a", "b")
    run(collect(rsd(again, generator("a", "b"), ScriptedScorer({}, default=BAD), sampling=WARM)))
    assert [c.sampling.seed for c in again.calls] == [c.sampling.seed for c in draft.calls]


@pytest.mark.parametrize(("sampling", "seed"), [(GREEDY, 7), (WARM, None)])
def test_no_seed_is_sent_when_greedy_or_unseeded(sampling: object, seed: int | None) -> None:
    draft = generator("a", "b")
    strategy = rsd(draft, generator(), ScriptedScorer({}, default=GOOD), sampling=sampling)  # type: ignore[arg-type]
    run(collect(strategy, Query(PROMPT, "Q", seed=seed)))
    assert [c.sampling.seed for c in draft.calls] == [None, None]


@pytest.mark.parametrize("failing", ["draft", "target", "scorer"])
def test_errors_pass_through_and_the_steps_before_them_were_yielded(failing: str) -> None:
    error = ScorerError("nan") if failing == "scorer" else BackendError("server lost")

    def fail(text: str) -> Exception | None:
        return error if text.endswith(("a\n\n", "wrong")) else None

    options: dict[str, dict[str, object]] = {"draft": {}, "target": {}, "scorer": {}}
    options[failing] = {"fail": fail}
    draft = generator("a", "wrong", **options["draft"])
    target = generator("a", "b", **options["target"])
    scorer = ScriptedScorer({"wrong": BAD}, default=GOOD, **options["scorer"])  # type: ignore[arg-type]
    steps: list[Step] = []
    with pytest.raises(type(error)) as caught:
        run(collect_into(steps, rsd(draft, target, scorer)))
    assert caught.value is error
    expected = ["a", "wrong"] if failing == "target" else ["a"]
    assert [s.text for s in steps] == expected
    calls = {"draft": draft, "target": target, "scorer": scorer}[failing].calls
    assert calls[-1].outcome == "failed"


def test_a_reward_that_is_not_a_number_is_an_error_and_no_decision() -> None:
    target = generator("a")
    with pytest.raises(ScorerError, match="nan"):
        run(collect(rsd(generator("a"), target, ScriptedScorer({"a": math.nan}))))
    assert target.calls == []


@pytest.mark.parametrize("waiting", ["draft", "target", "scorer"])
def test_cancellation_reaches_the_request_in_flight(waiting: str) -> None:
    async def scenario() -> tuple[list[Step], list[str]]:
        started = asyncio.Event()

        async def hang(text: str) -> None:
            if text != PROMPT and text != "a":
                started.set()
                await asyncio.Event().wait()

        pauses: dict[str, dict[str, object]] = {"draft": {}, "target": {}, "scorer": {}}
        pauses[waiting] = {"pause": hang}
        draft = generator("a", "wrong", **pauses["draft"])
        target = generator("a", "b", **pauses["target"])
        scorer = ScriptedScorer({"wrong": BAD}, default=GOOD, **pauses["scorer"])  # type: ignore[arg-type]
        steps: list[Step] = []
        task = asyncio.create_task(collect_into(steps, rsd(draft, target, scorer)))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        calls = [*draft.calls, *target.calls, *scorer.calls]
        return steps, [call.outcome for call in calls if call.outcome != "answered"]

    steps, unanswered = run(scenario())
    assert steps[0].text == "a"
    assert unanswered == ["cancelled"]


def test_closing_between_steps_sends_no_further_request() -> None:
    async def scenario() -> tuple[int, int, int]:
        draft, target = generator("a", "b"), generator("a", "b")
        scorer = ScriptedScorer({}, default=BAD)
        async with aclosing(rsd(draft, target, scorer).decode(QUERY)) as steps:
            assert not (await anext(steps)).accepted
        return len(draft.calls), len(scorer.calls), len(target.calls)

    assert run(scenario()) == (1, 1, 0)


def test_any_weighting_can_decide() -> None:
    """A weight of at least one half accepts; here it says the opposite of the rewards."""
    scorer = ScriptedScorer({"a": GOOD, "b": BAD})
    strategy = rsd(
        generator("a", "b"), generator("c", "d"), scorer, weighting=lambda reward: 1.0 - reward
    )
    assert texts(run(collect(strategy))) == ["c", "b"]
