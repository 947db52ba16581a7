"""The generator: exact solutions, bounds, reproducible and disjoint splits."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from demo_family.checking import check_steps, is_solved
from demo_family.compound_stories import FAMILIES
from demo_family.problems import (
    LEVELS,
    MAX_INTEGER,
    SPLITS,
    DeadEnd,
    Problem,
    apply,
    draw_problem,
    problems_of_split,
    split_of,
)
from hypothesis import given
from hypothesis import strategies as st

problems = st.integers(0, 2**32).map(lambda seed: draw_problem(random.Random(seed), FAMILIES))


@given(problems)
def test_every_step_evaluates_exactly_within_bounds(problem: Problem) -> None:
    assert problem.level in LEVELS
    for index, step in enumerate(problem.steps):
        assert apply(step.left, step.operator, step.right) == step.result
        assert min(step.left, step.right, step.result) >= 1
        assert max(step.left, step.right, step.result) <= MAX_INTEGER
        assert all(need < index for need in step.needs)
        assert f"{step.left} {step.operator} {step.right} = {step.result}" in step.text


@given(problems)
def test_operands_come_from_the_question_or_from_earlier_steps(problem: Problem) -> None:
    for step in problem.steps:
        known = {problem.steps[need].result for need in step.needs}
        for operand in (step.left, step.right):
            assert operand in known or str(operand) in problem.question


@given(problems)
def test_the_worked_solution_passes_the_checker(problem: Problem) -> None:
    assert all(check_steps(problem, problem.step_texts))
    assert is_solved(problem, problem.solution)


@given(problems)
def test_texts_are_tidy_sentences(problem: Problem) -> None:
    assert problem.question.endswith("?")
    for text in (problem.question, *problem.step_texts):
        assert text == " ".join(text.split())
        assert "{" not in text.replace("\\boxed{", "")
        assert text[0].isupper() or text[0].isdigit()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("level", LEVELS)
def test_every_family_tells_stories_of_every_level(family: str, level: int) -> None:
    rng = random.Random(f"{family}:{level}")
    for _ in range(2_000):
        try:
            problem = FAMILIES[family](rng, level)
        except DeadEnd:
            continue
        if problem.level == level:
            assert problem.family == family
            return
    pytest.fail(f"{family} tells no story of {level} steps")


def test_splits_are_reproducible_and_disjoint() -> None:
    first = {split: list(islice(problems_of_split(split, 3, FAMILIES), 150)) for split in SPLITS}
    again = {split: list(islice(problems_of_split(split, 3, FAMILIES), 150)) for split in SPLITS}
    assert first == again
    questions = [problem.question for split in SPLITS for problem in first[split]]
    assert len(set(questions)) == len(questions)
    for split in SPLITS:
        assert {split_of(problem.question) for problem in first[split]} == {split}


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match="'dev': unknown"):
        next(problems_of_split("dev", 0, FAMILIES))


@pytest.mark.parametrize(
    ("left", "operator", "right"), [(7, "/", 2), (3, "-", 3), (3, "-", 8), (5_000, "*", 2)]
)
def test_inexact_or_unbounded_results_are_dead_ends(left: int, operator: str, right: int) -> None:
    with pytest.raises(DeadEnd):
        apply(left, operator, right)
