"""`rsd calibrate`: the threshold for a budget, from recorded rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd.analysis.calibration import calibrate as calibrated
from rsd.analysis.calibration.table import render_calibration
from rsd.cli.options import AsJson
from rsd.errors import ConfigError
from rsd.records import read_run


def calibrate(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="The run to calibrate on; further runs, at other thresholds, check what it "
            "predicts.",
        ),
    ],
    target_share: Annotated[
        float,
        typer.Option("--target-share", help="The share of steps that the target may write."),
    ] = 0.3,
    as_json: AsJson = False,
) -> None:
    """Suggest the threshold for a budget, and show how well the reward model predicts.

    Uses the rewards that an rsd or oracle run recorded; nothing is decoded.
    """
    if not 0 <= target_share <= 1:
        raise ConfigError(f"--target-share {target_share:g}: give a share from 0 to 1, such as 0.3")
    first, *others = {path.resolve(): path for path in runs}.values()
    found = calibrated(read_run(first), target_share, tuple(read_run(path) for path in others))
    typer.echo(found.model_dump_json(indent=2) if as_json else render_calibration(found))
