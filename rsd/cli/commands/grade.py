"""`rsd grade`: grade a run again without generating."""

from __future__ import annotations

import asyncio

import typer

from rsd.analysis import summarize
from rsd.cli.options import RunDirectory
from rsd.records import read_run
from rsd.runs import regrade


def grade(run: RunDirectory) -> None:
    """Grade the stored responses of RUN again, and update its metrics and report."""
    asyncio.run(regrade(read_run(run).config, run))
    typer.echo(summarize(run))
