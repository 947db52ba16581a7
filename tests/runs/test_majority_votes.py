"""The strategy `majority` and maj@k count the same votes, whatever is equivalent to what."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from rsd.grading import GraderPool, Options, extract_answer
from rsd.records import GradeRecord, TrajectoryRecord
from rsd.runs.groups import _grouped
from rsd.runs.strategies import GradedAnswers
from rsd.types import Query, StopReason

CHOICES = ("12 km", "15 km", "18 km", "21 km")
RESPONSES = {letter: f"The answer is ({letter})." for letter in "ABCD"} | {"": ""}

letters = st.sampled_from(sorted(RESPONSES))
relations = st.sets(st.tuples(letters, letters).map(frozenset), max_size=6)


class Related:
    """In place of the graders: two answers are equivalent if `relation` holds their pair."""

    def __init__(self, relation: set[frozenset[str]]) -> None:
        self.relation = relation

    async def grade(self, response: str, gold: str, task: str, *, options: Options) -> Any:
        assert options.choices == CHOICES
        answer = response.removeprefix(r"\boxed{").removesuffix("}")
        return SimpleNamespace(correct=frozenset((answer, gold)) in self.relation)


def stored_groups(grader: GraderPool, responses: list[str]) -> list[list[int]]:
    """The groups that maj@k counts, by sample."""
    grades = [
        GradeRecord(
            task="aqua",
            problem_id="1",
            sample=sample,
            prediction=extract_answer(response, "aqua", CHOICES),
            correct=False,
            correct_paper=False,
            how="letter",
        )
        for sample, response in enumerate(responses)
    ]
    trajectory = TrajectoryRecord(
        task="aqua",
        problem_id="1",
        question="How far?",
        gold="A",
        choices=CHOICES,
        response="",
        stop_reason=StopReason.EOS,
        steps=(),
        usage={},
        started_at=0,
        seconds=0,
    )
    groups: dict[int, list[int]] = {}
    for grade in asyncio.run(_grouped(grader, grades, trajectory)):
        if grade.group is not None:
            groups.setdefault(grade.group, []).append(grade.sample)
    return [groups[first] for first in sorted(groups)]


@given(st.lists(letters, min_size=1, max_size=8), relations)
def test_majority_and_maj_at_k_count_the_same_votes(
    answers: list[str], relation: set[frozenset[str]]
) -> None:
    grader = cast(GraderPool, Related(relation))
    responses = [RESPONSES[answer] for answer in answers]
    query = Query("", "How far?", task="aqua", choices=CHOICES)
    voted = asyncio.run(GradedAnswers(grader).grouped(responses, query))
    assert voted == stored_groups(grader, responses)
    turned = asyncio.run(GradedAnswers(grader).grouped(responses[::-1], query))
    last = len(responses) - 1
    assert sorted(sorted(last - i for i in group) for group in turned) == sorted(voted)
