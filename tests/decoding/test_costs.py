"""What `rsd.costs` charges for a decoding, against a count of its own over the token ids."""

from __future__ import annotations

from dataclasses import replace

from decoding.reference_costs import written_positions
from decoding.worlds import EVERY, QUERY, World, collect, one_of_every, rsd, run
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.costs import CostTotals, cost_totals
from rsd.decoding import Limits
from rsd.records import TrajectoryRecord
from rsd.types import Problem, Step, StopReason, Trajectory

NUMBERS = st.integers(0, 10**6)
NAMES = st.sampled_from(sorted(EVERY))
LIMITS = Limits(max_tokens=400, max_steps=4, max_repeats=5, context=1 << 20)
THOROUGH = settings(max_examples=80, deadline=None)


def decoded(name: str, number: int) -> tuple[list[Step], CostTotals]:
    world = World(number, token_ids=True, unlike=True)
    steps = run(collect(one_of_every(world, name, limits=LIMITS)))
    return steps, cost_totals(recorded(steps).steps)


def recorded(steps: list[Step]) -> TrajectoryRecord:
    problem = Problem("demo", "1", QUERY.question, gold="1")
    return TrajectoryRecord.of(Trajectory(problem, 0, tuple(steps), "", StopReason.EOS, 0.0, 0.0))


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_each_position_is_charged_once(name: str, number: int) -> None:
    steps, costs = decoded(name, number)
    assert costs.processed_draft == written_positions(steps, "draft")
    assert costs.processed_target == written_positions(steps, "target")


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_all_tokens_are_kept_or_rejected(name: str, number: int) -> None:
    steps, costs = decoded(name, number)
    drafted = [s for s in steps if s.source == "draft"]
    assert costs.draft_tokens_kept + costs.draft_tokens_rejected == sum(
        step.completion.usage.completion_tokens for step in drafted
    )
    kept = [s for s in steps if s.accepted]
    assert costs.response_tokens == sum(s.completion.usage.completion_tokens for s in kept)
    assert costs.reference == costs.response_tokens + steps[0].completion.usage.prompt_tokens


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_the_acceptance_rate_is_the_share_of_drafted_places(name: str, number: int) -> None:
    steps, costs = decoded(name, number)
    kept = {s.index: s.source for s in steps if s.accepted}
    drafted = {s.index for s in steps if s.source == "draft"} & kept.keys()
    by_draft = [index for index in drafted if kept[index] == "draft"]
    rate = len(by_draft) / len(drafted) if drafted else None
    assert costs.acceptance_rate == rate
    if name in ("draft", "majority", "process_best_of_n", "beam"):
        assert rate == 1.0


@THOROUGH
@given(name=NAMES, number=NUMBERS)
def test_the_reward_model_is_charged_between_the_new_and_the_whole_inputs(
    name: str, number: int
) -> None:
    steps, costs = decoded(name, number)
    scores = [s.score for s in steps if s.score is not None]
    assert costs.processed_prm_per_step == sum(score.usage.prompt_tokens for score in scores)
    own = sum(score.step_tokens for score in scores)
    assert own <= costs.processed_prm_once <= costs.processed_prm_per_step
    if name in ("process_best_of_n", "beam"):  # every step is scored: question and steps once
        assert costs.processed_prm_once == len(QUERY.question) + own


@THOROUGH
@given(number=NUMBERS, bursts=st.booleans())
def test_what_was_drafted_ahead_in_vain_is_charged_to_the_draft(number: int, bursts: bool) -> None:
    def costs(lookahead: int) -> tuple[World, CostTotals]:
        world = World(number, token_ids=True, unlike=True, pauses=True, bursts=bursts)
        strategy = rsd(world.draft, world.target, world.scorer, limits=LIMITS, lookahead=lookahead)
        return world, cost_totals(recorded(run(collect(strategy))).steps)

    (_, without), (world, ahead) = costs(0), costs(2)
    generated = sum(call.tokens for call in (*world.draft.stream_calls, *world.draft.calls))
    written = ahead.draft_tokens_kept + ahead.draft_tokens_rejected
    assert ahead.wasted_tokens == generated - written
    assert ahead.processed_draft == without.processed_draft + ahead.wasted_tokens
    assert replace(ahead, wasted_tokens=0, processed_draft=without.processed_draft) == without
