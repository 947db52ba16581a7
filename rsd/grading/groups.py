"""Which answers to one problem are the same: groups by equivalence, not by spelling.

Two answers are equivalent if the grader takes either for the other. Answers that a chain of
equivalent ones connects are one group, so that groups do not depend on the order of the answers.
The policies of grading by which one answer equals several different ones (`28%` both 28 and 0.28,
`52` both 52_8 and 52_9, `10/3` both 3.333 and 3.3333) are off here: they would join those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rsd.grading.pool import GraderPool
from rsd.grading.verdict import Options


async def group_answers(
    grader: GraderPool, answers: Iterable[str], task: str, choices: Sequence[str] = ()
) -> list[list[str]]:
    """The groups of `answers`, each answer once, in the order of each group's first answer.

    `choices` are the texts of the problem's options A, B, C ... A comparison that times out or
    crashes, also when it is repeated, joins nothing. Raises `GradingError`.
    """
    order = list(dict.fromkeys(answers))
    groups: list[list[str]] = []
    for answer in order:
        joined, apart = [answer], []
        for group in groups:
            if await _belongs(grader, answer, group, task, choices):
                joined += group
            else:
                apart.append(group)
        groups = [*apart, joined]
    ranked = [sorted(group, key=order.index) for group in groups]
    return sorted(ranked, key=lambda group: order.index(group[0]))


async def equivalent(
    grader: GraderPool, answer: str, other: str, task: str, choices: Sequence[str] = ()
) -> bool:
    """Whether two answers to a problem of `task` are the same, however they are written.

    `choices` are the texts of its options A, B, C ... Raises `GradingError`.
    """
    options = Options(
        percent_scale=False, omitted_base=False, rounded_gold=0, choices=tuple(choices)
    )
    for given, wanted in ((answer, other), (other, answer)):
        verdict = await grader.grade(rf"\boxed{{{given}}}", wanted, task, options=options)
        if verdict.correct:
            return True
    return False


async def _belongs(
    grader: GraderPool, answer: str, group: Iterable[str], task: str, choices: Sequence[str]
) -> bool:
    for member in group:
        if await equivalent(grader, answer, member, task, choices):
            return True
    return False
