"""Exact checking of solution steps against a problem's structure."""

from __future__ import annotations

import re

from demo_family.problems import STEP_SEPARATOR, Problem, Step

EQUATION = re.compile(r"(?<![\d.])(\d+) ([-+*/]) (\d+) = (\d+)(?![\d.]*\d)")
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


class SolutionChecker:
    """Judges the steps of one solution in turn.

    A step is right if it holds exactly one equation and that equation is one of the problem's
    own, not used before, whose operands are known: they stand in the question or were computed
    by right steps. Factors and summands may be swapped. The boxed answer is right if it is the
    gold value and everything was computed; a step with a box has no equation. After a wrong step
    nothing is right any more: what follows builds on an error.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.done: set[int] = set()
        self.finished = False
        self.failed = False

    def check(self, text: str) -> bool:
        """Whether `text` is a right next step; remembers it for the steps after it."""
        self.failed = self.failed or self.finished or not self._accept(text)
        return not self.failed

    @property
    def expected(self) -> str:
        """The text of the next step in the order of the worked solution."""
        open_steps = [i for i in range(len(self.problem.steps)) if i not in self.done]
        return self.problem.step_texts[open_steps[0] if open_steps else -1]

    def _accept(self, text: str) -> bool:
        equations, boxes = EQUATION.findall(text), BOXED.findall(text)
        if boxes:
            self.finished = True
            everything = len(self.done) == len(self.problem.steps)
            return everything and not equations and boxes == [str(self.problem.gold)]
        if len(equations) != 1 or text.count("=") != 1:
            return False
        left, operator, right, result = equations[0]
        for index, step in enumerate(self.problem.steps):
            if index in self.done or not self.done.issuperset(step.needs):
                continue
            if result == str(step.result) and _same_operation(step, left, operator, right):
                self.done.add(index)
                return True
        return False


def _same_operation(step: Step, left: str, operator: str, right: str) -> bool:
    if operator != step.operator:
        return False
    operands = (str(step.left), str(step.right))
    return (left, right) == operands or (operator in "+*" and (right, left) == operands)


def check_steps(problem: Problem, steps: list[str]) -> list[bool]:
    """A verdict for each step of a solution, in order."""
    checker = SolutionChecker(problem)
    return [checker.check(step) for step in steps]


def is_solved(problem: Problem, response: str) -> bool:
    """Whether the last box of a response holds the gold value."""
    boxes = BOXED.findall(response)
    return bool(boxes) and boxes[-1] == str(problem.gold)


def split_steps(response: str) -> list[str]:
    return response.split(STEP_SEPARATOR)
