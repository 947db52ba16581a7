"""Reading and writing the files of a run directory."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from rsd.config import Config, load
from rsd.errors import StoreError
from rsd.records.manifest import Manifest
from rsd.records.rows import FAILED, CutGradeRecord, GradeRecord, Key, Record, TrajectoryRecord

CONFIG = "config.yaml"
MANIFEST = "manifest.json"
TRAJECTORIES = "trajectories.jsonl"
GRADES = "grades.jsonl"
CUT_GRADES = "grades_cut.jsonl"
METRICS = "metrics.json"
REPORT = "report.html"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run directory, read. A trajectory may lack its grade if the run was killed between the
    two; it has the gold answer and choices that it was graded against. `cut_grades` are of
    solutions cut by patience (profile `paper` only)."""

    directory: Path
    config: Config
    manifest: Manifest
    trajectories: dict[Key, TrajectoryRecord]
    grades: dict[Key, GradeRecord]
    cut_grades: dict[Key, CutGradeRecord] = field(default_factory=dict)


class CurrentRecords(NamedTuple):
    """The lines of a run directory that count; every grade belongs to a trajectory."""

    trajectories: dict[Key, TrajectoryRecord]
    grades: dict[Key, GradeRecord]
    cut_grades: dict[Key, CutGradeRecord]


def read_run(directory: Path | str) -> RunRecord:
    """Read a run directory. Nothing is written, and no class that its config names is imported.

    Raises `StoreError` when it is not a run directory, `ConfigError` for its config.
    """
    directory = Path(directory)
    try:
        directory.stat()
        is_run = (directory / CONFIG).is_file()
        holds_runs = not is_run and any(directory.glob(f"*/{CONFIG}"))
    except FileNotFoundError:
        raise StoreError(f"{directory}: no such directory") from None
    except OSError as error:
        raise _unreadable(Path(error.filename or directory), error) from error
    if not is_run:
        fix = f"; it contains runs, give these: {directory}/*" if holds_runs else ""
        raise StoreError(f"{directory}: not a run directory: it has no {CONFIG}{fix}")
    config, manifest = load(directory / CONFIG), read_manifest(directory)
    return RunRecord(directory, config, manifest, *read_current(directory))


def read_current(directory: Path) -> CurrentRecords:
    """The current records of a run directory, empty where a file is missing. Every reader of
    results uses this function.

    Files are append-only: a retry adds a line. The current trajectory of a (problem, sample) is
    its last success, or else its last failure. The current grade is the last one of that
    trajectory; the grade of a failed attempt does not apply to a later success. A trajectory has
    the gold answer and choices that it was graded against. Raises `StoreError` for a damaged line.
    """
    trajectories: dict[Key, TrajectoryRecord] = {}
    for trajectory in read_lines(directory / TRAJECTORIES, TrajectoryRecord):
        add_trajectory(trajectories, trajectory)
    grades = {
        grade.key: grade
        for grade in read_lines(directory / GRADES, GradeRecord)
        if grade.key in trajectories
        and (grade.how != FAILED or trajectories[grade.key].error is not None)
    }
    cut_grades = {g.key: g for g in read_lines(directory / CUT_GRADES, CutGradeRecord)}
    graded = {key: record.against(grades.get(key)) for key, record in trajectories.items()}
    return CurrentRecords(graded, grades, cut_grades)


def add_trajectory(known: dict[Key, TrajectoryRecord], added: TrajectoryRecord) -> None:
    """Add a later line to the current trajectories `known`."""
    before = known.get(added.key)
    if added.error is None or before is None or before.error is not None:
        known[added.key] = added


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run directory. Raises `StoreError` when it is missing or damaged."""
    path = directory / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        reason = "missing"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValidationError as error:
        reason = f"damaged: {' '.join(str(error).split())}"
    raise StoreError(
        f"{path}: {reason}; it is written before the first problem, restore it from a copy"
    )


R = TypeVar("R", bound=Record)


def read_lines(path: Path, record: type[R]) -> Iterator[R]:
    """Yield the records of a JSONL file; nothing if it does not exist.

    An incomplete last line (without a newline) is skipped: its writer was killed. Any other line
    that cannot be read raises `StoreError` naming it.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield record.model_validate_json(line)
            except ValidationError as error:
                reason = " ".join(str(error).split())
                raise StoreError(
                    f"{path}:{number}: not a {record.__name__}: {reason}; delete this line and "
                    "rerun the command to make its result again"
                ) from None


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8): a reader, or a crash, sees the old or the new file. Raises
    `StoreError` if it cannot be written."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: cannot be read: {error.strerror}")


def unwritable(path: Path, error: OSError) -> StoreError:
    """The error for a `path` that cannot be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    fix = "free some space and rerun the command" if full else "choose a writable directory"
    return StoreError(f"{path}: cannot be written: {error.strerror}; {fix}")
