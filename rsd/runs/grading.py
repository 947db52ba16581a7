"""Grades the solutions of a run, groups equal answers of a problem's samples, and grades again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence

from rsd.config import Config
from rsd.errors import GradingError
from rsd.grading import GraderPool, Options, Verdict, group_answers
from rsd.patience import cut, cuts
from rsd.records import FAILED, CutGradeRecord, GradeRecord, Key, TrajectoryRecord
from rsd.runs.store import RunStore

log = logging.getLogger(__name__)


async def grade_record(grader: GraderPool, record: TrajectoryRecord) -> GradeRecord:
    """Grade one trajectory against its gold answer and choices.

    A failed trajectory is wrong, with `how` FAILED. If the grader itself fails, the verdict is
    undecided. Raises `GradingError`.
    """
    if record.error is not None:
        verdict = Verdict(None, False, False, how=FAILED)
    else:
        options = Options(choices=record.choices)
        try:
            verdict = await grader.grade(
                record.response, record.gold, record.task, kind=record.kind, options=options
            )
        except GradingError:
            raise
        except Exception as failure:
            log.warning("%s/%s: the grader failed: %r", record.task, record.problem_id, failure)
            verdict = Verdict(None, False, False, how="crash", how_paper="crash")
    return GradeRecord(
        task=record.task,
        problem_id=record.problem_id,
        sample=record.sample,
        prediction=verdict.prediction,
        correct=verdict.correct,
        correct_paper=verdict.correct_paper,
        how=verdict.how,
        how_paper=verdict.how_paper,
        gold=record.gold,
        choices=record.choices,
        kind=record.kind,
    )


async def grade_pending(
    store: RunStore, grader: GraderPool, outdated: Collection[Key] = ()
) -> None:
    """Grade each solution that has no grade or an `outdated` one, and try again where grading was
    cut off."""
    known = {key: grade for key, grade in store.grades.items() if key not in outdated}
    pending = [t for key, t in store.trajectories.items() if _is_pending(known.get(key))]
    for grade in await _grade_all(pending, grader):
        earlier = known.get(grade.key)
        if (better := grade.keeping(earlier)) != earlier:
            store.append(better)


async def grade_again(store: RunStore, grader: GraderPool, outdated: Collection[Key]) -> None:
    """Grade every solution and replace all grades. An earlier verdict stays where grading is cut
    off now, unless it is `outdated`."""
    known = {key: grade for key, grade in store.grades.items() if key not in outdated}
    graded = await _grade_all(store.trajectories.values(), grader)
    store.replace_grades(grade.keeping(known.get(grade.key)) for grade in graded)


async def grade_cut(
    config: Config, store: RunStore, grader: GraderPool, *, again: bool = False
) -> None:
    """Grade the solutions that patience cuts (profile `paper`): those without a verdict, or all
    `again`."""
    if config.decoding.profile != "paper":
        return

    async def grade(key: Key, steps: int) -> CutGradeRecord:
        earlier, trajectory = store.cut_grades.get(key), store.trajectories[key]
        if earlier is not None and not _is_of(earlier, trajectory, steps):
            earlier = None
        if earlier is not None and not again and not _is_pending(earlier):
            return earlier
        record = await grade_record(grader, cut(trajectory, steps))
        return CutGradeRecord(**record.keeping(earlier).model_dump(), steps=steps)

    found = cuts(store.trajectories.values())
    graded = await asyncio.gather(*(grade(key, steps) for key, steps in found.items()))
    store.replace_cut_grades(graded)


async def group_samples(store: RunStore, grader: GraderPool) -> None:
    """Give the grades of every problem with several samples their `group`, where one lacks it.

    Raises `StoreError`, and `GradingError` when no grading worker can be started.
    """
    problems: dict[tuple[str, str], list[GradeRecord]] = {}
    for grade in store.grades.values():
        problems.setdefault((grade.task, grade.problem_id), []).append(grade)
    ungrouped = [grades for grades in problems.values() if _lacks_group(grades)]
    if not ungrouped:
        return
    grouped = await asyncio.gather(
        *(_grouped(grader, grades, store.trajectories[grades[0].key]) for grades in ungrouped)
    )
    changed = {grade.key: grade for grades in grouped for grade in grades}
    store.replace_grades([changed.get(key, grade) for key, grade in store.grades.items()])


def _lacks_group(grades: Sequence[GradeRecord]) -> bool:
    return len(grades) > 1 and any(g.group is None and g.prediction is not None for g in grades)


async def _grouped(
    grader: GraderPool, grades: Sequence[GradeRecord], trajectory: TrajectoryRecord
) -> list[GradeRecord]:
    """The grades of one problem with their groups; `trajectory` is of any of its samples."""
    answers = [grade.prediction for grade in grades]
    found = await group_answers(grader, answers, trajectory.kind, trajectory.choices)
    numbers = {i: min(grades[k].sample for k in group) for group in found for i in group}
    return [g.model_copy(update={"group": numbers.get(i)}) for i, g in enumerate(grades)]


def _is_of(earlier: CutGradeRecord, trajectory: TrajectoryRecord, steps: int) -> bool:
    """Whether `earlier` grades the first `steps` steps against the present gold answer."""
    against = (earlier.gold, earlier.choices)
    return earlier.steps == steps and against == (trajectory.gold, trajectory.choices)


def _is_pending(grade: GradeRecord | None) -> bool:
    return grade is None or grade.undecided or grade.undecided_paper


async def _grade_all(records: Iterable[TrajectoryRecord], grader: GraderPool) -> list[GradeRecord]:
    return await asyncio.gather(*(grade_record(grader, record) for record in records))
