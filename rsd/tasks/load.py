"""Reading the problems of a task: from `data_dir/<task>/test.jsonl`, else from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path

from rsd.errors import ConfigError
from rsd.tasks.hub import hub_rows
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Row, Task
from rsd.types import Problem


def get_task(name: str) -> Task:
    """The task called `name`. Raises `ConfigError` naming the known ones."""
    try:
        return TASKS[name]
    except KeyError:
        known = ", ".join(TASKS)
        raise ConfigError(f"tasks.names: no task {name!r}; known: {known}") from None


def local_file(name: str, data_dir: Path) -> Path:
    """Where the rows of a task lie when they are local."""
    return data_dir / name / "test.jsonl"


def checksum_file(path: Path) -> Path:
    """Where the SHA-256 of a fetched file lies, in the format of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def load_problems(name: str, data_dir: Path, limit: int | None = None) -> list[Problem]:
    """The first `limit` problems of a task, or all, in the order of their source.

    A row's own id is its problem id, else its position. Raises `ConfigError` when the source is
    absent, unreadable or without rows, any row cannot be read or has the id of another, or a
    fetched file is no longer what was fetched.
    """
    task = get_task(name)
    path = local_file(name, data_dir)
    if _exists(path):
        where, rows = str(path), read_rows(path)
    else:
        where, rows = f"hub data set of {name}", iter(hub_rows(task, f"{path}: no such file"))
    problems = [_problem(task, row, index, where) for index, row in enumerate(islice(rows, limit))]
    if not problems:
        raise ConfigError(f"{where}: it has no rows")
    if len({problem.problem_id for problem in problems}) < len(problems):
        raise ConfigError(f"{where}: two rows have the same id; give each row its own")
    return problems


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a local file, held against its checksum if it was fetched. A column that is
    null in a row is absent from it."""
    try:
        content = path.read_bytes()
        _verify(path, content)
    except OSError as error:
        raise _unreadable(path, error) from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict):
            raise ConfigError(f"{path}:{number}: expected an object, got {type(row).__name__}")
        yield {name: value for name, value in row.items() if value is not None}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # its directory may not be searched
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path}: cannot be read: {error.strerror}")


def _verify(path: Path, content: bytes) -> None:
    sums = checksum_file(path)
    digest = sha256(content).hexdigest().encode()
    if sums.exists() and sums.read_bytes().split()[:1] != [digest]:
        raise ConfigError(
            f"{path}: not what was fetched: its SHA-256 is not the one in {sums.name}; fetch it "
            f"again with --force, or delete {sums.name} if the change is meant"
        )


def _problem(task: Task, row: Row, index: int, where: str) -> Problem:
    try:
        problem = task.problem(row, index)
        for text in (problem.problem_id, problem.question, problem.gold, *problem.choices):
            text.encode()  # a lone surrogate raises UnicodeEncodeError: no file could hold it
        return problem
    except KeyError as error:
        raise ConfigError(f"{where}:{index + 1}: no column {error}") from None
    except (TypeError, IndexError, ValueError) as error:
        raise ConfigError(f"{where}:{index + 1}: not a row of {task.name}: {error}") from None
