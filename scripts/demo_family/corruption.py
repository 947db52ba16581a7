"""Worked solutions with one step spoiled: unlimited practice in finding errors.

The process reward model learns first on these, where the error is known by construction, and
then on what draft and target really wrote.
"""

from __future__ import annotations

import random
import re

from tokenizers import Tokenizer

from demo_family.checking import check_steps
from demo_family.labelling import LabelledSolution, tokens_before_error
from demo_family.problems import DeadEnd, Problem, apply

WORKED = "worked"


def worked_solution(
    rng: random.Random, tokenizer: Tokenizer, problem: Problem, spoiled_share: float
) -> LabelledSolution:
    """The problem's solution, or with probability `spoiled_share` one that ends in an error."""
    texts = problem.step_texts
    verdicts = [True] * len(texts)
    expected = texts[-1]
    if rng.random() < spoiled_share:
        index = rng.randrange(len(texts))
        expected, texts = texts[index], [*texts[:index], spoil(rng, problem, index)]
        verdicts = check_steps(problem, texts)
    steps = [tuple(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts)]
    first_errors = [len(step) for step in steps]
    if not verdicts[-1]:
        first_errors[-1] = tokens_before_error(steps[-1], tokenizer.encode(expected).ids)
    return LabelledSolution(
        problem.question, tuple(steps), tuple(verdicts), tuple(first_errors), (WORKED,) * len(steps)
    )


def spoil(rng: random.Random, problem: Problem, index: int) -> str:
    """A text in the place of step `index` that is usually wrong, in the ways models err."""
    if index == problem.level:
        return f"The answer is \\boxed{{{_other_number(rng, problem, problem.gold)}}}."
    step, kind = problem.steps[index], rng.random()
    words = step.text.rsplit(":", 1)[0]
    if kind < 0.15:
        later = problem.step_texts[index + 1 :]
        return rng.choice([*later, f"The answer is \\boxed{{{step.left}}}."])
    left, operator, right = step.left, step.operator, step.right
    result = near_miss(rng, step.result)
    if kind < 0.4:
        if kind < 0.23:
            left = _other_number(rng, problem, left)
        elif kind < 0.31:
            right = _other_number(rng, problem, right)
        else:
            operator = rng.choice([other for other in "+-*/" if other != operator])
        result = _result_or(left, operator, right, result)
    return f"{words}: {left} {operator} {right} = {result}."


def near_miss(rng: random.Random, number: int) -> int:
    """A wrong number that looks like `number`: a digit off, a carry off, or the like."""
    text, unit = str(number), 10 if number % 10 == 0 and number >= 100 else 1
    kind = rng.random()
    if kind < 0.4:
        place = rng.randrange(len(text) - (1 if unit == 10 else 0))
        other = text[:place] + rng.choice("0123456789") + text[place + 1 :]
        found = int(other)
    elif kind < 0.9:
        found = number + rng.choice((-10, 10, -1, 1, -2, 2, -20, 20, 100, -100)) * unit
    else:
        found = number // 10 if rng.random() < 0.5 else number * 10
    return found if found > 0 and found != number else number + 10 * unit


def _other_number(rng: random.Random, problem: Problem, number: int) -> int:
    """Another number of the problem, or one that looks like `number`."""
    stated = [int(found) for found in re.findall(r"\d+", problem.question)]
    known = {*stated, *(step.result for step in problem.steps)} - {number}
    return rng.choice(sorted(known)) if known and rng.random() < 0.7 else near_miss(rng, number)


def _result_or(left: int, operator: str, right: int, otherwise: int) -> int:
    try:
        return apply(left, operator, right)
    except DeadEnd:
        return otherwise
