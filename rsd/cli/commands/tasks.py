"""`rsd tasks`: the benchmarks, and `rsd tasks fetch`: local files of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from rsd.config import load
from rsd.errors import ConfigError
from rsd.tasks import TASKS, Fetched, Task, completed, fetch, get_task, read_table, tasks_of

_DATA = Path("data")
_COLUMNS = ("task", "rows", "answers", "source", "licence", "about")

tasks = typer.Typer(help="The benchmarks: list them, fetch them.", invoke_without_command=True)


@dataclass(frozen=True)
class _Known:
    """The benchmarks that a call knows by name, and where their local files are."""

    tasks: Mapping[str, Task]
    data_dir: Path


@tasks.callback()
def list_tasks(
    context: typer.Context,
    data_dir: Annotated[Path | None, typer.Option(help="where local benchmark files are")] = None,
    config: Annotated[
        Path | None, typer.Option(help="list those of a configuration, your own included")
    ] = None,
) -> None:
    """List the benchmarks: rows, kind of answer, where they come from, what is present."""
    named = load(config).tasks if config else None
    known = _Known(
        tasks_of(named) if named else TASKS, data_dir or (named.data_dir if named else _DATA)
    )
    context.obj = known
    if context.invoked_subcommand is not None:
        return
    listed = [_read(task, known.data_dir) for task in known.tasks.values()]
    lines = [_COLUMNS, *(_line(task, known.data_dir) for task in listed)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    for line in lines:
        cells = [
            cell.rjust(width) if name == "rows" else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, line, widths, strict=True)
        ]
        typer.echo("  ".join(cells).rstrip())


@tasks.command("fetch")
def fetch_tasks(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="benchmarks")],
    data_dir: Annotated[
        Path | None, typer.Option(help="where to write them; by default that of `rsd tasks`")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that exist")] = False,
) -> None:
    """Write local files from the Hugging Face hub, each with its SHA-256 beside it."""
    known: _Known = context.obj
    data_dir = data_dir or known.data_dir
    chosen = [known.tasks[name] if name in known.tasks else get_task(name) for name in names]
    failed = False
    for task in chosen:
        name, path = task.name, task.local_file(data_dir)
        if path.exists() and not force:
            typer.echo(f"{name}: {path} exists and is kept; --force replaces it")
            continue
        typer.echo(f"{name}: asking the hub", err=True)
        try:
            typer.echo(_said(name, fetch(task, data_dir, partial(_watched, name))))
        except ConfigError as error:
            failed = True
            typer.echo(f"rsd: {error}", err=True)
    if failed:
        raise typer.Exit(2)


def _line(task: Task, data_dir: Path) -> tuple[str, ...]:
    source = _source(task, data_dir)
    return (task.name, str(task.rows or "?"), task.answers, source, task.licence, task.about)


def _read(task: Task, data_dir: Path) -> Task:
    """A defined task with its columns, if its rows are local."""
    if task.definition is None or not task.is_local(data_dir):
        return task
    return completed(task, read_table(task.local_file(data_dir)))


def _source(task: Task, data_dir: Path) -> str:
    path = task.local_file(data_dir)
    try:
        if task.definition is not None and task.is_local(data_dir):
            return str(path)
        with path.open("rb") as file:
            present = sum(1 for line in file if line.strip())
        return f"{path} ({present} rows)"
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"unreadable: {path} ({error.strerror})"
    if task.hub is None:
        return f"absent: {path}"
    return f"hub: {task.hub.path}{' (gated)' if task.hub.gated else ''}"


def _watched(name: str, rows: Iterable[dict[str, Any]], total: int) -> Iterable[dict[str, Any]]:
    """Rows, counted by a bar on a terminal, announced by a line elsewhere."""
    terminal = sys.stderr.isatty()
    if not terminal:
        typer.echo(f"{name}: {total} rows", err=True)
    return tqdm(rows, total=total, desc=name, unit="row", disable=not terminal, dynamic_ncols=True)


def _said(name: str, fetched: Fetched) -> str:
    line = f"{name}: {fetched.path}, {fetched.rows} rows, SHA-256 {fetched.sha256}"
    if fetched.replaced is None:
        return line
    if fetched.replaced == fetched.sha256:
        return f"{line}, as before"
    return f"{line}; the content CHANGED, it was {fetched.replaced}"
