"""`rsd tasks`: the benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd.tasks import TASKS, local_file


def tasks(
    data_dir: Annotated[Path, typer.Option(help="where local benchmark files are")] = Path("data"),
) -> None:
    """List the benchmarks: rows, where they come from, and whether a local file is present."""
    for task in TASKS.values():
        path = local_file(task.name, data_dir)
        if path.exists():
            source = str(path)
        elif task.hub:
            source = f"hub: {task.hub.path}"
        else:
            source = f"absent ({path})"
        typer.echo(f"{task.name:<10} {task.rows:>5} rows  {source:<34} {task.about}")
