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
    answers = [grade.prediction for grade in grades]
    found = await group_answers(grader, answers, trajectory.task, trajectory.choices)
    numbers = {i: min(grades[k].sample for k in group) for group in found for i in group}
    return [g.model_copy(update={"group": numbers.get(i)}) for i, g in enumerate(grades)]
