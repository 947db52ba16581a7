"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="a configuration file (YAML)")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override", "-o", metavar="KEY=VALUE", help="set a key, such as decoding.threshold=0.8"
    ),
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]
