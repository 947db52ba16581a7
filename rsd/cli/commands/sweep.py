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
from rsd.cli.options import (
    LOG_DIR,
    TIMEOUT_S,
    LogDir,
    Overrides,
    Serve,
    Status,
    Timeout,
    echo_error,
    servers,
    with_serve,
)
from rsd.cli.process import resumable, without_torch
from rsd.config import Sweep, load_sweep, ready
from rsd.errors import StoreError, printable
from rsd.records import METRICS, REPORT, read_run
from rsd.runs import (
    PointOutcome,
    execute_sweep,
    identified,
    pending_by_point,
    warn_of_earlier_names,
)


def sweep(
    file: Annotated[Path, typer.Argument(metavar="SWEEP", help="a sweep file (YAML)")],
    override: Overrides = None,
    serve: Serve = False,
    log_dir: LogDir = LOG_DIR,
    timeout: Timeout = TIMEOUT_S,
    status: Status = False,
) -> None:
    """Run all points of SWEEP, or finish those that were cut short; one table at the end.

    Each point is an ordinary run in <output_dir>/<sweep>/. Points with the same settings share a
    run, and all share one step cache. A failed point does not stop the others, but makes the exit
    code 1.
    """
    logging.getLogger("rsd.runs.execute").setLevel(logging.INFO)
    loaded = load_sweep(file, with_serve(override, serve), identified)
    for point in loaded.points:
        warn_of_earlier_names(point.config, point.directory)
    if status:
        for point, count in pending_by_point(loaded):
            shown = "unreadable" if count is None else count
            typer.echo(f"{point.directory}\t{shown}\t{','.join(point.labels)}")
        return
    if loaded.collapse:
        echo_error(f"rsd: {loaded.name}: {loaded.collapse}")
    without_torch(ready(point.config, file).decoding.strategy for point in loaded.points)
    outcomes = []
    width = max(len(point.label) for point in loaded.points)
    with resumable(), servers(serve, log_dir, timeout) as prepare:
        for outcome in execute_sweep(loaded, prepare, echo_error):
            if outcome.error is None:
                summarize(outcome.point.directory)
                echo_error(f"{outcome.point.label:<{width}}  {_in_short(outcome.point.directory)}")
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
        except StoreError:  # it never began, as the outcomes say
            continue
        if run.trajectories:
            runs.append(analyze(run))
    if runs:
        page = sweep.directory / REPORT
        write_page(runs, page)
        typer.echo(f"{render_table(runs)}\n\n{_hit_share(sweep, runs)}Report: {page}")


def _hit_share(sweep: Sweep, runs: Iterable[AnalyzedRun]) -> str:
    """A line on the use of the step cache; "" without one."""
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
    """The result of one point in a line, printed while the sweep runs."""
    overall = Metrics.model_validate_json((directory / METRICS).read_bytes()).overall
    without = percent(overall.accuracy_without_errors, 1)
    lost = f"  {overall.errors} failed, {without} right without them" if overall.errors else ""
    name = f"avg@{overall.samples.n}" if overall.samples else "accuracy"
    return (
        f"{name} {accuracy(overall.accuracy, overall.ci95):<19}  "
        f"{percent(overall.target_step_share):>4} of steps by target  "
        f"{fixed(overall.flops_ratio_vs_target_only.prm_once):>5} x the target's FLOPs{lost}"
    )


def _all_well(outcomes: list[PointOutcome]) -> bool:
    """Whether no point and no problem failed; prints those that did to stderr."""
    for outcome in outcomes:
        if outcome.failed:
            what = f"{outcome.failed} solutions failed; {printable(outcome.most_frequent_error)}"
            echo_error(f"rsd: {outcome.point.label}: {what}")
        elif outcome.error:
            echo_error(f"rsd: {outcome.point.label}: {outcome.error}")
    failed = sum(not outcome.ok for outcome in outcomes)
    if failed:
        again = "rerun the command to try them again"
        echo_error(f"rsd: {failed} of {len(outcomes)} points failed; {again}")
    return not failed
