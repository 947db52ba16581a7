"""What can be known to fail before a server is started: a minute of loading is saved each time."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

from rsd.config import Config
from rsd.errors import ConfigError, LaunchError
from rsd.serving.command import ServerCommand, is_local
from rsd.types import Role

_ROUNDING = 1e-9


def check_models(config: Config, roles: Iterable[Role]) -> None:
    """Every model that is a directory exists and is a checkpoint. Raises `ConfigError`."""
    for role in roles:
        model, *draft = config.models.role(role).checkpoints
        _check_checkpoint(f"models.{role}.model", model)
        for checkpoint in draft:
            _check_checkpoint(f"models.{role}.serve.speculative.model", checkpoint)


def check_gpus(commands: Sequence[ServerCommand]) -> None:
    """Servers that share a GPU leave room for one another. Raises `ConfigError`."""
    for gpu in sorted({gpu for command in commands for gpu in command.gpus}):
        sharing = [command for command in commands if gpu in command.gpus]
        shares = [0.9 if c.memory_share is None else c.memory_share for c in sharing]
        if len(sharing) > 1 and sum(shares) > 1 + _ROUNDING:
            names = " and ".join(command.name for command in sharing)
            roles = dict.fromkeys(command.role for command in sharing)
            keys = " and ".join(f"models.{role}.serve.memory_share" for role in roles)
            raise ConfigError(
                f"{names} share GPU {gpu} but take {' and '.join(f'{x:g}' for x in shares)} of "
                f"its memory; set {keys} so that all on it stay below 1, or give them other "
                f"serve.devices (of a role with several replicas a list, one for each)"
            )


def check_ports(commands: Sequence[ServerCommand]) -> None:
    """Every address is of this machine, and every port free and asked for once. Raises
    `ConfigError` or `LaunchError`."""
    for command in commands:
        _check_host(command)
    for first, second in combinations(commands, 2):
        if first.port == second.port:
            raise ConfigError(
                f"models.{first.role}.endpoint and models.{second.role}.endpoint: {first.name} and "
                f"{second.name} both use port {first.port}; write other ports"
            )
    for command in commands:
        _check_port(command)


def check_vllm() -> None:
    """vLLM is installed beside rsd. Raises `LaunchError`."""
    if importlib.util.find_spec("vllm") is None:
        raise LaunchError(
            "vllm is not installed in this environment; on a GPU machine pip install -r "
            "requirements.txt, for the CPU run bash scripts/quickstart.sh, which makes .venv"
        )


def check_router(commands: Sequence[ServerCommand]) -> None:
    """vllm-router is installed if one of `commands` needs it. Raises `LaunchError`."""
    for command in commands:
        if command.is_router and importlib.util.find_spec("vllm_router") is None:
            raise LaunchError(
                f"models.{command.role}.replicas: several servers need a router before them, and "
                f"none is installed; pip install vllm-router"
            )


def _check_checkpoint(key: str, model: str) -> None:
    if not is_local(model):
        return
    if not Path(model).is_dir():
        raise ConfigError(
            f"{key}: {model}: no such directory; write the path of a checkpoint (relative to the "
            "current directory) or its name on the hub (organisation/name)"
        )
    if not (Path(model) / "config.json").is_file():
        raise ConfigError(f"{key}: {model}: not a checkpoint, it holds no config.json")


def _is_here(host: str) -> bool:
    """Whether `host` is an address of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _check_host(command: ServerCommand) -> None:
    key = f"models.{command.role}.endpoint"
    try:
        socket.getaddrinfo(command.host, 0, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ConfigError(
            f"{key}: host {command.host} is unknown ({error.strerror}); rsd serve starts servers "
            "on this machine only, at 127.0.0.1, say"
        ) from error
    if not _is_here(command.host):
        raise LaunchError(
            f"{command.name}: {command.host} is another machine; start it there (rsd serve --only "
            f"{command.name}) and only the others here, or write an address of this one in {key}"
        )


def _check_port(command: ServerCommand) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            command.host, command.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As vLLM binds: connections that linger after a stop are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise LaunchError(
            f"{command.name}: cannot listen on port {command.port} of {command.host} "
            f"({error.strerror}); stop what uses it (ss -ltnp 'sport = :{command.port}' names "
            f"it), or write another address in models.{command.role}.endpoint"
        ) from error
