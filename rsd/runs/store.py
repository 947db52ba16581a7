"""The run directory while it is written: append-only, flushed line by line, resumable.

A kill loses at most what was in flight. Opening a directory again drops a torn last line and
the records of failed problems, which are owed again; everything else stands.

Each line is handed to the system at once, in one piece, so no end of the process loses it. It is
not forced to the disk (fsync): after a power failure the last lines may be missing, and are owed.
Files that are replaced as a whole are forced, and are the old or the new.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, Self

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
    read_lines,
    read_manifest,
    unwritable,
    write_atomically,
)
from rsd.runs.contents import differences

_LOCK = ".lock"


class RunStore:
    """An open run directory. Use as a context manager; one process at a time may hold it.

    `trajectories` and `grades` are what is on disk, by key; both grow with `append`. A trajectory
    has the gold answer and the choices that its grade was made against.
    `cut_grades` are those of solutions that patience cuts.
    """

    def __init__(self, config: Config, directory: Path) -> None:
        """Create `directory`, or resume it if it holds the same run.

        Raises `StoreError` when it cannot be written or is in use, `ConfigError` when it holds a
        run that differs in a key that decides answers; the message names the keys.
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
        """Write one record, wholly or, if the disk refuses (`StoreError`), not at all."""
        name = TRAJECTORIES if isinstance(record, TrajectoryRecord) else GRADES
        try:
            _write_line(self._files[name], _line(record).encode())
        except OSError as error:
            raise unwritable(self.directory / name, error) from error
        if isinstance(record, TrajectoryRecord):
            self.trajectories[record.key] = record
        else:
            self.grades[record.key] = record

    def read_manifest(self) -> Manifest | None:
        """The manifest of the sessions before this one, if there were any."""
        if not (self.directory / MANIFEST).exists():
            return None
        return read_manifest(self.directory)

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest."""
        write_atomically(self.directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")

    def replace_grades(self, grades: Iterable[GradeRecord]) -> None:
        """Put `grades` in the place of all stored ones, at once."""
        changed = {grade.key: grade for grade in grades}
        path = self.directory / GRADES
        _rewrite(path, changed.values())
        self._files[GRADES].close()
        self._files[GRADES] = _appending(path)
        self.grades = changed

    def replace_cut_grades(self, grades: Iterable[CutGradeRecord]) -> None:
        """Store `grades` of cut solutions in the place of all others, at once."""
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
        """Remove what a kill left of files that were about to replace others."""
        for name in (CONFIG, MANIFEST, TRAJECTORIES, GRADES, CUT_GRADES):
            for path in self.directory.glob(f".{name}.*"):
                path.unlink(missing_ok=True)

    def _open(self, config: Config) -> None:
        refuse_other_run(self.directory, config)
        if not (self.directory / CONFIG).exists():
            write_atomically(self.directory / CONFIG, config.dump())
        self.trajectories = self._reopen_trajectories()
        self.grades = self._reopen_grades()
        for key, record in self.trajectories.items():
            self.trajectories[key] = record.against(self.grades.get(key))
        self.cut_grades = self._read_cut_grades()
        for name in (TRAJECTORIES, GRADES):
            self._files[name] = _appending(self.directory / name)

    def _reopen_trajectories(self) -> dict[Key, TrajectoryRecord]:
        path = self.directory / TRAJECTORIES
        stored = list(read_lines(path, TrajectoryRecord))
        kept = {record.key: record for record in stored if record.error is None}
        if len(kept) < len(stored) or _is_torn(path):
            _rewrite(path, kept.values())
        return kept

    def _reopen_grades(self) -> dict[Key, GradeRecord]:
        path = self.directory / GRADES
        stored = list(read_lines(path, GradeRecord))
        kept = {record.key: record for record in stored if record.key in self.trajectories}
        if len(kept) < len(stored) or _is_torn(path):
            _rewrite(path, kept.values())
        return kept

    def _read_cut_grades(self) -> dict[Key, CutGradeRecord]:
        return {g.key: g for g in read_lines(self.directory / CUT_GRADES, CutGradeRecord)}


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end."""
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def _rewrite(path: Path, records: Iterable[BaseModel]) -> None:
    write_atomically(path, "".join(map(_line, records)))


def _line(record: BaseModel) -> str:
    return record.model_dump_json() + "\n"


def _appending(path: Path) -> FileIO:
    """`path`, to append to; unbuffered, so that nothing is left to be written on closing."""
    return path.open("ab", buffering=0)


def _write_line(file: FileIO, line: bytes) -> None:
    """Append `line`; if that fails midway, take back its beginning."""
    end = os.fstat(file.fileno()).st_size
    try:
        while line:
            line = line[file.write(line) :]
    except OSError:
        with suppress(OSError):
            file.truncate(end)
        raise


def _locked(path: Path) -> FileIO:
    """`path`, locked. The system lets go of the lock when the process ends, however it ends."""
    file = _appending(path)  # not "w", which empties what a link in its place leads to
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StoreError(
            f"{path.parent}: another rsd process is working on this run; wait for it or stop it"
        ) from None
    except OSError as error:  # of some network file systems, ENOSYS or ENOLCK
        file.close()
        raise StoreError(
            f"{path.parent}: its file system cannot lock files ({error.strerror}); set "
            f"run.output_dir to another, or have it mounted with locks (Lustre: flock)"
        ) from error
    return file


def refuse_other_run(directory: Path, config: Config) -> None:
    """Raise `ConfigError` if `directory` holds a run that differs from `config` in a key that
    decides answers. Whether it asks the same questions is for its answers to show."""
    if not (directory / CONFIG).exists():
        return
    if keys := differences(load(directory / CONFIG), config):
        raise ConfigError(
            f"{directory}: holds another run, which differs in {', '.join(keys)}; "
            f"choose another directory or delete it"
        )


def served_otherwise(directory: Path, config: Config) -> list[str]:
    """Keys that say how servers are to compute, and that are others in `config` than when the run
    in `directory` began. They are no part of its digest, since who started the servers, and with
    what, is not for a configuration to know."""
    return differing_keys(_computing(load(directory / CONFIG)), _computing(config))


def _computing(config: Config) -> dict[str, Any]:
    keys = {"dtype", "hf_overrides", "flags"}
    return {
        f"models.{role}.serve": config.models.role(role).serve.model_dump(include=keys)
        for role in config.roles
    }
