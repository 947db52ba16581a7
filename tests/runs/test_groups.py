"""Samples of a problem grouped by what they answer."""

from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cluster import PROBLEMS, Cluster
from hypothesis import given
from hypothesis import strategies as st

from rsd.analysis import analyze
from rsd.grading import GraderPool, Options, extract_answer
from rsd.grading.groups import equivalent
from rsd.kinds import AnswerKind
from rsd.records import GRADES, GradeRecord, TrajectoryRecord, read_lines, read_run
from rsd.runs import execute, regrade
from rsd.runs.grading import _grouped, group_samples
from rsd.runs.store import RunStore
from rsd.runs.strategies import GradedAnswers
from rsd.types import Query, StopReason

SAMPLED = ("decoding.samples=3", "decoding.temperature=0.7")


def solution(sample: int, task: str, choices: tuple[str, ...] = ()) -> TrajectoryRecord:
    return TrajectoryRecord(
        task=task,
        problem_id="1",
        sample=sample,
        question="?",
        gold="1",
        choices=choices,
        response="",
        stop_reason=StopReason.EOS,
        steps=(),
        usage={},
        started_at=0,
        seconds=0,
    )


def grade(sample: int, task: str, prediction: str | None) -> GradeRecord:
    return GradeRecord(
        task=task,
        problem_id="1",
        sample=sample,
        prediction=prediction,
        correct=False,
        correct_paper=False,
        how="number",
    )


def groups_of(
    cluster: Cluster, answers: list[str | None], task: str, choices: tuple[str, ...] = ()
) -> list[int | None]:
    """The stored groups of samples with `answers`, in a run directory of its own."""
    config = cluster.config(*SAMPLED)
    with RunStore(config, config.directory) as store, GraderPool(workers=1) as grader:
        for sample, answer in enumerate(answers):
            store.append(solution(sample, task, choices))
            store.append(grade(sample, task, answer))
        asyncio.run(group_samples(store, grader))
    stored = {g.sample: g.group for g in read_lines(config.directory / GRADES, GradeRecord)}
    return [stored[sample] for sample in range(len(answers))]


def test_answers_are_grouped_by_value_under_their_lowest_sample(cluster: Cluster) -> None:
    answers = ["7", r"\frac{1}{2}", None, "0.5", "8", r"\frac12", "7.0", None]
    assert groups_of(cluster, answers, "math500") == [0, 1, None, 1, 4, 1, 0, None]


def test_options_of_a_choice_and_their_texts_are_one(cluster: Cluster) -> None:
    answers = ["B", "(B)", "Paris", "A"]
    assert groups_of(cluster, answers, "mmlu_stem", ("Rome", "Paris")) == [0, 0, 0, 3]


def test_a_single_answer_is_a_group_and_none_at_all_are_none(cluster: Cluster) -> None:
    assert groups_of(cluster, [None, "7", None], "math500") == [None, 1, None]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_no_order_of_samples_joins_what_another_keeps_apart(
    cluster: Cluster, order: tuple[int, ...]
) -> None:
    # In grading, 28% is right for 28 and for 0.28; here it must not make these two one.
    answers = ["28", r"28\%", "0.28"]
    groups = groups_of(cluster, [answers[i] for i in order], "math500")
    by_answer = [groups[order.index(i)] for i in range(3)]
    assert by_answer[0] == by_answer[1] != by_answer[2]


def test_equivalence_is_the_same_both_ways() -> None:
    pairs = [
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x=3", "3"),
        ("1,2", "2,1"),
        ("(1,2)", "(2,1)"),
        ("", "1"),
    ]

    async def ask() -> list[tuple[bool, bool]]:
        async with GraderPool(workers=1) as grader:
            return [
                (
                    await equivalent(grader, a, b, AnswerKind.MATH),
                    await equivalent(grader, b, a, AnswerKind.MATH),
                )
                for a, b in pairs
            ]

    verdicts = asyncio.run(ask())
    assert [there for there, _ in verdicts] == [True, True, True, False, False]
    assert all(there == back for there, back in verdicts)


def test_a_run_with_samples_stores_groups_and_has_a_vote(cluster: Cluster) -> None:
    config = cluster.config(*SAMPLED)
    directory = asyncio.run(execute(config)).directory
    grades = read_run(directory).grades
    assert all((g.group is None) == (g.prediction is None) for g in grades.values())
    assert all(g.group is None or g.group <= g.sample for g in grades.values())
    samples = analyze(read_run(directory)).metrics.overall.samples
    assert samples is not None
    assert samples.problems == PROBLEMS
    assert samples.maj_at_k is not None

    lines = [g.model_copy(update={"group": None}).model_dump_json() for g in grades.values()]
    (directory / GRADES).write_text("".join(f"{line}\n" for line in lines))
    assert asyncio.run(execute(config)).failed == 0
    assert read_run(directory).grades == grades  # as after a kill before the last act
    asyncio.run(regrade(config, directory))
    assert read_run(directory).grades == grades


def test_a_run_of_single_solutions_has_no_groups(cluster: Cluster) -> None:
    directory = asyncio.run(execute(cluster.config())).directory
    assert {g.group for g in read_run(directory).grades.values()} == {None}


CHOICES = ("12 km", "15 km", "18 km", "21 km")
RESPONSES = {letter: f"The answer is ({letter})." for letter in "ABCD"} | {"": ""}

letters = st.sampled_from(sorted(RESPONSES))
relations = st.sets(st.tuples(letters, letters).map(frozenset), max_size=6)


class Related:
    """In place of the graders: two answers are equivalent if `relation` holds their pair."""

    def __init__(self, relation: set[frozenset[str]]) -> None:
        self.relation = relation

    async def grade(
        self, response: str, gold: str, task: str, *, kind: AnswerKind, options: Options
    ) -> Any:
        assert (kind, options.choices) == (AnswerKind.CHOICE, CHOICES)
        answer = response.removeprefix(r"\boxed{").removesuffix("}")
        return SimpleNamespace(correct=frozenset((answer, gold)) in self.relation)


def stored_groups(grader: GraderPool, responses: list[str]) -> list[list[int]]:
    """The groups that maj@k counts, by sample."""
    read = [extract_answer(response, "aqua", CHOICES) for response in responses]
    grades = [grade(sample, "aqua", answer) for sample, answer in enumerate(read)]
    groups: dict[int, list[int]] = {}
    for grouped in asyncio.run(_grouped(grader, grades, solution(0, "aqua", CHOICES))):
        if grouped.group is not None:
            groups.setdefault(grouped.group, []).append(grouped.sample)
    return [groups[first] for first in sorted(groups)]


@given(st.lists(letters, min_size=1, max_size=8), relations)
def test_majority_and_maj_at_k_count_the_same_votes(
    answers: list[str], relation: set[frozenset[str]]
) -> None:
    grader = cast(GraderPool, Related(relation))
    responses = [RESPONSES[answer] for answer in answers]
    query = Query("", "How far?", kind=AnswerKind.CHOICE, choices=CHOICES)
    voted = asyncio.run(GradedAnswers(grader).grouped(responses, query))
    assert voted == stored_groups(grader, responses)
    turned = asyncio.run(GradedAnswers(grader).grouped(responses[::-1], query))
    last = len(responses) - 1
    assert sorted(sorted(last - i for i in group) for group in turned) == sorted(voted)
