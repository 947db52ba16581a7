"""`rsd doctor`: check the servers of a configuration."""

from __future__ import annotations

import asyncio

import typer

from rsd.backends import with_model_sampling
from rsd.cli.options import ConfigFile, Overrides
from rsd.cli.process import without_torch
from rsd.config import Config, load, ready
from rsd.errors import printable
from rsd.runs import examine

_NAME = 16
_COLOURS = {"ok": typer.colors.GREEN, "warning": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(config: ConfigFile, override: Overrides = None) -> None:
    """Check the servers that CONFIG's strategy needs: up, right model, context length,
    stop strings, tokenizers, sane rewards, rewards unchanged by the prefix cache.

    Exit code 1 if a check fails.
    """
    resolved = with_model_sampling(ready(load(config, override or ()), config))
    without_torch([resolved.decoding.strategy])
    failed = asyncio.run(_print_checks(resolved))
    if failed:
        raise typer.Exit(1)


async def _print_checks(config: Config) -> int:
    failed = 0
    async for check in examine(config):
        failed += check.status == "fail"
        status = typer.style(f"{check.status:<7}", fg=_COLOURS[check.status])
        typer.echo(f"{status}  {check.name:<{_NAME}}  {printable(check.detail)}")
        if check.fix:
            typer.echo(f"{'':<{11 + _NAME}}→ {printable(check.fix)}")
    return failed
