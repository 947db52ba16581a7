"""`rsd serve`: start, watch and stop the vLLM servers of a configuration."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from rsd.cli.options import ConfigFile, Overrides
from rsd.config import Config, load, ready, server_name
from rsd.errors import ConfigError, LaunchError, printable
from rsd.serving import ServerCommand, Supervisor, build, numbers, preflight, running
from rsd.serving.supervisor import DEFAULT_LOG_DIR, DEFAULT_TIMEOUT_S
from rsd.types import ROLES, Role

_WEEK_S = 7 * 24 * 3600
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(
    config: ConfigFile,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="ROLE",
            help="draft, target or prm, or draft-2 for its second endpoint; may be repeated",
        ),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="only print the command lines, for a shell")
    ] = False,
    override: Overrides = None,
    log_dir: Annotated[
        Path, typer.Option("--log-dir", help="where each server's output goes, as draft.log")
    ] = DEFAULT_LOG_DIR,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=1, max=_WEEK_S, help="seconds that a server may take to answer"
        ),
    ] = DEFAULT_TIMEOUT_S,
    ready_file: Annotated[
        Path | None,
        typer.Option("--ready-file", help="a file that exists while all servers answer"),
    ] = None,
) -> None:
    """Start the vLLM servers that CONFIG describes, one for each endpoint on this machine, wait
    until they answer, and keep them until Ctrl-C (or SIGTERM), which stops all of them.

    If one dies that has no replica, the last lines of its log are shown, the others are
    stopped, and the exit code is 1; none is restarted.
    """
    resolved = ready(load(config, override or ()), config)
    wanted = _wanted(only or (), resolved)
    if not print_only:
        _take_back(ready_file)
    with _naming(config):
        commands = [build(resolved, role, number) for role, number in wanted]
        if print_only:
            for command in commands:
                typer.echo(f"# {command.name}: {command.address}")
                typer.echo(command.shell())
            return
        preflight.check_models(resolved, dict.fromkeys(role for role, _ in wanted))
        preflight.check_vllm()
        preflight.check_router(commands)
        with _interrupted_by_signals():
            _keep_running(commands, log_dir, timeout, ready_file)


def _keep_running(
    commands: Sequence[ServerCommand], log_dir: Path, timeout: float, ready_file: Path | None
) -> None:
    for command in commands:
        typer.echo(f"$ {command.shell()}")
    try:
        with (
            running(
                commands, log_dir=log_dir, timeout_s=timeout, announce=typer.echo
            ) as supervisor,
            _marked_ready(ready_file),
        ):
            _announce_ready(supervisor)
            supervisor.watch()
    except KeyboardInterrupt:
        typer.echo("rsd: servers stopped")
        raise typer.Exit(130) from None
    except LaunchError as error:
        for note in getattr(error, "__notes__", ()):
            typer.echo(printable(note, keep="\n\t"), err=True)
        raise


def _announce_ready(supervisor: Supervisor) -> None:
    servers = ", ".join(f"{s.command.name} {s.command.address}" for s in supervisor.servers)
    typer.echo(f"all servers answer: {servers}; Ctrl-C stops them")


def _wanted(names: Sequence[str], config: Config) -> list[tuple[Role, int]]:
    """The servers to start, by role and number: those named, or all. A judge's
    reward model is the target's server."""
    own = [role for role in ROLES if role != "prm" or config.models.scored_by == "prm"]
    known: dict[str, list[tuple[Role, int]]] = {}
    for role in ROLES:
        known[role] = [(role, number) for number in numbers(config, role)]
        known |= {
            server_name(role, number): [(role, number)] for _, number in known[role] if number
        }
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"--only {unknown[0]}: no such role; known: {', '.join(known)}")
    return list(dict.fromkeys(server for name in names or own for server in known[name]))


@contextlib.contextmanager
def _naming(config: Path) -> Iterator[None]:
    """Errors about keys name the file that holds them."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{config}: {error}") from error


def _take_back(path: Path | None) -> None:
    """Remove the ready file that a killed launcher left. Raises `ConfigError` before the servers
    load if it cannot be written."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"--ready-file {path}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _marked_ready(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    path.touch()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Ctrl-C, `kill` and a closed terminal interrupt once; the shutdown is not interrupted.

    SIGINT is included because a shell starts a background job with SIGINT ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
