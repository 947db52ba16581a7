"""Writes a run directory: append-only, flushed line by line, resumable.

A kill loses at most what was in flight. Opening a directory changes no results; the first append
removes the incomplete last line that a kill left. A failed problem stays until the line of its
retry counts in its place (`rsd.records.read_current`).

Each line is one write, so no end of the process loses it. It is not forced to the disk (fsync):
after a power failure the last lines may be missing, and are then pending again. Files that are
replaced as a whole are forced to the disk.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from rsd.config import Config, differing_keys, load
from rsd.errors import ConfigError, StoreError
from rsd.records import (
    CONFIG,
    CUT_GRADES,
    GRADES,
    MANIFEST,
    TRAJECTORIES,
    CutGradeRecord,
    GradeRecord,
    Key,
    Manifest,
    TrajectoryRecord,
    add_trajectory,
    read_current,
    read_lines,
    read_manifest,
    unwritable,
    write_atomically,
)
from rsd.runs.store.questions import differences

_LOCK = ".lock"


class RunStore:
    """An open run directory. Use as a context manager; one process at a time may hold it.

    `trajectories`, `grades` and `cut_grades` are the current records by key; `append` and the
    `replace_*` methods update them.
    """

    def __init__(self, config: Config, directory: Path) -> None:
        """Create `directory`, or resume it if it holds the same run.

        Raises `StoreError` if it cannot be written or is in use, and `ConfigError` naming the keys
        if it holds a run that differs in keys that affect answers.
        """
        self.directory = directory
        self._files: dict[str, FileIO] = {}
        self.cut_grades: dict[Key, CutGradeRecord] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._files[_LOCK] = _locked(directory / _LOCK)
            self._drop_leftovers()
            self._open(config)
        except OSError as error:
            self.close()
            raise unwritable(directory, error) from error
        except BaseException:
            self.close()
            raise

    def append(self, record: TrajectoryRecord | GradeRecord) -> None:
        """Write one record, or nothing if that fails (`StoreError`)."""
        name = TRAJECTORIES if isinstance(record, TrajectoryRecord) else GRADES
        try:
            _write_line(self._appending(name), _line(record).encode())
        except OSError as error:
            raise unwritable(self.directory / name, error) from error
        if isinstance(record, TrajectoryRecord):
            add_trajectory(self.trajectories, record)
            self.grades.pop(record.key, None)
        else:
            self.grades[record.key] = record

    def read_manifest(self) -> Manifest | None:
        """The manifest of earlier sessions, if any."""
        if not (self.directory / MANIFEST).exists():
            return None
        return read_manifest(self.directory)

    def write_manifest(self, manifest: Manifest) -> None:
        write_atomically(self.directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")

    def replace_grades(self, grades: Iterable[GradeRecord]) -> None:
        """Replace all grades at once."""
        changed = {grade.key: grade for grade in grades}
        path = self.directory / GRADES
        _rewrite(path, changed.values())
        if GRADES in self._files:
            self._files.pop(GRADES).close()
        self.grades = changed

    def replace_cut_grades(self, grades: Iterable[CutGradeRecord]) -> None:
        """Replace all grades of cut solutions at once."""
        changed = {grade.key: grade for grade in grades}
        if changed != self.cut_grades:
            _rewrite(self.directory / CUT_GRADES, changed.values())
            self.cut_grades = changed

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop_leftovers(self) -> None:
        """Remove the temporary files of replacements that a kill interrupted."""
        for name in (CONFIG, MANIFEST, TRAJECTORIES, GRADES, CUT_GRADES):
            for path in self.directory.glob(f".{name}.*"):
                path.unlink(missing_ok=True)

    def _open(self, config: Config) -> None:
        refuse_other_run(self.directory, config)
        if not (self.directory / CONFIG).exists():
            write_atomically(self.directory / CONFIG, config.dump())
        self.trajectories, self.grades, self.cut_grades = read_current(self.directory)

    def _appending(self, name: str) -> FileIO:
        """The file `name`, open for appending and without an incomplete last line."""
        if name not in self._files:
            if name == TRAJECTORIES:
                self._drop_grades_of_nothing()
            self._files[name] = file = _appending(self.directory / name)
            _cut_torn_line(file)
        return self._files[name]

    def _drop_grades_of_nothing(self) -> None:
        """Remove the grades of solutions that are lost, so that none of them passes for the grade
        of a new solution of the same problem."""
        stored = read_lines(self.directory / GRADES, GradeRecord)
        if any(grade.key not in self.trajectories for grade in stored):
            self.replace_grades(self.grades.values())


def _cut_torn_line(file: FileIO) -> None:
    """Remove what follows the last line break of `file`."""
    size = os.fstat(file.fileno()).st_size
    whole = size
    while whole and os.pread(file.fileno(), 1, whole - 1) != b"\n":
        start = max(0, whole - 65536)
        whole = start + os.pread(file.fileno(), whole - start, start).rfind(b"\n") + 1
    if whole < size:
        file.truncate(whole)


def _rewrite(path: Path, records: Iterable[BaseModel]) -> None:
    write_atomically(path, "".join(map(_line, records)))


def _line(record: BaseModel) -> str:
    return record.model_dump_json() + "\n"


def _appending(path: Path) -> FileIO:
    """`path`, open for appending, unbuffered."""
    return path.open("ab+", buffering=0)


def _write_line(file: FileIO, line: bytes) -> None:
    """Append `line`; if that fails midway, remove its beginning."""
    end = os.fstat(file.fileno()).st_size
    try:
        while line:
            line = line[file.write(line) :]
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise


def _locked(path: Path) -> FileIO:
    """`path`, locked until it is closed or the process ends."""
    file = _appending(path)  # "w" would truncate the target of a symbolic link
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"{path.parent}: another rsd process is working on this run; wait for it or stop it"
        ) from None
    except OSError as error:  # some network file systems: ENOSYS or ENOLCK
        file.close()
        raise StoreError(
            f"{path.parent}: its file system cannot lock files ({error.strerror}); set "
            f"run.output_dir to another, or have it mounted with locks (Lustre: flock)"
        ) from error
    return file


def refuse_other_run(directory: Path, config: Config) -> None:
    """Raise `ConfigError` if `directory` holds a run that differs from `config` in a key that
    affects answers. `refuse_other_questions` compares the questions."""
    if not (directory / CONFIG).exists():
        return
    if keys := differences(load(directory / CONFIG), config):
        raise ConfigError(
            f"{directory}: holds another run, which differs in {', '.join(keys)}; "
            f"choose another directory or delete it"
        )


def changed_server_keys(directory: Path, config: Config) -> list[str]:
    """Keys of `models.*.serve` that change how servers compute and that differ between `config`
    and the start of the run in `directory`. They are not part of its digest, since the servers may
    have been started in other ways."""
    keys = {"dtype", "hf_overrides", "flags"}
    before, now = (
        {
            f"models.{role}.serve": each.models.role(role).serve.model_dump(include=keys)
            for role in config.roles
        }
        for each in (load(directory / CONFIG), config)
    )
    return differing_keys(before, now)
