"""`rsd sweep`: run or resume the points of a sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from rsd.analysis import AnalyzedRun, Metrics, analyze, render_table, summarize, write_page
from rsd.analysis.tables.cells import accuracy, fixed, percent
from rsd.analysis.timing import step_cache_use
from rsd.cli.on_demand import (
    LOG_DIR,
    NOBODY_RESTARTS,
    TIMEOUT_S,
    LogDir,
    Serve,
    Timeout,
    servers,
)
from rsd.cli.options import Overrides
from rsd.cli.process import without_torch
from rsd.cli.resumable import resumable
from rsd.config import Sweep, load_sweep, ready
from rsd.errors import StoreError, printable
from rsd.records import METRICS, REPORT, read_run
from rsd.runs import PointOutcome, debts, execute_sweep, identified, tell_of_earlier


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="a sweep file (YAML)")],
    override: Overrides = None,
    serve: Serve = False,
    log_dir: LogDir = LOG_DIR,
    timeout: Timeout = TIMEOUT_S,
    status: Annotated[
        bool,
        typer.Option(
            "--status", help="only print each run directory, what it owes, and its labels"
        ),
    ] = False,
) -> None:
    """Run all points of SWEEP, or finish those that were cut short; one table at the end.

    Each point is an ordinary run in <output_dir>/<sweep>/. Points that come to the same run share
    it, and all share one step cache. A failed point does not stop the others, but the exit code is
    then 1.
    """
    overrides = [*([NOBODY_RESTARTS] if serve else []), *(override or ())]
    logging.getLogger("rsd.runs.execute").setLevel(logging.INFO)
    loaded = load_sweep(file, overrides, identified)
    for point in loaded.points:
        tell_of_earlier(point.config, point.directory)
    if status:
        for point, debt in debts(loaded):
            shown = "unreadable" if debt is None else debt
            typer.echo(f"{point.directory}\t{shown}\t{','.join(point.labels)}")
        return
    if loaded.collapse:
        _announce(f"rsd: {loaded.name}: {loaded.collapse}")
    without_torch(ready(point.config, file).decoding.strategy for point in loaded.points)
    outcomes = []
    width = max(len(point.label) for point in loaded.points)
    with resumable(), servers(serve, log_dir, timeout) as prepare:
        for outcome in execute_sweep(loaded, prepare, _announce):
            if outcome.error is None:
                summarize(outcome.point.directory)
                _announce(f"{outcome.point.label:<{width}}  {_in_short(outcome.point.directory)}")
            outcomes.append(outcome)
    _report(loaded)
    if not _all_well(outcomes):
        raise typer.Exit(1)


def _report(sweep: Sweep) -> None:
    """Print the table of all points that have results, and write the page."""
    runs = []
    for point in sweep.points:
        try:
            run = read_run(point.directory)
        except StoreError:  # it never began, which the outcomes say
            continue
        if run.trajectories:
            runs.append(analyze(run))
    if runs:
        page = sweep.directory / REPORT
        write_page(runs, page)
        typer.echo(f"{render_table(runs)}\n\n{_hit_share(sweep, runs)}Report: {page}")


def _hit_share(sweep: Sweep, runs: Iterable[AnalyzedRun]) -> str:
    """A line on what the step cache gave; nothing without one."""
    files = {point.config.step_cache for point in sweep.points}
    there = sorted(file for file in files if file is not None and file.exists())
    used = [step_cache_use(run.run.trajectories.values()) for run in runs]
    given, answers = (sum(counts) for counts in zip(*used, strict=True))
    if not there or not answers:
        return ""
    where = ", ".join(f"{file} ({file.stat().st_size / 1e6:.1f} MB)" for file in there)
    share = percent(given / answers)
    return f"Step cache: {given:,} of {answers:,} answers ({share}) came from {where}\n"


def _in_short(directory: Path) -> str:
    """What a point achieved: a row of the table that grows while a sweep runs."""
    overall = Metrics.model_validate_json((directory / METRICS).read_bytes()).overall
    without = percent(overall.accuracy_without_errors, 1)
    lost = f"  {overall.errors} failed, {without} right without them" if overall.errors else ""
    return (
        f"accuracy {accuracy(overall.accuracy, overall.ci95):<19}  "
        f"{percent(overall.target_step_share):>4} of steps by target  "
        f"{fixed(overall.flops_ratio_vs_target_only.prm_once):>5} x the target's FLOPs{lost}"
    )


def _announce(line: str) -> None:
    typer.echo(line, err=True)


def _all_well(outcomes: list[PointOutcome]) -> bool:
    """Whether no point and no problem failed; says on stderr which did."""
    for outcome in outcomes:
        if outcome.failed:
            what = f"{outcome.failed} solutions failed; {printable(outcome.most_often)}"
            typer.echo(f"rsd: {outcome.point.label}: {what}", err=True)
        elif outcome.error:
            typer.echo(f"rsd: {outcome.point.label}: {outcome.error}", err=True)
    failed = sum(not outcome.ok for outcome in outcomes)
    if failed:
        again = "the same command tries again what failed"
        typer.echo(f"rsd: {failed} of {len(outcomes)} points failed; {again}", err=True)
    return not failed
