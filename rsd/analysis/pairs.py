"""Which problems of two runs are the same: those that ask the same question of the same task.

Ids do not tell: two files of a benchmark may use the same ones for other questions.
"""

from __future__ import annotations

from rsd.analysis.tables.labels import natural
from rsd.records import Key, RunRecord

Question = tuple[str, str, int]
"""(task, question, number): problems of a task that ask the same are numbered by their ids."""

Asked = tuple[Question, int]
"""A question, and the sample."""


def questions(run: RunRecord) -> dict[Key, Question]:
    """What each solution of `run` answers."""
    asking: dict[tuple[str, str], set[str]] = {}
    for record in run.trajectories.values():
        asking.setdefault((record.task, record.question), set()).add(record.problem_id)
    numbers = {
        (task, problem_id): number
        for (task, _), ids in asking.items()
        for number, problem_id in enumerate(sorted(ids, key=natural))
    }
    return {
        key: (record.task, record.question, numbers[key[:2]])
        for key, record in run.trajectories.items()
    }


def by_asked(run: RunRecord) -> dict[Asked, Key]:
    """The solutions of `run` by what they answer."""
    return {(question, key[2]): key for key, question in questions(run).items()}


def partners(run: RunRecord, other: RunRecord) -> dict[Key, Key]:
    """For each solution of `run`, that of `other` to the same question and of the same sample."""
    theirs = by_asked(other)
    ours = by_asked(run).items()
    return {key: theirs[asked] for asked, key in ours if asked in theirs}
