"""What a run does about verdicts that grading did not reach, and about those that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from cluster import Cluster

from rsd.config import Config
from rsd.grading import GraderPool, Verdict
from rsd.records import GRADES, GradeRecord, Key, read_run
from rsd.runs import execute, regrade

Again = Callable[[Config], object]


def resume(config: Config) -> object:
    return asyncio.run(execute(config))


def grade_again(config: Config) -> object:
    return asyncio.run(regrade(config, config.directory))


def stored(config: Config) -> dict[Key, GradeRecord]:
    return read_run(config.directory).grades


@pytest.fixture
def config(cluster: Cluster) -> Config:
    """A run, all of whose solutions are graded."""
    config = cluster.config()
    resume(config)
    return config


def write_grades(directory: Path, grades: list[GradeRecord]) -> None:
    lines = (f"{grade.model_dump_json()}\n" for grade in grades)
    (directory / GRADES).write_text("".join(lines))


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no grading come to a verdict."""

    async def late(self: GraderPool, response: str, *_: object, **__: object) -> Verdict:
        answer = response.rpartition("{")[2].partition("}")[0]
        return Verdict(answer, False, False, "timeout", "timeout")

    monkeypatch.setattr(GraderPool, "grade", late)


@pytest.mark.parametrize("again", [resume, grade_again])
def test_undecided_verdicts_are_tried_again(config: Config, again: Again) -> None:
    whole = stored(config)
    lost = {"correct": False, "how": "timeout"}, {"correct_paper": False, "how_paper": "crash"}
    first, second, *others = whole.values()
    changed = [it.model_copy(update=keys) for it, keys in zip((first, second), lost, strict=True)]
    write_grades(config.directory, [*changed, *others])
    again(config)
    assert stored(config) == whole


@pytest.mark.parametrize("again", [resume, grade_again])
def test_a_grading_that_is_cut_off_takes_no_verdict_back(
    config: Config, monkeypatch: pytest.MonkeyPatch, again: Again
) -> None:
    whole = stored(config)
    half = [it.model_copy(update={"correct": False, "how": "timeout"}) for it in whole.values()]
    write_grades(config.directory, half)
    before = (config.directory / GRADES).read_bytes()
    cut_off(monkeypatch)
    again(config)
    assert stored(config) == {grade.key: grade for grade in half}
    assert all(grade.correct_paper for grade in half if whole[grade.key].correct)
    if again is resume:  # what is not better than it was is not written down
        assert (config.directory / GRADES).read_bytes() == before


def test_a_grade_of_other_text_is_not_kept(config: Config) -> None:
    grade = next(iter(stored(config).values()))
    late = grade.model_copy(update={"correct": False, "how": "timeout", "prediction": "another"})
    assert late.keeping(grade) == late
    assert late.keeping(None) == late
    assert grade.keeping(late) == grade
