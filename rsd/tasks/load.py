"""Reading the problems of a task: from its local file, else from the hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from rsd.config import TasksConfig
from rsd.errors import ConfigError
from rsd.tasks.define import completed, defined
from rsd.tasks.fields import Row
from rsd.tasks.files import read_table
from rsd.tasks.hub import hub_rows
from rsd.tasks.registry import TASKS
from rsd.tasks.task import Task
from rsd.types import Problem

ENTRY_POINTS = "rsd.tasks"
"""The group of entry points by which a Python package brings tasks."""

log = logging.getLogger(__name__)


def get_task(name: str) -> Task:
    """The built-in task called `name`, or that of an installed package. Raises `ConfigError` naming
    the known ones."""
    if name in TASKS:
        return TASKS[name]
    brought = entry_points(group=ENTRY_POINTS)
    if name not in brought.names:
        known = ", ".join((*TASKS, *sorted(brought.names)))
        raise ConfigError(f"tasks.names: no task {name!r}; known: {known}")
    try:
        task = brought[name].load()
    except Exception as error:  # the package is not ours
        raise ConfigError(f"tasks.names: {name}: {brought[name].value}: {error}") from error
    if not isinstance(task, Task):
        raise ConfigError(f"tasks.names: {name}: {brought[name].value} is no rsd.tasks.Task")
    return task


def tasks_of(config: TasksConfig) -> Mapping[str, Task]:
    """The tasks that a configuration names. One that it defines comes before a built-in one."""
    return {
        name: defined(name, config.define[name]) if name in config.define else get_task(name)
        for name in config.names
    }


def load_problems(task: Task | str, data_dir: Path, limit: int | None = None) -> list[Problem]:
    """The first `limit` problems of a task, or all, in the order of their source.

    A row's own id is its problem id, else its position. Raises `ConfigError` when the source is
    absent, unreadable or without rows, any row cannot be read or has the id of another, or a
    fetched file is no longer what was fetched.
    """
    task = get_task(task) if isinstance(task, str) else task
    path = task.local_file(data_dir)
    if task.is_local(data_dir):
        where, table = str(path), read_table(path)
    else:
        where = f"hub data set of {task.name}"
        table = hub_rows(task, f"{path}: no such file").table()
    if not table.rows:
        raise ConfigError(f"{where}: it has no rows")
    task = completed(task, table)
    if task.definition is not None and task.definition.guesses:
        log.warning("%s: guessed %s; tasks.define.%s says otherwise", where, task.about, task.name)
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for position, (line, row) in enumerate(zip(table.lines, table.rows, strict=True)):
        problem = _problem(task, row, position, f"{where}:{line}")
        if (first := lines.setdefault(problem.problem_id, line)) != line:
            raise ConfigError(
                f"{where}:{line}: the id {problem.problem_id!r} is that of line {first}, too; "
                f"give each row its own"
            )
        problems.append(problem)
    return problems[:limit]


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
