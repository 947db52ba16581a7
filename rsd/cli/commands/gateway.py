"""`rsd gateway`: RSD as an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from itertools import chain
from typing import Annotated

import typer

from rsd.backends import Backends, connect, load_tokenizer
from rsd.cli.options import (
    LOG_DIR,
    TIMEOUT_S,
    ConfigFile,
    LogDir,
    Overrides,
    Serve,
    Timeout,
    fatal_doubt,
    servers,
)
from rsd.cli.process import without_torch
from rsd.config import Config, is_loopback, load
from rsd.errors import ConfigError, printable
from rsd.grading import GraderPool
from rsd.protocols import Strategy
from rsd.runs.preflight import preflight
from rsd.runs.preflight.settings import settings
from rsd.runs.strategies import connected_strategy


def gateway(
    config: ConfigFile,
    override: Overrides = None,
    serve: Serve = False,
    log_dir: LogDir = LOG_DIR,
    timeout: Timeout = TIMEOUT_S,
    host: Annotated[
        str | None, typer.Option("--host", help="address to listen on; by default gateway.host")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="by default gateway.port")
    ] = None,
) -> None:
    """Serve RSD, and each other strategy as a model of its own, at /v1/chat/completions,
    /v1/completions and /v1/responses; a page to watch it is at /.

    The servers of CONFIG must answer, or are started by --serve. Ctrl-C or SIGTERM lets it finish
    the requests in work.
    """
    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import openai  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"rsd gateway: {error.name} is missing; in a clone of rsd: pip install -e '.[gateway]'"
        ) from None
    logging.getLogger("rsd.gateway").setLevel(logging.INFO)
    resolved = load(config, override or ())
    from rsd.gateway.catalog import catalog, connection_config

    listen = host or resolved.gateway.host
    keys = _keys(resolved, listen)
    chosen = resolved.gateway.port if port is None else port
    served = catalog(resolved).values()
    for each in served:
        if fatal := fatal_doubt(each.config, config):
            raise fatal
    without_torch(each.strategy for each in served)
    connecting = connection_config(served)
    with servers(serve, log_dir, timeout) as prepare:
        prepare(connecting)
        signalled = asyncio.run(_answer(resolved, connecting, listen, chosen, keys))
    if signalled == signal.SIGINT:
        raise typer.Exit(130)


async def _answer(
    config: Config, connecting: Config, host: str, port: int, keys: tuple[str, ...]
) -> int:
    """Serve until a signal comes; gives it."""
    from rsd.gateway import Gateway, serve

    tokenizer = load_tokenizer(config.models.target.model, key="models.target.model")
    await _warn(config, connecting)
    async with (
        GraderPool(workers=config.run.grading_workers) as grader,
        connect(connecting) as backends,
    ):

        def build(wanted: Config, servers: Backends) -> Strategy:
            return connected_strategy(wanted, servers, grader)

        served = Gateway(config, backends, build, tokenizer, keys)
        about = f"{', '.join(served.models)}; {'with' if keys else 'without'} API keys"
        return await serve(
            served, host, port, lambda url: typer.echo(f"rsd gateway: {url}/v1  ({about})")
        )


async def _warn(config: Config, connecting: Config) -> None:
    """Print what is doubtful about the settings of the models and about their servers."""
    from rsd.gateway.catalog import NO_TRUNCATION, catalog, with_decoding

    found = [settings(with_decoding(it.config, NO_TRUNCATION)) for it in catalog(config).values()]
    for check in dict.fromkeys([*chain(*found), *await preflight(connecting)]):
        if check.status == "warning":
            fix = check.fix and f"; {check.fix}"
            typer.echo(f"rsd: {check.name}: {printable(check.detail + fix)}", err=True)


def _keys(config: Config, host: str) -> tuple[str, ...]:
    """The accepted API keys. Raises `ConfigError` where none are set and others could connect."""
    name = config.gateway.api_keys_env
    keys = tuple(key.strip() for key in os.environ.get(name, "").split(",") if key.strip())
    if not keys and not is_loopback(host):
        raise ConfigError(
            f"gateway.host: {host} can be reached by others; set API keys in the environment "
            f"variable {name} (separated by commas), or listen on 127.0.0.1"
        )
    return keys
