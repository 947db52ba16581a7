"""The outcome of one problem: the verdict of its grade, or why it has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from statistics import fmean

from rsd.records import GradeRecord, Key, RunRecord, TrajectoryRecord
from rsd.types import StopReason

CUT = (StopReason.MAX_TOKENS, StopReason.MAX_STEPS, StopReason.CONTEXT, StopReason.REPETITION)
"""The rules that end a solution before its model does."""


class Outcome(StrEnum):
    """All but UNGRADABLE and UNGRADED are part of the accuracy. FAILED and UNDECIDED count as not
    right, and are counted apart: a problem that a server lost was not solved, and an answer that
    the grader did not finish was not found right. A failed problem whose gold answer cannot be
    read is UNGRADABLE."""

    RIGHT = "right"
    WRONG = "wrong"
    FAILED = "failed"  # decoding ended with an error
    UNDECIDED = "undecided"  # grading timed out or crashed; `rsd grade` tries again
    UNGRADABLE = "ungradable"  # the grader cannot read the gold answer
    UNGRADED = "not graded"  # killed before grading; `rsd grade` grades it

    @property
    def counts(self) -> bool:
        """Whether the outcome is part of the accuracy."""
        return self not in (Outcome.UNGRADABLE, Outcome.UNGRADED)


def failed(trajectory: TrajectoryRecord) -> bool:
    """Whether decoding ended with an error."""
    return trajectory.error is not None or trajectory.stop_reason is StopReason.ERROR


def cut_shares(finished: Sequence[TrajectoryRecord]) -> dict[StopReason, float]:
    """For each rule of `CUT`, the share of `finished` that it ended, in [0, 1]; empty if there are
    no finished solutions."""
    counts = Counter(trajectory.stop_reason for trajectory in finished)
    return {rule: counts[rule] / len(finished) for rule in CUT if finished}


def disturbed(trajectory: TrajectoryRecord) -> bool:
    """Whether retries or waiting for a lost server made it take longer."""
    return trajectory.retries > 0 or trajectory.lost_seconds > 0


def outcome(trajectory: TrajectoryRecord, grade: GradeRecord | None) -> Outcome:
    """The outcome under the default grader."""
    if grade is not None and grade.correct is None:
        return Outcome.UNGRADABLE
    if failed(trajectory):
        return Outcome.FAILED
    if grade is None:
        return Outcome.UNGRADED
    if grade.undecided:
        return Outcome.UNDECIDED
    return Outcome.RIGHT if grade.correct else Outcome.WRONG


def outcome_paper(trajectory: TrajectoryRecord, grade: GradeRecord | None) -> Outcome:
    """The outcome under the published program's grader, which finds every gold gradable."""
    if failed(trajectory):
        return Outcome.FAILED
    if grade is None:
        return Outcome.UNGRADED
    if grade.undecided_paper:
        return Outcome.UNDECIDED
    return Outcome.RIGHT if grade.correct_paper else Outcome.WRONG


def verdicts_by_problem(outcomes: Iterable[tuple[Key, Outcome]]) -> list[list[bool]]:
    """Right or not, for the samples of each problem that count; problems without any are left
    out."""
    problems: dict[tuple[str, str], list[bool]] = {}
    for key, it in outcomes:
        if it.counts:
            problems.setdefault(key[:2], []).append(it is Outcome.RIGHT)
    return list(problems.values())


def share_right(outcomes: Iterable[tuple[Key, Outcome]]) -> float | None:
    """The accuracy: the mean over problems of the share of their samples that is right, which is
    avg@k of k samples. None if no outcome counts."""
    problems = verdicts_by_problem(outcomes)
    return fmean(map(fmean, problems)) if problems else None


def verdicts(run: RunRecord) -> dict[Key, bool]:
    """Right or not, for every solution of `run` that counts; not right if a server or the grader
    failed."""
    return {key: it is Outcome.RIGHT for key, it in _outcomes(run).items() if it.counts}


def decided(run: RunRecord) -> dict[Key, bool]:
    """Right or wrong, for every solution of `run` that the grader judged. Failed and undecided
    ones are left out: they say nothing about rewards."""
    judged = (Outcome.RIGHT, Outcome.WRONG)
    return {key: it is Outcome.RIGHT for key, it in _outcomes(run).items() if it in judged}


def _outcomes(run: RunRecord) -> dict[Key, Outcome]:
    return {key: outcome(t, run.grades.get(key)) for key, t in run.trajectories.items()}
