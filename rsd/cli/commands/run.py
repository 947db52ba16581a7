"""`rsd run`: run or resume one run."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Annotated

import typer

from rsd.analysis import summarize
from rsd.cli.options import (
    LOG_DIR,
    TIMEOUT_S,
    ConfigFile,
    LogDir,
    Overrides,
    Serve,
    Status,
    Timeout,
    echo_error,
    fatal_doubt,
    servers,
    with_serve,
)
from rsd.cli.process import resumable, without_torch
from rsd.config import load, ready
from rsd.errors import printable
from rsd.runs import execute, identified, pending, refuse_other_run, warn_of_earlier_names


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
    status: Status = False,
) -> None:
    """Run the benchmarks that CONFIG names, or finish a run that was cut short.

    Finished problems are kept; failed ones are tried again. At the end it prints the table and
    writes metrics.json and report.html.
    """
    logging.getLogger("rsd.runs.execute").setLevel(logging.INFO)
    resolved = identified(load(config, with_serve(override, serve)))
    where = directory or resolved.directory
    refuse_other_run(where, resolved)  # before servers load
    warn_of_earlier_names(resolved, where)
    if status:
        typer.echo(f"{where}\t{len(pending(resolved, where))}")
        return
    without_torch([ready(resolved, config).decoding.strategy])
    fatal = fatal_doubt(resolved, config)
    with resumable(), servers(serve, log_dir, timeout) as prepare:
        if (serve or fatal) and pending(resolved, where):
            if fatal:
                raise fatal
            prepare(resolved)
        outcome = asyncio.run(execute(resolved, where))
        if outcome.interrupted:
            raise KeyboardInterrupt
    typer.echo(summarize(outcome.directory))
    if outcome.failed:
        echo_error(
            f"rsd: {outcome.failed} of {outcome.asked} solutions failed; rerun the command to try "
            f"them again (errors are in {outcome.directory}/trajectories.jsonl); "
            f"{printable(outcome.most_frequent_error)}"
        )
        raise typer.Exit(1)
