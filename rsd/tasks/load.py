"""Reading the problems of a task: from `data_dir/<task>/test.jsonl`, else from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from rsd.errors import ConfigError
from rsd.tasks.fields import Row, named
from rsd.tasks.hub import hub_rows
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Task
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
    if is_local(name, data_dir):
        where, rows = str(path), read_rows(path)
    else:
        rows = enumerate(hub_rows(task, f"{path}: no such file"), start=1)
        where = f"hub data set of {name}"
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for position, (line, row) in enumerate(rows):
        problem = _problem(task, row, position, f"{where}:{line}")
        if (first := lines.setdefault(problem.problem_id, line)) != line:
            raise ConfigError(
                f"{where}:{line}: the id {problem.problem_id!r} is that of line {first}, too; "
                f"give each row its own"
            )
        problems.append(problem)
    if not problems:
        raise ConfigError(f"{where}: it has no rows")
    return problems[:limit]


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """The rows of a local file with their lines, from 1, held against its checksum if it was
    fetched. A column that is null in a row is absent from it."""
    try:
        content = path.read_bytes()
        _verify(path, content)
    except OSError as error:
        raise _unreadable(path, error) from error
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{path}:{number}: not UTF-8 (byte {error.start + 1} of the line); save it as UTF-8"
            ) from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{path}:{number}: not JSON: {error}; write one object a line"
            ) from None
        if not isinstance(row, dict):
            raise ConfigError(
                f"{path}:{number}: expected an object, got {named(row)}; write one object a line"
            )
        yield number, {name: value for name, value in row.items() if value is not None}


def is_local(name: str, data_dir: Path) -> bool:
    """Whether the rows of a task lie in `data_dir`. Raises `ConfigError` where nobody may look."""
    path = local_file(name, data_dir)
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


def _problem(task: Task, row: Row, position: int, where: str) -> Problem:
    try:
        problem = task.problem(row, position)
        for text in (problem.problem_id, problem.question, problem.gold, *problem.choices):
            text.encode()  # a lone surrogate raises UnicodeEncodeError: no file could hold it
        return problem
    except KeyError as error:
        raise ConfigError(f"{where}: no column {error}; it is part of {task.name}") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not a row of {task.name}: {error}") from None
