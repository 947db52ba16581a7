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
from rsd.kinds import AnswerKind


async def group_answers(
    grader: GraderPool, answers: Sequence[str | None], kind: AnswerKind, choices: Sequence[str] = ()
) -> list[list[int]]:
    """The positions of equivalent answers: each group ascending, and the groups in the order of
    their first members. None, no answer, is in no group.

    `choices` are the texts of the problem's options A, B, C ... A comparison that times out or
    crashes, also when it is repeated, joins nothing. Raises `GradingError`.
    """
    groups: list[list[str]] = []
    for answer in dict.fromkeys(answers):
        if answer is None:
            continue
        joined, apart = [answer], []
        for group in groups:
            if await _belongs(grader, answer, group, kind, choices):
                joined += group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return sorted([i for i, it in enumerate(answers) if it in group] for group in groups)


async def equivalent(
    grader: GraderPool, answer: str, other: str, kind: AnswerKind, choices: Sequence[str] = ()
) -> bool:
    """Whether two answers of a `kind` are the same, however they are written.

    `choices` are the texts of the problem's options A, B, C ... Raises `GradingError`.
    """
    options = Options(
        percent_scale=False, omitted_base=False, rounded_gold=0, choices=tuple(choices)
    )
    for given, wanted in ((answer, other), (other, answer)):
        verdict = await grader.grade(rf"\boxed{{{given}}}", wanted, "", kind=kind, options=options)
        if verdict.correct:
            return True
    return False


async def _belongs(
    grader: GraderPool, answer: str, group: Iterable[str], kind: AnswerKind, choices: Sequence[str]
) -> bool:
    for member in group:
        if await equivalent(grader, answer, member, kind, choices):
            return True
    return False
