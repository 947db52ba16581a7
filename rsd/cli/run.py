"""`rsd run`: run or resume one run."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from rsd.analysis import summarize
from rsd.cli.on_demand import (
    LOG_DIR,
    NOBODY_RESTARTS,
    TIMEOUT_S,
    LogDir,
    Serve,
    Timeout,
    servers,
)
from rsd.cli.options import ConfigFile, Overrides, fatal_doubt
from rsd.cli.process import without_torch
from rsd.cli.resumable import resumable
from rsd.config import load, ready
from rsd.errors import printable
from rsd.runs import execute, identified, owed, refuse_other_run, tell_of_earlier


def run(
    config: ConfigFile,
    override: Overrides = None,
    serve: Serve = False,
    log_dir: LogDir = LOG_DIR,
    timeout: Timeout = TIMEOUT_S,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="run directory; by default <output_dir>/<name>-<digest>"),
    ] = None,
    status: Annotated[
        bool,
        typer.Option("--status", help="only print the run directory and how many problems it owes"),
    ] = False,
) -> None:
    """Run the benchmarks that CONFIG names, or finish a run that was cut short.

    Problems that are already done are kept; failed ones are tried again. The table, metrics.json
    and report.html are made at the end.
    """
    logging.getLogger("rsd.runs.execute").setLevel(logging.INFO)
    resolved = identified(load(config, [*([NOBODY_RESTARTS] if serve else []), *(override or ())]))
    where = directory or resolved.directory
    refuse_other_run(where, resolved)  # before servers load
    tell_of_earlier(resolved, where)
    if status:
        typer.echo(f"{where}\t{len(owed(resolved, where))}")
        return
    without_torch([ready(resolved, config).decoding.strategy])
    fatal = fatal_doubt(resolved, config)
    with resumable(), servers(serve, log_dir, timeout) as prepare:
        if (serve or fatal) and owed(resolved, where):
            if fatal:
                raise fatal
            prepare(resolved)
        outcome = asyncio.run(execute(resolved, where))
        if outcome.interrupted:
            raise KeyboardInterrupt
    typer.echo(summarize(outcome.directory))
    if outcome.failed:
        typer.echo(
            f"rsd: {outcome.failed} of {outcome.asked} solutions failed; the same command tries "
            f"them again (errors are in {outcome.directory}/trajectories.jsonl); "
            f"{printable(outcome.most_often)}",
            err=True,
        )
        raise typer.Exit(1)
