"""Groups of equivalent answers to one problem.

Two answers are equivalent if the grader accepts one with the other as gold. A chain of equivalent
answers is one group, so groups do not depend on the order of the answers. Policies by which an
answer equals several different ones are off (`28%` is 28 and 0.28, `52` is 52_8 and 52_9, `10/3` is
3.333 and 3.3333): they would merge those.
"""

from __future__ import annotations

from collections.abc import Sequence

from rsd.grading.verdict import Options
from rsd.grading.workers.pool import GraderPool
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
            for member in group:
                if await equivalent(grader, answer, member, kind, choices):
                    joined += group
                    break
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
