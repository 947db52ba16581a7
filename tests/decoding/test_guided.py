"""Guided speculative inference, and acceptance by confidence."""

from __future__ import annotations

import math

import pytest
from decoding.worlds import (
    GREEDY,
    PROMPT,
    QUERY,
    ROOMY,
    WARM,
    World,
    built,
    collect,
    run,
    single,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.decoding import Limits, Rules
from rsd.decoding.strategies.confidence import ConfidenceRouting
from rsd.decoding.strategies.guided import GuidedSpeculativeInference
from rsd.errors import BackendError
from rsd.protocols import Sampling
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Query, Step, StopReason

NUMBERS = st.integers(0, 10**6)
SHORT = Limits(max_tokens=200, max_steps=4, max_repeats=5, context=1 << 20)
THOROUGH = settings(max_examples=60, deadline=None)
LN2 = math.log(2)


def model(text: str, logprobs: dict[str, float]) -> ScriptedGenerator:
    return ScriptedGenerator({PROMPT: [text]}, likelihood=lambda _, text: logprobs[text])


@pytest.mark.parametrize(("threshold", "kept"), [(0.29, "draft"), (0.31, "target")])
def test_the_reward_is_tilted_by_the_log_ratio(threshold: float, kept: str) -> None:
    """0.5 + (1/10) (-5 - -3) = 0.3."""
    draft, target = model("a", {"a": -3.0}), model("b", {"a": -5.0, "b": -1.0})
    strategy = GuidedSpeculativeInference(
        draft,
        target,
        ScriptedScorer({"a": 0.5, "b": 0.1}),
        candidates=1,
        tilt=10.0,
        threshold=threshold,
        rules=Rules(ROOMY),
    )
    steps = run(collect(strategy))
    assert [s.source for s in steps if s.accepted] == [kept]
    assert steps[0].completion.logprob == -3.0
    likelihood = steps[0].likelihood
    assert likelihood is not None
    assert likelihood.logprob == -5.0
    (call,) = target.likelihood_calls
    assert (call.prefix.text, call.completion.text) == (PROMPT, "a")
    assert likelihood.usage.prompt_tokens == len("Q\n") + len("a") + 1


def three(text: str, sampling: Sampling) -> str:
    assert sampling.seed is not None
    return "abc"[sampling.seed % 3]


def share_of(letter: str, strategy: GuidedSpeculativeInference, source: str) -> tuple[float, float]:
    """How often `letter` was kept where all three were written, and the spread to expect."""
    kept = []
    for seed in range(4000):
        steps = run(collect(strategy, Query(PROMPT, "Q", seed=seed)))
        here = [s for s in steps if s.source == source]
        if {s.text for s in here} == set("abc"):
            kept.append(texts(steps)[0])
    assert len(kept) > 500
    return kept.count(letter) / len(kept), 3 * math.sqrt(0.25 / len(kept))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["draft", "target"])
def test_candidates_are_drawn_in_proportion_to_their_tilted_probability(source: str) -> None:
    """Rewards 0, 0, ln 2 / β weigh 1 : 1 : 2. Among drafts the target finds "a" twice as likely
    as the draft does, which makes 2 : 1 : 2."""
    even = ScriptedGenerator(three, likelihood=lambda _, text: -1.0)
    fond = ScriptedGenerator(three, likelihood=lambda _, text: -1.0 + LN2 * (text == "a"))
    strategy = GuidedSpeculativeInference(
        even,
        fond,
        ScriptedScorer({"a": 0.0, "b": 0.0, "c": LN2 / 5}),
        candidates=3,
        tilt=5.0,
        threshold=-math.inf if source == "draft" else math.inf,
        rules=Rules(ROOMY, WARM),
    )
    expected = {"draft": {"a": 0.4, "b": 0.2}, "target": {"a": 0.25, "b": 0.25}}[source]
    for letter, probability in expected.items():
        share, spread = share_of(letter, strategy, source)
        assert share == pytest.approx(probability, abs=spread)


