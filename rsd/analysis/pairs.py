"""Problems of two runs are the same if they ask the same question in the same task.

Ids are not compared: two files of a benchmark may use the same ids for different questions.
"""

from __future__ import annotations

from rsd.analysis.tables.labels import natural
from rsd.records import Key, RunRecord

Question = tuple[str, str, int]
"""(task, question, number). Problems of a task with the same question are numbered by id."""

Asked = tuple[Question, int]
"""A question, and the sample."""


def questions(run: RunRecord) -> dict[Key, Question]:
    """The question that each solution of `run` answers."""
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
    """The solutions of `run`, keyed by question and sample."""
    return {(question, key[2]): key for key, question in questions(run).items()}


def partners(run: RunRecord, other: RunRecord) -> dict[Key, Key]:
    """For each solution of `run`, the one in `other` with the same question and sample."""
    theirs = by_asked(other)
    ours = by_asked(run).items()
    return {key: theirs[asked] for asked, key in ours if asked in theirs}
