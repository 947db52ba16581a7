"""Reading the problems of a task: from `data_dir/<task>/test.jsonl`, else from the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rsd.errors import ConfigError
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


def load_problems(name: str, data_dir: Path, limit: int | None = None) -> list[Problem]:
    """The first `limit` problems of a task, or all, in the order of their source.

    A row's `id` or `idx` is its problem id, else its position. Raises `ConfigError` when the
    source is absent or a row lacks a column.
    """
    task = get_task(name)
    path = local_file(name, data_dir)
    rows = _read_jsonl(path) if path.exists() else _read_hub(task, path)
    where = str(path) if path.exists() else f"hub data set of {name}"
    problems = [_problem(task, row, index, where) for index, row in enumerate(islice(rows, limit))]
    if len({problem.problem_id for problem in problems}) < len(problems):
        raise ConfigError(f"{where}: two rows have the same id; give each row its own")
    return problems


def _problem(task: Task, row: Row, index: int, where: str) -> Problem:
    try:
        return Problem(
            task=task.name,
            problem_id=str(row.get("id", row.get("idx", index))),
            question=task.question(row),
            gold=task.gold(row),
            level=task.level(row),
        )
    except KeyError as error:
        raise ConfigError(f"{where}:{index + 1}: no column {error}") from None


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ConfigError(f"{path}:{number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ConfigError(f"{path}:{number}: expected an object, got {type(row).__name__}")
            yield row


def _read_hub(task: Task, path: Path) -> Iterator[Row]:
    if task.hub is None:
        raise ConfigError(f"{path}: no such file; {task.name} is not on the hub")
    from datasets import load_dataset  # slow to import, and needed by few runs

    hub = task.hub
    try:
        yield from load_dataset(hub.path, hub.name, split=hub.split)
    except Exception as error:  # datasets raises what its many loaders raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path}: no such file, and {hub.path} cannot be loaded from the hub ({reason}); "
            f"put the file there or make the hub reachable"
        ) from error
