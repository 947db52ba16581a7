"""Majority vote and best-of-n."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from decoding.worlds import PROMPT, WARM, World, built, collect, run, single, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.decoding import Limits, Rules
from rsd.decoding.seeds import derive
from rsd.decoding.strategies.sampling import BestOfN, MajorityVote
from rsd.kinds import AnswerKind
from rsd.protocols import Sampling
from rsd.testing import ScriptedGenerator, ScriptedScorer
from rsd.types import Query, Step, StopReason

SHORT = Limits(max_tokens=200, max_steps=4, max_repeats=5, context=1 << 20)
SEED = 7


def samples(*solutions: list[str]) -> ScriptedGenerator:
    """A model whose n-th sample of the problem with seed 7 is the n-th of `solutions`."""
    known = {}
    for number, solution in enumerate(solutions):
        for index in range(len(solution)):
            parts = (index, "draft", number) if number else (index, "draft")
            known[derive(SEED, *parts)] = "\n\n".join(solution[index:])

    def write(text: str, sampling: Sampling) -> str:
        assert sampling.seed is not None
        return known[sampling.seed]

    return ScriptedGenerator(write)


class Numbers:
    """Reads the number after "is"; 0.5 and 1/2 are the same. `asked` are the queries."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    async def grouped(self, responses: Sequence[str], query: Query) -> list[list[int]]:
        self.asked.append(query)
        groups: dict[str, list[int]] = {}
        for number, response in enumerate(responses):
            _, found, answer = response.rpartition("is ")
            if found:
                groups.setdefault(answer.replace("1/2", "0.5"), []).append(number)
        return list(groups.values())


def vote(*solutions: list[str], answers: Numbers | None = None) -> list[Step]:
    strategy = MajorityVote(
        samples(*solutions),
        answers or Numbers(),
        source="draft",
        candidates=len(solutions),
        rules=Rules(SHORT, WARM),
    )
    return run(collect(strategy, Query(PROMPT, "Q", seed=SEED, kind=AnswerKind.NUMBER)))


def test_equivalent_answers_vote_together_and_the_first_of_them_is_the_response() -> None:
    answers = Numbers()
    steps = vote(
        ["it is 2"], ["x", "it is 0.5"], ["it is 2"], ["so is 1/2"], ["is 1/2"], answers=answers
    )
    assert texts(steps) == ["x", "it is 0.5"]
    assert [(s.index, s.candidate, s.continues) for s in steps if s.accepted] == [
        (0, 1, None),
        (1, 1, None),
    ]
    assert [s.candidate for s in steps if not s.accepted] == [0, 2, 3, 4]
    assert [query.kind for query in answers.asked] == [AnswerKind.NUMBER]


def test_solutions_without_an_answer_do_not_vote() -> None:
    assert texts(vote(["no"], ["no"], ["it is 3"])) == ["it is 3"]
    assert texts(vote(["no"], ["nothing"])) == ["no"]


def test_of_equal_groups_the_earlier_wins() -> None:
    assert texts(vote(["is 1"], ["is 2"], ["is 2"], ["is 1"])) == ["is 1"]


def test_steps_of_lost_samples_continue_each_other_and_do_not_end_the_response() -> None:
    steps = vote(["a", "is 1"], ["b", "c", "is 2"], ["d", "is 1"])
    lost = [s for s in steps if not s.accepted]
    assert [(s.text, s.index, s.continues) for s in lost] == [
        ("b", 0, None),
        ("c", 1, 1),
        ("is 2", 2, 1),
        ("d", 0, None),
        ("is 1", 1, 2),
    ]
    assert {s.ends for s in lost} == {None}
    assert steps[-1].ends is StopReason.EOS


def test_best_of_n_takes_the_solution_that_the_reward_model_prefers() -> None:
    scorer = ScriptedScorer({"poor": 0.2, "good": 0.9, "fair": 0.5})
    writer = samples(["a", "poor"], ["b", "c", "good"], ["fair"])
    strategy = BestOfN(writer, scorer, source="draft", candidates=3, rules=Rules(SHORT, WARM))
    steps = run(collect(strategy, Query(PROMPT, "Q", seed=SEED)))
    assert texts(steps) == ["b", "c", "good"]
    assert {c.steps for c in scorer.calls} == {("a", "poor"), ("b", "c", "good"), ("fair",)}
    assert {s.text: s.reward for s in steps} == {
        "a": None,
        "poor": 0.2,
        "b": None,
        "c": None,
        "good": 0.9,
        "fair": 0.5,
    }


def test_rewards_below_zero_are_rewards_too() -> None:
    scorer = ScriptedScorer({"poor": -3.0, "fair": -1.0})
    strategy = BestOfN(
        samples(["poor"], ["fair"]),
        scorer,
        source="draft",
        candidates=2,
        rules=Rules(SHORT, WARM),
    )
    assert texts(run(collect(strategy, Query(PROMPT, "Q", seed=SEED)))) == ["fair"]


@pytest.mark.parametrize("name", ["majority", "best_of_n", "process_best_of_n", "beam"])
@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 10**6), writer=st.sampled_from(["draft", "target"]))
def test_one_candidate_is_a_single_sample(name: str, number: int, writer: str) -> None:
    world = World(number)
    alone = run(
        collect(single(getattr(world, writer), writer, limits=SHORT, sampling=WARM))  # type: ignore[arg-type]
    )
    steps = run(collect(built(world, name, limits=SHORT, candidates=1, writer=writer)))
    assert [(s.completion, s.ends) for s in steps] == [(s.completion, s.ends) for s in alone]
    assert all(step.accepted for step in steps)


@settings(max_examples=60, deadline=None)
@given(number=st.integers(0, 10**6), more=st.integers(1, 3))
def test_further_samples_leave_the_first_ones_as_they_are(number: int, more: int) -> None:
    few, many = (
        run(collect(built(World(number), "majority", limits=SHORT, candidates=n)))
        for n in (2, 2 + more)
    )

    def by_candidate(steps: list[Step]) -> set[tuple[int, int, str]]:
        return {(s.candidate, s.index, s.text) for s in steps if s.candidate < 2}

    assert by_candidate(few) == by_candidate(many)
