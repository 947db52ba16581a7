"""A store whose writes fail or are cut off, at every place."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest
from runs.test_store import DEMO, grade, trajectory

from rsd.analysis import summarize
from rsd.config import Config, load
from rsd.errors import StoreError
from rsd.records import GRADES, MANIFEST, TRAJECTORIES, TrajectoryRecord, read_lines, read_run
from rsd.runs.store import RunStore
from rsd.runs.store import directory as store_module

NAMES = [f"p{n}" for n in range(100)]


@pytest.fixture
def config() -> Config:
    return load(DEMO)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let a file grow beyond `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def solve(config: Config, directory: Path) -> None:
    """Store what is owed of NAMES, each with its grade."""
    with RunStore(config, directory) as store:
        for key, record in store.trajectories.items():
            if key not in store.grades:
                store.append(grade(record.problem_id))
        stored = {problem_id for _, problem_id, _ in store.trajectories}
        for name in NAMES:
            if name not in stored:
                store.append(trajectory(name))
                store.append(grade(name))


def is_whole(directory: Path) -> bool:
    lines = [(directory / name).read_text().splitlines() for name in (TRAJECTORIES, GRADES)]
    stored = list(read_lines(directory / TRAJECTORIES, TrajectoryRecord))
    return sorted(t.problem_id for t in stored) == sorted(NAMES) and len(lines[1]) == len(NAMES)


@pytest.mark.parametrize("size", [7000, 7001, 7100])
def test_a_full_disk_costs_only_what_did_not_fit(config: Config, tmp_path: Path, size: int) -> None:
    with (
        files_of_at_most(size),
        pytest.raises(StoreError, match=r"trajectories\.jsonl: cannot be .*; free some space"),
    ):
        solve(config, tmp_path)
    path = tmp_path / TRAJECTORIES
    assert path.read_bytes().endswith(b"\n")
    kept = list(read_lines(path, TrajectoryRecord))
    assert 0 < len(kept) < len(NAMES)
    solve(config, tmp_path)
    assert list(read_lines(path, TrajectoryRecord))[: len(kept)] == kept
    assert is_whole(tmp_path)


def test_a_file_that_cannot_be_replaced_stays_as_it_was(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    solve(config, tmp_path)
    before = (tmp_path / GRADES).read_bytes()
    files = set(tmp_path.iterdir())
    with RunStore(config, tmp_path) as store:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"grades\.jsonl: cannot be .* left on device; free"):
            store.replace_grades([])
        assert len(store.grades) == len(NAMES)
    assert (tmp_path / GRADES).read_bytes() == before
    assert set(tmp_path.iterdir()) == files


def test_a_read_only_place_is_named(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match="run: cannot be written: Read-only .*; choose a writable"):
        RunStore(config, tmp_path / "run")


class Killed(BaseException):
    """In the place of SIGKILL: nobody handles it, and what was handed to the system stays."""


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("every", [50, 7])
def test_a_kill_at_every_nth_write_loses_nothing(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, part: float
) -> None:
    writes = 0

    def write(file: FileIO, line: bytes) -> None:
        nonlocal writes
        writes += 1
        cut = writes % every == 0
        file.write(line[: round(len(line) * part)] if cut else line)
        if cut:
            raise Killed

    monkeypatch.setattr(store_module, "_write_line", write)
    kills = 0
    while True:
        try:
            solve(config, tmp_path)
            break
        except Killed:
            kills += 1
    assert kills >= 2 * len(NAMES) // every - 1
    assert is_whole(tmp_path)


def test_a_missing_manifest_is_named(config: Config, tmp_path: Path) -> None:
    solve(config, tmp_path)
    with pytest.raises(StoreError, match=rf"{MANIFEST}: missing; it is written before"):
        summarize(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(StoreError, match=rf"{MANIFEST}: damaged: "):
        read_run(tmp_path)
    with RunStore(config, tmp_path) as store, pytest.raises(StoreError, match="damaged"):
        store.read_manifest()
