"""What is raised while a run shows, counts or grades: it costs its problem at most."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cluster import PROBLEMS, Cluster

from rsd.errors import GradingError
from rsd.grading import GraderPool
from rsd.records import GRADES, RunRecord, TrajectoryRecord, read_run
from rsd.runs import counted, execute, runner, speculation
from rsd.runs.concurrency import AutoLimit, ConcurrencyLimiter
from rsd.runs.progress import Progress

DEFECTS = (OverflowError("int too large"), RecursionError("too deep"), OSError(5, "gone"))


def raising(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


def finished(cluster: Cluster, *overrides: str) -> RunRecord:
    config = cluster.config("tasks.limit=4", *overrides)
    return read_run(asyncio.run(execute(config)).directory)


def right(run: RunRecord) -> int:
    return sum(grade.correct is True for grade in run.grades.values())


@pytest.mark.parametrize("error", DEFECTS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Progress, "_count"),
        (Progress, "_summary"),
        (ConcurrencyLimiter, "count"),
        (counted, "look"),
        (speculation, "read_speculation"),
    ],
    ids=lambda it: it if isinstance(it, str) else it.__name__,
)
def test_what_is_shown_or_counted_costs_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception
) -> None:
    monkeypatch.setattr(owner, name, raising(error))
    run = finished(cluster)
    assert right(run) == 4
    assert not any(t.error for t in run.trajectories.values())


def test_what_steers_the_concurrency_costs_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsd.runs.concurrency.INTERVAL_S", 0.001)
    monkeypatch.setattr(AutoLimit, "observe", raising(OverflowError("int too large")))
    assert right(finished(cluster, "run.concurrency=auto")) == 4


@pytest.mark.parametrize("name", ["render", "derive", "decode_one"])
def test_what_makes_a_problem_costs_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The third call fails: the others are as they would be."""
    real, calls = getattr(runner, name), 0

    def third(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OverflowError("int too large")
        return real(*args, **kwargs)

    monkeypatch.setattr(runner, name, third)
    run = finished(cluster)
    (failed,) = [t for t in run.trajectories.values() if t.error]
    assert failed.error is not None
    assert failed.error.startswith("OverflowError: int too large, in test_defects.py:")
    assert right(run) == 3


def test_a_record_that_no_file_can_hold_costs_its_problem(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = TrajectoryRecord.of

    def with_half_a_character(trajectory: Any) -> TrajectoryRecord:
        record = of(trajectory)
        if record.problem_id != "p2" or record.error:
            return record
        return record.model_copy(update={"response": "\ud800"})

    monkeypatch.setattr(TrajectoryRecord, "of", with_half_a_character)
    run = finished(cluster)
    (failed,) = [t for t in run.trajectories.values() if t.error]
    assert (failed.problem_id, right(run)) == ("p2", 3)


def test_a_grader_that_fails_costs_its_problem(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade = GraderPool.grade

    async def graded(pool: GraderPool, response: str, gold: str, *args: Any, **kwargs: Any) -> Any:
        if gold == "26":
            raise RecursionError("too deep")
        return await grade(pool, response, gold, *args, **kwargs)

    monkeypatch.setattr(GraderPool, "grade", graded)
    run = finished(cluster)
    assert sorted(grade.how for grade in run.grades.values())[-1] == "crash"
    assert right(run) == 3


def test_without_a_grading_worker_grades_are_owed_and_no_answer_is_lost(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(GraderPool, "grade", raising(GradingError("no grading worker")))
        with pytest.raises(GradingError):  # tried once more when all is decoded
            finished(cluster)
    config = cluster.config("tasks.limit=4")
    assert len(read_run(config.directory).trajectories) == 4
    assert not (config.directory / GRADES).exists()
    assert right(finished(cluster)) == 4 < PROBLEMS
