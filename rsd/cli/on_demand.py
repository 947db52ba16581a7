"""Servers for as long as a command works: started when a configuration needs them, replaced when
another one needs others, stopped at the end. The option `--serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rsd.config import Config
from rsd.errors import LaunchError, printable
from rsd.serving import build_all, preflight, running
from rsd.serving.supervisor import DEFAULT_LOG_DIR, DEFAULT_TIMEOUT_S

Serve = Annotated[
    bool, typer.Option("--serve", help="start the vLLM servers that are needed, stop them after")
]
LogDir = Annotated[
    Path, typer.Option("--log-dir", help="with --serve: where each server's output goes")
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=1, help="with --serve: seconds that a server may take to answer"),
]

LOG_DIR, TIMEOUT_S = DEFAULT_LOG_DIR, DEFAULT_TIMEOUT_S

NOBODY_RESTARTS = "run.on_server_loss=fail"
"""What `--serve` sets, unless it is set otherwise: a server that dies then stays dead."""


@contextmanager
def servers(wanted: bool, log_dir: Path, timeout_s: float) -> Iterator[Callable[[Config], None]]:
    """Gives a function that has the servers of a configuration answer; one that does nothing
    unless they are `wanted`, because someone else runs them then.

    The function raises `ConfigError` or `LaunchError`.
    """
    if not wanted:
        yield lambda config: None
        return
    preflight.check_vllm()
    with running((), log_dir=log_dir, announce=_announce) as supervisor:

        def prepare(config: Config) -> None:
            preflight.check_models(config, config.roles)
            commands = build_all(config, config.roles)
            try:
                supervisor.have(commands, timeout_s)
            except LaunchError as error:
                for note in getattr(error, "__notes__", ()):  # the end of the server's log
                    _announce(printable(note, keep="\n\t"))
                raise

        yield prepare


def _announce(line: str) -> None:
    typer.echo(line, err=True)