@THOROUGH
@given(number=NUMBERS, candidates=st.integers(1, 3), threshold=st.floats(-1, 1.5))
def test_the_fallback_is_taken_exactly_below_the_threshold(
    number: int, candidates: int, threshold: float
) -> None:
    strategy = built(
        World(number), "guided", limits=SHORT, candidates=candidates, threshold=threshold, tilt=4.0
    )
    steps = run(collect(strategy))
    for index in {s.index for s in steps}:
        here = [s for s in steps if s.index == index]
        drafts = [s for s in here if s.source == "draft"]
        assert {s.candidate for s in drafts} == set(range(candidates))
        tilted = [_tilted(s, 4.0) for s in drafts]
        (chosen,) = [s for s in here if s.accepted]
        if chosen.source == "draft":
            assert _tilted(chosen, 4.0) >= threshold
            assert here == drafts
        else:
            assert min(tilted) < threshold
            assert len(here) == 2 * candidates


def _tilted(step: Step, tilt: float) -> float:
    assert step.reward is not None
    assert step.likelihood is not None
    assert step.completion.logprob is not None
    return step.reward + (step.likelihood.logprob - step.completion.logprob) / tilt


@THOROUGH
@given(number=NUMBERS)
def test_without_a_choice_the_extremes_are_one_model_alone(number: int) -> None:
    for threshold, source in ((-math.inf, "draft"), (math.inf, "target")):
        for name in ("guided", "confidence"):
            if name == "confidence" and threshold > 0:
                continue
            world = World(number)
            alone = run(
                collect(
                    single(getattr(world, source), source, limits=SHORT, sampling=WARM)  # type: ignore[arg-type]
                )
            )
            steps = run(collect(built(world, name, limits=SHORT, threshold=threshold)))
            assert texts(steps) == texts(alone)


def test_candidates_that_no_model_finds_likely_are_no_error() -> None:
    """vLLM cuts a log-probability at -9999 a token."""
    draft, target = model("a", {"a": -1.0}), model("b", {"a": -9999.0 * 50, "b": -1.0})
    strategy = GuidedSpeculativeInference(
        draft,
        target,
        ScriptedScorer({"a": 1.0, "b": 0.1}),
        candidates=2,
        tilt=20.0,
        threshold=0.5,
        rules=Rules(ROOMY, WARM),
    )
    assert texts(run(collect(strategy))) == ["b"]


def test_a_step_leaves_room_for_the_token_that_a_likelihood_takes() -> None:
    context = 30
    models = [
        ScriptedGenerator({PROMPT: ["one", "x" * 50]}, context=context, likelihood=lambda *_: -1.0)
        for _ in range(2)
    ]
    strategy = GuidedSpeculativeInference(
        *models,
        ScriptedScorer({}, default=1.0),
        candidates=1,
        tilt=1.0,
        threshold=0.0,
        rules=Rules(Limits(max_tokens=100, max_steps=9, max_repeats=5, context=context)),
    )
    steps = run(collect(strategy))
    usage = steps[-1].completion.usage
    assert usage.prompt_tokens + usage.completion_tokens == context - 1
    assert steps[-1].ends is StopReason.CONTEXT


@pytest.mark.parametrize(("threshold", "kept"), [(-0.26, "draft"), (-0.24, "target")])
def test_confidence_is_the_mean_over_all_generated_tokens(threshold: float, kept: str) -> None:
    """-1 over three bytes and the end of sequence."""
    draft, target = model("abc", {"abc": -1.0}), model("t", {"t": -9.0})
    strategy = ConfidenceRouting(draft, target, threshold=threshold, rules=Rules(ROOMY, GREEDY))
    steps = run(collect(strategy))
    assert [s.source for s in steps if s.accepted] == [kept]
    assert {s.score for s in steps} == {None}


def test_a_generator_that_gives_no_log_probability_is_named_an_error() -> None:
    class Mute(ScriptedGenerator):
        async def generate(self, prefix, *, max_tokens, sampling):  # type: ignore[no-untyped-def]
            return await super().generate(prefix, max_tokens=max_tokens, sampling=Sampling())

    strategy = ConfidenceRouting(
        Mute({PROMPT: ["a"]}), Mute({PROMPT: ["a"]}), threshold=-1.0, rules=Rules(ROOMY)
    )
    with pytest.raises(BackendError, match="returned no log-probability"):
        run(collect(strategy, QUERY))
