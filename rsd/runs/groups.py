"""The groups of equal answers among the samples of a problem, in the grades of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rsd.grading import GraderPool, group_answers
from rsd.records import GradeRecord, TrajectoryRecord
from rsd.runs.store import RunStore


async def group_samples(store: RunStore, grader: GraderPool) -> None:
    """Give the grades of every problem with several samples their `group`, where one lacks it.

    Raises `StoreError`, and `GradingError` when no grading worker can be started.
    """
    problems: dict[tuple[str, str], list[GradeRecord]] = {}
    for grade in store.grades.values():
        problems.setdefault((grade.task, grade.problem_id), []).append(grade)
    owed = [grades for grades in problems.values() if _is_owed(grades)]
    if not owed:
        return
    regrouped = await asyncio.gather(
        *(_grouped(grader, grades, store.trajectories[grades[0].key]) for grades in owed)
    )
    changed = {grade.key: grade for grades in regrouped for grade in grades}
    store.replace_grades([changed.get(key, grade) for key, grade in store.grades.items()])


def _is_owed(grades: Sequence[GradeRecord]) -> bool:
    return len(grades) > 1 and any(g.group is None and g.prediction is not None for g in grades)


async def _grouped(
    grader: GraderPool, grades: Sequence[GradeRecord], trajectory: TrajectoryRecord
) -> list[GradeRecord]:
    """The grades of one problem with their groups; `trajectory` is of any of its samples."""
    members: dict[str, list[int]] = {}
    for grade in grades:
        if grade.prediction is not None:
            members.setdefault(grade.prediction, []).append(grade.sample)
    groups = await group_answers(grader, members, trajectory.task, trajectory.choices)
    numbers: dict[str | None, int] = {
        answer: min(sample for member in group for sample in members[member])
        for group in groups
        for answer in group
    }
    return [g.model_copy(update={"group": numbers.get(g.prediction)}) for g in grades]
