"""What holds for all models, rewards, thresholds and limits."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise

from decoding.worlds import GREEDY, QUERY, WARM, World, collect, loops, rsd, run, single, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.decoding import Limits
from rsd.protocols import Sampling
from rsd.types import Query, Step, StopReason

NUMBERS = st.integers(0, 10**6)
DELTAS = st.floats(0, 1)
SAMPLINGS = st.sampled_from([GREEDY, WARM])
LIMITS = st.builds(
    Limits,
    max_tokens=st.integers(1, 120),
    max_steps=st.integers(1, 9),
    max_repeats=st.integers(1, 5),
    context=st.integers(8, 120),
)
THOROUGH = settings(max_examples=100, deadline=None)


def decode(
    world: World, delta: float, limits: Limits, sampling: Sampling = GREEDY, query: Query = QUERY
) -> list[Step]:
    strategy = rsd(
        world.draft, world.target, world.scorer, delta=delta, limits=limits, sampling=sampling
    )
    return run(collect(strategy, query))


@THOROUGH
@given(number=NUMBERS, limits=LIMITS, sampling=SAMPLINGS, ids=st.booleans())
def test_a_threshold_of_minus_infinity_is_the_draft_alone(
    number: int, limits: Limits, sampling: Sampling, ids: bool
) -> None:
    world = World(number, token_ids=ids)
    alone = run(collect(single(world.draft, "draft", limits=limits, sampling=sampling)))
    steps = decode(world, -math.inf, limits, sampling)
    assert [s.completion for s in steps] == [s.completion for s in alone]
    assert [s.ends for s in steps] == [s.ends for s in alone]
    assert world.target.calls == []


@THOROUGH
@given(number=NUMBERS, limits=LIMITS, sampling=SAMPLINGS, ids=st.booleans())
def test_a_threshold_of_infinity_is_the_target_alone(
    number: int, limits: Limits, sampling: Sampling, ids: bool
) -> None:
    world = World(number, token_ids=ids)
    alone = run(collect(single(world.target, limits=limits, sampling=sampling)))
    steps = decode(world, math.inf, limits, sampling)
    assert [s.completion for s in steps if s.accepted] == [s.completion for s in alone]
    assert [s.ends for s in steps if s.accepted] == [s.ends for s in alone]


@THOROUGH
@given(number=NUMBERS, delta=DELTAS, limits=LIMITS)
def test_rewards_decide_and_every_index_is_accepted_once(
    number: int, delta: float, limits: Limits
) -> None:
    steps = decode(World(number), delta, limits)
    accepted = [s for s in steps if s.accepted]
    assert [s.index for s in accepted] == list(range(len(accepted)))
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.source == "target":
            assert step.accepted
            assert step.score is None
        else:
            assert step.reward is not None
            assert step.accepted == (step.reward >= delta)
        if not step.accepted:
            assert following is not None
            assert (following.index, following.source) == (step.index, "target")


@THOROUGH
@given(number=NUMBERS, delta=DELTAS, limits=LIMITS, ids=st.booleans())
def test_the_response_keeps_its_limits_and_ends_once(
    number: int, delta: float, limits: Limits, ids: bool
) -> None:
    steps = decode(World(number, token_ids=ids), delta, limits)
    assert steps[-1].accepted
    assert steps[-1].ends is not None
    assert [s.ends for s in steps[:-1]] == [None] * (len(steps) - 1)
    accepted = texts(steps)
    assert len(accepted) <= limits.max_steps
    assert not any(loops(accepted[:n], limits.max_repeats) for n in range(1, len(accepted)))
    tokens = [s.completion.usage.completion_tokens for s in steps if s.accepted]
    assert sum(tokens) <= limits.max_tokens
    for step in steps[1:]:
        usage = step.completion.usage
        if step.index > 0:
            assert usage.prompt_tokens + usage.completion_tokens <= limits.context
    if steps[-1].ends is StopReason.MAX_TOKENS:
        assert sum(tokens) == limits.max_tokens


@THOROUGH
@given(number=NUMBERS, delta=DELTAS, limits=LIMITS)
def test_a_prefix_by_token_ids_is_exactly_what_was_read_and_written(
    number: int, delta: float, limits: Limits
) -> None:
    world = World(number, token_ids=True)
    steps = [s for s in decode(world, delta, limits) if s.accepted]
    for before, step in pairwise(steps):
        was, now = before.completion, step.completion
        assert was.prompt_token_ids is not None
        assert was.token_ids is not None
        assert now.prompt_token_ids == was.prompt_token_ids + was.token_ids


@THOROUGH
@given(number=NUMBERS, delta=DELTAS, limits=LIMITS, sampling=SAMPLINGS)
def test_text_and_token_ids_give_the_same_response(
    number: int, delta: float, limits: Limits, sampling: Sampling
) -> None:
    by_text = decode(World(number), delta, limits, sampling)
    by_ids = decode(World(number, token_ids=True), delta, limits, sampling)
    assert [(s.text, s.accepted, s.ends) for s in by_text] == [
        (s.text, s.accepted, s.ends) for s in by_ids
    ]


@settings(max_examples=60, deadline=None)
@given(number=NUMBERS, delta=DELTAS, limits=LIMITS, order=st.permutations(range(12)))
def test_problems_decoded_together_come_out_as_alone(
    number: int, delta: float, limits: Limits, order: list[int]
) -> None:
    queries = [Query(prompt=f"Q{i}\n", question=f"Q{i}", seed=i) for i in range(len(order))]
    alone = [decode(World(number), delta, limits, WARM, query) for query in queries]

    async def together() -> list[list[Step]]:
        world = World(number, pauses=True)
        strategy = rsd(
            world.draft, world.target, world.scorer, delta=delta, limits=limits, sampling=WARM
        )
        return await asyncio.gather(*(collect(strategy, queries[i]) for i in order))

    assert run(together()) == [alone[i] for i in order]
