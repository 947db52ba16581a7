"""The exact checker that labels the process reward model's training steps."""

from __future__ import annotations

import pytest
from demo_family.checking import check_steps, is_solved
from demo_family.problems import Problem, Step

# (3 * 4) + (2 * 5): two products in either order, then their sum.
PROBLEM = Problem(
    "Mia buys 3 pens for 4 coins each and 2 cups for 5 coins each. How many coins does she pay?",
    (
        Step(3, "*", 4, 12, "The pens cost 3 * 4 = 12 coins.", ()),
        Step(2, "*", 5, 10, "The cups cost 2 * 5 = 10 coins.", ()),
        Step(12, "+", 10, 22, "The sum is 12 + 10 = 22 coins.", (0, 1)),
    ),
    "shopping",
)
PENS, CUPS, SUM = (step.text for step in PROBLEM.steps)
ANSWER = "The answer is \\boxed{22}."


def test_steps_may_come_in_any_order_that_has_what_they_need() -> None:
    assert check_steps(PROBLEM, [CUPS, PENS, SUM, ANSWER]) == [True] * 4
    assert check_steps(PROBLEM, [PENS, SUM]) == [True, False]


def test_factors_and_summands_may_be_swapped() -> None:
    assert check_steps(PROBLEM, ["4 * 3 = 12.", CUPS, "10 + 12 = 22."]) == [True] * 3


@pytest.mark.parametrize(
    "step",
    [
        "The pens cost 3 * 4 = 13 coins.",
        "The pens cost 3 * 5 = 15 coins.",
        "The pens cost 3 + 4 = 7 coins.",
        "The pens cost 3 * 4 = 120 coins.",
        "The pens cost 13 * 4 = 12 coins.",
        "The pens cost 3 * 4 = 12 and 2 * 5 = 10 coins.",
        "The pens cost 3 * 4 = 12.5 coins.",
        "The pens cost 3 * 4 = 6 * 2 = 12 coins.",
        "The pens cost 12 coins.",
        ANSWER,
        "",
    ],
)
def test_a_wrong_first_step(step: str) -> None:
    assert check_steps(PROBLEM, [step]) == [False]


def test_nothing_is_right_after_a_wrong_step() -> None:
    assert check_steps(PROBLEM, ["3 * 4 = 13.", PENS, CUPS]) == [False] * 3


def test_an_equation_counts_once() -> None:
    assert check_steps(PROBLEM, [PENS, PENS]) == [True, False]


def test_the_box_must_hold_the_gold_value_and_end_the_solution() -> None:
    done = [PENS, CUPS, SUM]
    assert check_steps(PROBLEM, [*done, "The answer is \\boxed{23}."])[-1] is False
    assert check_steps(PROBLEM, [*done, "So 1 + 1 = 2, \\boxed{22}."])[-1] is False
    assert check_steps(PROBLEM, [*done, ANSWER, ANSWER]) == [True, True, True, True, False]


def test_the_last_box_decides_whether_a_problem_is_solved() -> None:
    assert is_solved(PROBLEM, "\\boxed{3}\n\n\\boxed{22}")
    assert not is_solved(PROBLEM, "22")
