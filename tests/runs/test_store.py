from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from rsd.config import Config, load
from rsd.errors import ConfigError, StoreError
from rsd.records import (
    FAILED,
    GRADES,
    TRAJECTORIES,
    GradeRecord,
    TrajectoryRecord,
    read_current,
    read_lines,
)
from rsd.runs.store import RunStore
from rsd.types import StopReason

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


@pytest.fixture
def config() -> Config:
    return load(DEMO)


def trajectory(problem_id: str, error: str | None = None) -> TrajectoryRecord:
    return TrajectoryRecord(
        task="demo",
        problem_id=problem_id,
        question="q",
        gold="1",
        response="r\u2028\nsecond line",
        stop_reason=StopReason.ERROR if error else StopReason.EOS,
        steps=(),
        usage={},
        started_at=0.0,
        seconds=1.0,
        error=error,
    )


def grade(problem_id: str, how: str = "box/string") -> GradeRecord:
    return GradeRecord(
        task="demo",
        problem_id=problem_id,
        prediction="1",
        correct=True,
        correct_paper=True,
        how=how,
    )


def ids(store: RunStore) -> list[str]:
    return [key[1] for key in store.trajectories]


def test_appended_records_are_on_disk_at_once(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
        store.append(grade("a"))
        assert list(read_lines(tmp_path / TRAJECTORIES, TrajectoryRecord)) == [trajectory("a")]
        assert list(read_lines(tmp_path / GRADES, GradeRecord)) == [grade("a")]


@pytest.mark.parametrize("kept_bytes", range(0, 400, 7))
def test_a_file_cut_anywhere_keeps_its_whole_lines(
    config: Config, tmp_path: Path, kept_bytes: int
) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
        store.append(trajectory("b"))
    path = tmp_path / TRAJECTORIES
    whole = path.read_bytes()
    path.write_bytes(whole[:kept_bytes])
    with RunStore(config, tmp_path) as store:
        assert ids(store) == ["a", "b"][: whole[:kept_bytes].count(b"\n")]
        store.append(trajectory("c"))
    assert path.read_bytes().endswith(b"\n")
    assert len(list(read_lines(path, TrajectoryRecord))) == whole[:kept_bytes].count(b"\n") + 1


def test_opening_changes_no_result(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        for record in (trajectory("a"), trajectory("b", error="lost")):
            store.append(record)
            store.append(grade(record.problem_id))
    path = tmp_path / TRAJECTORIES
    path.write_bytes(path.read_bytes() + b'{"torn')
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with RunStore(config, tmp_path) as store:
        assert ids(store) == [key[1] for key in store.grades] == ["a", "b"]
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_retry_is_appended_and_then_counts(config: Config, tmp_path: Path) -> None:
    attempts = [trajectory("a", error="lost"), trajectory("a", error="again"), trajectory("a")]
    for number, attempt in enumerate(attempts):
        with RunStore(config, tmp_path) as store:
            store.append(attempt)
            assert not store.grades  # a retry has a grade of its own
            store.append(grade("a", how=FAILED if attempt.error else "box/string"))
        assert list(read_lines(tmp_path / TRAJECTORIES, TrajectoryRecord)) == attempts[: number + 1]
        assert list(read_current(tmp_path).trajectories.values()) == [attempt]


def test_a_failure_never_supersedes_a_success(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        for record in (trajectory("a"), trajectory("a", error="lost")):
            store.append(record)
            store.append(grade("a", how=FAILED if record.error else "box/string"))
    trajectories, grades, _ = read_current(tmp_path)
    assert list(trajectories.values()) == [trajectory("a")]
    assert list(grades.values()) == [grade("a")]


def test_the_grade_of_a_failure_is_none_of_its_retry(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a", error="lost"))
        store.append(grade("a", how=FAILED))
        store.append(trajectory("a"))  # and a kill before its grade
    assert not read_current(tmp_path).grades


def test_the_grade_of_a_lost_solution_is_none_of_the_next(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
        store.append(grade("a"))
    (tmp_path / TRAJECTORIES).write_bytes(b"")  # as after a power failure
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
    assert not read_current(tmp_path).grades


def test_a_damaged_line_is_named_and_not_dropped(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
    path = tmp_path / TRAJECTORIES
    path.write_bytes(b"{]\n" + path.read_bytes())
    with pytest.raises(StoreError, match=r"trajectories.jsonl:1: not a TrajectoryRecord"):
        RunStore(config, tmp_path)


def test_another_run_is_refused_by_the_keys_that_differ(tmp_path: Path) -> None:
    RunStore(load(DEMO), tmp_path).close()
    other = load(DEMO, ["decoding.threshold=0.9", "decoding.seed=3", "run.limit=3"])
    with pytest.raises(ConfigError, match=r"differs in decoding.seed, decoding.threshold;"):
        RunStore(other, tmp_path)


def test_two_processes_do_not_share_a_directory(config: Config, tmp_path: Path) -> None:
    with (
        RunStore(config, tmp_path),
        pytest.raises(StoreError, match="another rsd process is working on this run"),
    ):
        RunStore(config, tmp_path)
    RunStore(config, tmp_path).close()


def test_a_file_system_without_locks_is_told_as_that(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StoreError, match=r"cannot lock files .*; set run\.output_dir to another"):
        RunStore(config, tmp_path)


def test_a_directory_that_cannot_be_made_is_named(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file/run: cannot be written: Not a directory"):
        RunStore(config, tmp_path / "file" / "run")


def test_replaced_grades_can_be_appended_to(config: Config, tmp_path: Path) -> None:
    with RunStore(config, tmp_path) as store:
        store.append(trajectory("a"))
        store.append(trajectory("b"))
        store.append(grade("a"))
        store.replace_grades([grade("a").model_copy(update={"correct": False})])
        store.append(grade("b"))
        verdicts = [g.correct for g in read_lines(tmp_path / GRADES, GradeRecord)]
    assert verdicts == [False, True]
