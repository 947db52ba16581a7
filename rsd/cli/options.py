"""Arguments and options that several commands share, and what `--serve` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rsd.config import Config, config_issues
from rsd.errors import ConfigError, LaunchError, printable
from rsd.serving import build_all, preflight, running
from rsd.serving.supervisor import DEFAULT_LOG_DIR, DEFAULT_TIMEOUT_S

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="a configuration file (YAML)")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override", "-o", metavar="KEY=VALUE", help="set a key, such as decoding.threshold=0.8"
    ),
]
RunDirectory = Annotated[Path, typer.Argument(metavar="RUN", help="a run directory")]
RunDirectories = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="run directories, such as runs/demo-*")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of tables")]
Serve = Annotated[
    bool, typer.Option("--serve", help="start the vLLM servers that are needed, stop them after")
]
LogDir = Annotated[
    Path, typer.Option("--log-dir", help="with --serve: directory for the servers' logs")
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=1, help="with --serve: seconds that a server may take to start"),
]
Status = Annotated[
    bool, typer.Option("--status", help="only print each run directory and its pending solutions")
]

LOG_DIR, TIMEOUT_S = DEFAULT_LOG_DIR, DEFAULT_TIMEOUT_S


def echo_error(line: str) -> None:
    typer.echo(line, err=True)


def with_serve(overrides: list[str] | None, serve: bool) -> list[str]:
    """The overrides of a command. With `--serve`, a lost server fails the run unless they say
    otherwise, since nobody else restarts it."""
    return [*(["run.on_server_loss=fail"] if serve else []), *(overrides or ())]


def fatal_doubt(config: Config, file: Path) -> ConfigError | None:
    """The error, naming `file`, for settings of `config` that leave nothing to run, if any do."""
    fatal = [issue for issue in config_issues(config) if issue.fatal]
    return ConfigError(f"{file}: {fatal[0]}") if fatal else None


@contextmanager
def servers(serve: bool, log_dir: Path, timeout_s: float) -> Iterator[Callable[[Config], None]]:
    """Gives a function that starts the servers of a configuration and waits until they answer.
    Those that another configuration does not need are stopped, and all at the end. Without
    `serve`, the function does nothing.

    The function raises `ConfigError` or `LaunchError`.
    """
    if not serve:
        yield lambda config: None
        return
    preflight.check_vllm()
    with running((), log_dir=log_dir, announce=echo_error) as supervisor:

        def prepare(config: Config) -> None:
            preflight.check_models(config, config.roles)
            commands = build_all(config, config.roles)
            try:
                supervisor.have(commands, timeout_s)
            except LaunchError as error:
                for note in getattr(error, "__notes__", ()):  # the end of the server's log
                    echo_error(printable(note, keep="\n\t"))
                raise

        yield prepare
