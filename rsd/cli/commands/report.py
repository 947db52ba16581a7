"""`rsd report`: table, page, plots and CSV files of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd.analysis import analyze, read_published, render_table, save_metrics, write_page
from rsd.analysis.export import results, write_plots, write_tables
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import Plot, missing, plots
from rsd.cli.options import AsJson, RunDirectories
from rsd.errors import ConfigError, StoreError
from rsd.records import read_run


def report(
    runs: RunDirectories,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write a self-contained HTML page, and beside it its plots as PNG and its "
            "tables as CSV.",
        ),
    ] = None,
    paper: Annotated[
        bool,
        typer.Option("--paper", help="Set each run beside the published row of its paper_row."),
    ] = False,
    published: Annotated[
        Path | None,
        typer.Option(
            "--published",
            metavar="FILE",
            help="The published figures, if not data/paper/accuracy.csv; implies --paper.",
        ),
    ] = None,
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="With --html: the PNG and CSV files.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Compare runs: accuracy with intervals, cost, speed, paired differences.

    For a single run, metrics.json is updated too; if that fails, a warning says so.
    """
    if as_json and html is None and (paper or published is not None):
        raise ConfigError(
            "--json cannot include published figures: leave out --paper and --published, or add "
            "--html FILE for a page with them"
        )
    figures = read_published(published) if paper or published is not None else None
    distinct = {run.directory.resolve(): run for run in map(read_run, runs)}
    analyzed = [analyze(run) for run in distinct.values()]
    if as_json:
        typer.echo(results(analyzed).model_dump_json(indent=2))
    else:
        typer.echo(render_table(analyzed, figures))
    if len(analyzed) == 1:
        _save_metrics(analyzed[0])
    if html is not None:
        drawn = plots(analyzed)
        write_page(analyzed, html, figures, drawn)
        written = [f"Report: {html}", *(_write_files(analyzed, drawn, html) if files else [])]
        typer.echo("\n" + "\n".join(written), err=as_json)


def _save_metrics(run: AnalyzedRun) -> None:
    """Update metrics.json; only a warning if the run directory is read-only."""
    try:
        save_metrics(run.metrics, run.run.directory)
    except StoreError as error:
        typer.echo(f"rsd: warning: {error}", err=True)


def _write_files(runs: list[AnalyzedRun], drawn: list[Plot], html: Path) -> list[str]:
    """Write plots and tables beside the page; return a line on each."""
    tables, pictures = (html.with_name(f"{html.stem}_{what}") for what in ("tables", "plots"))
    write_tables(runs, tables)
    written = write_plots(drawn, pictures)
    return [f"Tables: {tables}", f"Plots: {pictures}" if written else missing() or "Plots: none"]
