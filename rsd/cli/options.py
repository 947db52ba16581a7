"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rsd.config import Config, config_issues
from rsd.errors import ConfigError

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="a configuration file (YAML)")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override", "-o", metavar="KEY=VALUE", help="set a key, such as decoding.threshold=0.8"
    ),
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]


def fatal_doubt(config: Config, file: Path) -> ConfigError | None:
    """The error, naming `file`, for settings of `config` that leave nothing to run, if any do."""
    fatal = [issue for issue in config_issues(config) if issue.fatal]
    return ConfigError(f"{file}: {fatal[0]}") if fatal else None
