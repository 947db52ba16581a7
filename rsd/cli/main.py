"""The entry point: registers the commands and maps errors to exit codes.

0 done; 1 failed problems, a failed check or a failed server; 2 bad usage or configuration;
130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import cast

import typer

from rsd import __version__
from rsd.cli.commands.calibrate import calibrate
from rsd.cli.commands.doctor import doctor
from rsd.cli.commands.gateway import gateway
from rsd.cli.commands.grade import grade
from rsd.cli.commands.mock import mock
from rsd.cli.commands.prompt import prompt
from rsd.cli.commands.report import report
from rsd.cli.commands.run import run
from rsd.cli.commands.serve import serve
from rsd.cli.commands.sweep import sweep
from rsd.cli.commands.tasks import tasks
from rsd.cli.process import INTERRUPTED, prepare_process
from rsd.errors import ConfigError, RsdError, first_error, printable

# By version, typer bundles click or uses the installed one; this is the base class in both cases.
_USAGE_ERROR: type[Exception] = cast("type[Exception]", typer.BadParameter.__mro__[1])

app = typer.Typer(
    name="rsd",
    help="Reward-guided speculative decoding on vLLM servers: run it, measure it, serve it.",
    add_completion=False,
    rich_markup_mode=None,
)
for command in (serve, doctor, prompt, run, sweep, grade, report, calibrate, gateway, mock):
    app.command()(command)
app.add_typer(tasks, name="tasks")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rsd {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="print the version"
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="log details"),
) -> None:
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(
        _Printable("%(asctime)s %(name)s: %(message)s" if verbose else "rsd: %(message)s")
    )
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, handlers=[to_stderr])


class _Printable(logging.Formatter):
    """Escapes control characters: log lines may quote a model or a server."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n\t")


def program() -> None:
    """`main`, after setting up the process."""
    prepare_process()
    main()


def main() -> None:
    """Run the command line and exit."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="rsd", standalone_mode=False)
    except ConfigError as error:
        return _fail(str(error), 2)
    except RsdError as error:
        return _fail(str(error), 1)
    except ExceptionGroup as group:
        return _fail(str(first_error(group)), 1)
    except _USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "rsd"
        message = error.format_message()  # type: ignore[attr-defined]  # str leaves the option out
        return _fail(f"{message.rstrip('.')}; see {command} --help", 2)
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except PermissionError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(printable(f"{place}{error.strerror}"), 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(INTERRUPTED, 130)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    print(f"rsd: {message}", file=sys.stderr)
    return code
