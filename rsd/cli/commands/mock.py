"""`rsd mock`: fake servers at the addresses of a configuration."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from rsd.cli.options import Overrides
from rsd.config import Config, load
from rsd.errors import ConfigError
from rsd.tasks import tasks_of
from rsd.testing.reasoner import ToyReasoner, load_solutions
from rsd.testing.tokenizers import CheckpointTokenizer
from rsd.types import ROLES, Role

if TYPE_CHECKING:
    from fastapi import FastAPI

_LOCAL = ("127.0.0.1", "localhost")
_DEFAULT_CONTEXT = 4096
_DEFAULT_BLOCK = 16


def mock(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="a configuration file (YAML)")
    ] = Path("configs/demo.yaml"),
    override: Overrides = None,
) -> None:
    """Start fake vLLM servers without models at the addresses of CONFIG, to try rsd in seconds.

    The fake target writes the benchmark's own solutions, the fake draft gets half of them wrong,
    the fake reward model knows which: accuracies mean nothing. Runs until Ctrl-C.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"rsd mock: {error.name} is missing; in a clone of rsd: pip install -e '.[gateway]'"
        ) from None
    try:
        asyncio.run(_serve(load(config, override or ())))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _serve(config: Config) -> None:
    from rsd.testing.server import live

    if config.models.prm.kind != "skywork":
        raise ConfigError(
            f"models.prm.kind: rsd mock imitates skywork only, not {config.models.prm.kind}"
        )
    reasoner = ToyReasoner(load_solutions(tasks_of(config.tasks).values(), config.tasks.data_dir))
    async with AsyncExitStack() as stack:
        for role in ROLES:
            model = config.models.role(role)
            app = _app(config, role, reasoner)
            for endpoint in dict.fromkeys((model.endpoint, *model.workers)):
                url = await stack.enter_async_context(live(app, _port(role, endpoint)))
                typer.echo(f"{role:<6}  {url}/v1  {model.served_name} (fake)")
        typer.echo("ready; Ctrl-C stops")
        await asyncio.Event().wait()


def _app(config: Config, role: Role, reasoner: ToyReasoner) -> FastAPI:
    from rsd.testing.fake_engine import Behavior
    from rsd.testing.fake_vllm import create_app

    model = config.models.role(role)
    tokenizer = Path(config.models.prm.tokenizer or model.model if role == "prm" else model.model)
    behavior = {
        "draft": Behavior(write=reasoner.draft, logprob=reasoner.logprob),
        "target": Behavior(write=reasoner.target, logprob=reasoner.logprob),
        "prm": Behavior(reward=reasoner.reward),
    }[role]
    return create_app(
        behavior,
        served_name=model.served_name,
        root=model.model,
        max_model_len=model.serve.max_model_len or _DEFAULT_CONTEXT,
        tokenizer=CheckpointTokenizer(tokenizer) if tokenizer.is_dir() else None,
        block_size=model.serve.block_size or _DEFAULT_BLOCK,
    )


def _port(role: Role, endpoint: str) -> int:
    """The port to listen on. Raises `ConfigError` for an endpoint on another machine."""
    parts = urlsplit(endpoint)
    if parts.hostname not in _LOCAL or parts.port is None:
        raise ConfigError(
            f"models.{role}.endpoint: {endpoint} is not a port of this machine; set it with "
            f"-o models.{role}.endpoint=http://127.0.0.1:8101/v1"
        )
    return parts.port
