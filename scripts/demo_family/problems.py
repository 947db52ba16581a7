"""Word problems with a worked solution whose every step can be checked exactly.

A problem is a question and a list of arithmetic steps. A step knows which earlier steps its
operands come from, so that any order of work that respects those needs counts as right. The
stories themselves are in `stories.py` (one running quantity) and `compound_stories.py` (several
quantities that meet).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

STEP_SEPARATOR = "\n\n"
MAX_INTEGER = 9_999
LEVELS = range(2, 9)
LEVEL_WEIGHTS = (20, 24, 20, 14, 10, 7, 5)
LARGE_SHARE = 0.4

SPLITS = ("train", "validation", "test")
"""A question's hash decides its split, so no question can be in two of them."""


class DeadEnd(Exception):
    """The numbers drawn so far leave no way to finish the story; draw another one."""


@dataclass(frozen=True)
class Value:
    """A number in a story: given in the question (`step is None`) or the result of a step."""

    number: int
    step: int | None = None


@dataclass(frozen=True)
class Step:
    """One equation `left operator right = result` in a sentence; `needs` are earlier steps."""

    left: int
    operator: str
    right: int
    result: int
    text: str
    needs: tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """A question, its worked solution and where it came from; `level` counts the steps."""

    question: str
    steps: tuple[Step, ...]
    family: str

    @property
    def level(self) -> int:
        return len(self.steps)

    @property
    def gold(self) -> int:
        return self.steps[-1].result

    @property
    def step_texts(self) -> list[str]:
        """The solution as the models write it, the boxed answer last."""
        return [*(step.text for step in self.steps), f"The answer is \\boxed{{{self.gold}}}."]

    @property
    def solution(self) -> str:
        return STEP_SEPARATOR.join(self.step_texts)


def apply(left: int, operator: str, right: int) -> int:
    """The exact result of one operation on positive integers.

    Raises `DeadEnd` for a division with a remainder and for results outside 1..`MAX_INTEGER`.
    """
    if operator == "+":
        result = left + right
    elif operator == "-":
        result = left - right
    elif operator == "*":
        result = left * right
    elif operator == "/" and right > 0 and left % right == 0:
        result = left // right
    else:
        raise DeadEnd(f"{left} {operator} {right}")
    if not 1 <= result <= MAX_INTEGER:
        raise DeadEnd(f"{left} {operator} {right}")
    return result


@dataclass(frozen=True)
class Scale:
    """How large the numbers of one problem are: upper bounds of what is drawn, in units.

    On the large scale the unit is 10: the numbers of such a story are round.
    """

    unit: int
    opening: int
    summand: int
    price: int
    product: int
    result: int

    def draw(self, rng: random.Random, low: int, high: int) -> int:
        """A number of `low` to `high` units; raises `DeadEnd` if there is none."""
        if high < low:
            raise DeadEnd(f"no number from {low} to {high}")
        return rng.randint(low, high) * self.unit


SMALL = Scale(unit=1, opening=60, summand=40, price=25, product=99, result=149)
LARGE = Scale(unit=10, opening=60, summand=40, price=25, product=99, result=149)


class Story:
    """Collects the sentences and the steps of one problem while its story is told."""

    def __init__(self, rng: random.Random, family: str) -> None:
        self.rng = rng
        self.scale = LARGE if rng.random() < LARGE_SHARE else SMALL
        self.family = family
        self.sentences: list[str] = []
        self.steps: list[Step] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence[0].upper() + sentence[1:])

    def tell(self, sentence: str, left: Value, operator: str, right: Value) -> Value:
        """Say a sentence and add the step that repeats it and computes `left operator right`."""
        self.say(sentence)
        return self.compute(left, operator, right, sentence.removesuffix("."))

    def compute(self, left: Value, operator: str, right: Value, words: str) -> Value:
        """Add the step that computes `left operator right`; its text begins with `words`."""
        result = apply(left.number, operator, right.number)
        if result > self.scale.result * self.scale.unit:
            raise DeadEnd(f"{result} is too large")
        equation = f"{left.number} {operator} {right.number} = {result}"
        needs = tuple(value.step for value in (left, right) if value.step is not None)
        text = f"{words[0].upper()}{words[1:]}: {equation}."
        step = Step(left.number, operator, right.number, result, text, needs)
        self.steps.append(step)
        return Value(result, len(self.steps) - 1)

    def finish(self, question: str) -> Problem:
        self.say(question)
        return Problem(" ".join(self.sentences), tuple(self.steps), self.family)


Family = Callable[[random.Random, int], Problem]
"""Tells one story with the given number of steps; raises `DeadEnd` where the numbers fail."""


def draw_problem(rng: random.Random, families: dict[str, Family]) -> Problem:
    """One problem: a family drawn evenly, a level drawn by `LEVEL_WEIGHTS`."""
    family = families[rng.choice(tuple(families))]
    level = rng.choices(tuple(LEVELS), weights=LEVEL_WEIGHTS)[0]
    while True:
        try:
            problem = family(rng, level)
        except DeadEnd:
            continue
        if problem.level == level:
            return problem


def split_of(question: str) -> str:
    """The split that a question belongs to: about 1 in 16 test, 1 in 16 validation."""
    digest = hashlib.sha256(question.encode()).digest()[0] % 16
    return {0: "test", 1: "validation"}.get(digest, "train")


def problems_of_split(split: str, seed: int, families: dict[str, Family]) -> Iterator[Problem]:
    """An endless stream of different problems of one split, reproducible from `seed`."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r}: unknown; use one of {', '.join(SPLITS)}")
    rng = random.Random(f"{seed}:{split}")
    seen: set[bytes] = set()
    while True:
        problem = draw_problem(rng, families)
        key = hashlib.blake2b(problem.question.encode(), digest_size=8).digest()
        if split_of(problem.question) == split and key not in seen:
            seen.add(key)
            yield problem
