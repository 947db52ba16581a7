"""The vLLM servers of one role as commands: their arguments and environment.

Of a role with several replicas one more command is that of vllm-router, which answers at the
role's endpoint and keeps the requests of a problem, known by their `X-Session-ID`, at one replica.

Flags were checked against vLLM 0.32 and 0.33. The server is started as a module because the
`vllm` script does not work in the CPU build, whose distribution has another name.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rsd.config import (
    Config,
    ModelConfig,
    RewardModelConfig,
    ServeConfig,
    SpeculativeConfig,
    looks_like_path,
    server_name,
)
from rsd.config.models import SECRET_NAME, STRIDE
from rsd.errors import ConfigError
from rsd.types import Role

MODULE = "vllm.entrypoints.openai.api_server"
ROUTER = "vllm_router.launch_router"
_ROUTER_S = 24 * 60 * 60  # seconds; models.*.timeout_s is what limits a request
_REFERENCE = re.compile(r"^\$\{(\w+)\}$")
_POOLING_KINDS = ("skywork", "qwen25-math")
"""Reward models that answer with a value; the others answer with a language model's token."""
_ARCHITECTURES = {"qwen25-math": "Qwen2ForLastStepRewardModel"}
"""Architectures of `rsd.vllm_plugin` for checkpoints that name another, by kind of reward model."""


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """One server: how it is started, where it answers, and which GPUs it fills.

    `env` holds what is added to the launcher's own environment; it may hold secrets, so it is
    left out of the repr. `gpus` are device names as in CUDA_VISIBLE_DEVICES, none on the CPU;
    `memory_share` is the share of each that it takes (None: vLLM's default, nearly all).
    `number` is that of a replica, from 1; 0 for the role's only server, or the router before
    several.
    """

    role: Role
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    host: str
    port: int
    gpus: frozenset[str] = frozenset()
    memory_share: float | None = None
    number: int = 0
    is_router: bool = False

    @property
    def name(self) -> str:
        """`draft`, and `draft-2` for its second replica."""
        return server_name(self.role, self.number)

    @property
    def address(self) -> str:
        """The base URL of the server, ending in /v1."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    def shell(self, environ: Mapping[str, str] | None = None) -> str:
        """The command as one line for a POSIX shell. A secret is written as a reference to the
        variable of `environ` (default: this process's) that holds it."""
        known = os.environ if environ is None else environ
        settings = [f"{name}={_shell_value(name, self.env[name], known)}" for name in self.env]
        return " ".join([*settings, shlex.join(self.argv)])


def build_all(config: Config, roles: Iterable[Role]) -> list[ServerCommand]:
    """The commands that serve `roles`. Raises `ConfigError`."""
    return [build(config, role, number) for role in roles for number in numbers(config, role)]


def numbers(config: Config, role: Role) -> range:
    """The numbers of the role's servers: 0, and of several replicas also 1, 2 ..."""
    replicas = config.models.role(role).replicas
    return range(1 if replicas == 1 else replicas + 1)


def build(config: Config, role: Role, number: int = 0) -> ServerCommand:
    """The command of the server `number` of `role`, as `config` describes it. Raises
    `ConfigError`."""
    model = config.models.role(role)
    if _kind(model) == "judge":
        raise ConfigError(
            f"models.{role}.kind: judge has no server of its own; serve the target, which grades"
        )
    host, port = _host_and_port(model.endpoint, role)
    try:
        workers = model.workers
        metrics = urlsplit(model.address(STRIDE * len(numbers(config, role)))).port
    except ValueError as error:
        raise ConfigError(f"models.{role}.endpoint: {error}") from error
    if model.replicas > 1 and number == 0:
        argv = (sys.executable, "-m", ROUTER, *_router_arguments(workers, host, port, metrics))
        return ServerCommand(role, argv, {}, host, port, is_router=True)
    model = model.worker(number or 1)
    host, port = _host_and_port(model.endpoint, role)
    return ServerCommand(
        role=role,
        argv=(sys.executable, "-m", MODULE, *_arguments(model, role, host, port)),
        env=_environment(model, role),
        host=host,
        port=port,
        gpus=_gpus(model.serve, role, number),
        memory_share=model.serve.memory_share,
        number=number,
    )


def _router_arguments(
    workers: Iterable[str], host: str, port: int, metrics_port: int | None
) -> list[str]:
    """The arguments of vllm-router (0.1.17). A lost replica gets no requests after a second, and
    one that is back gets them again after another. Requests wait for a place without a limit of
    their own, as they do at vLLM, and rsd repeats those that fail."""
    urls = [worker.removesuffix("/v1") for worker in workers]
    return [
        *("--host", host, "--port", str(port), "--worker-urls", *urls),
        *("--policy", "consistent_hash", "--prometheus-port", str(metrics_port)),
        *("--worker-startup-check-interval", "1", "--health-check-interval-secs", "1"),
        *("--health-failure-threshold", "1", "--health-success-threshold", "1"),
        *("--health-check-timeout-secs", "10", "--request-timeout-secs", str(_ROUTER_S)),
        *("--queue-size", "100000", "--queue-timeout-secs", str(_ROUTER_S)),
        *("--disable-retries", "--disable-circuit-breaker", "--log-level", "warning"),
    ]


def is_local(model: str) -> bool:
    """Whether `model` names a directory; a name on the hub is `name` or `organisation/name`."""
    return looks_like_path(model) or Path(model).is_dir()


def _arguments(model: ModelConfig, role: Role, host: str, port: int) -> list[str]:
    serve = model.serve
    arguments = ["--model", model.model, "--served-model-name", model.served_name]
    arguments += ["--host", host, "--port", str(port), "--dtype", serve.dtype]
    if serve.max_model_len is not None:
        arguments += ["--max-model-len", str(serve.max_model_len)]
    if serve.tensor_parallel > 1:
        arguments += ["--tensor-parallel-size", str(serve.tensor_parallel)]
    if serve.memory_share is not None and serve.device == "cuda":
        arguments += ["--gpu-memory-utilization", str(serve.memory_share)]
    if serve.block_size is not None:
        arguments += ["--block-size", str(serve.block_size)]
    if overrides := _hf_overrides(model):
        arguments += ["--hf-overrides", json.dumps(overrides, separators=(",", ":"))]
    if serve.enforce_eager:
        arguments.append("--enforce-eager")
    if serve.trust_remote_code:
        arguments.append("--trust-remote-code")
    arguments += ["--enable-prefix-caching", "--disable-uvicorn-access-log"]
    arguments += _task_arguments(model)
    return [*arguments, *serve.flags]


def _hf_overrides(model: ModelConfig) -> dict[str, Any]:
    """Overrides of the checkpoint's config.json; the configuration's own win."""
    architecture = _ARCHITECTURES.get(_kind(model))
    return ({"architectures": [architecture]} if architecture else {}) | model.serve.hf_overrides


def _kind(model: ModelConfig) -> str:
    """The kind of a reward model, "" for a generator."""
    return model.kind if isinstance(model, RewardModelConfig) else ""


def _task_arguments(model: ModelConfig) -> list[str]:
    if _kind(model) in _POOLING_KINDS:
        return ["--runner", "pooling"]
    # Without it vLLM samples by the checkpoint's own defaults where a request is silent, such as
    # the repetition penalty of Qwen2.5-Instruct, which changes greedy answers too.
    arguments = ["--enable-prompt-tokens-details", "--generation-config", "vllm"]
    if not _kind(model) and model.serve.device == "cpu":
        # vLLM 0.32 on the CPU ends its engine ("CPU Generator does not use offset") when the
        # prefill of a request with a seed and a temperature is split over two steps.
        arguments.append("--no-enable-chunked-prefill")
    if model.serve.speculative is not None:
        arguments += ["--speculative-config", _speculative(model.serve.speculative)]
    return arguments


def _speculative(config: SpeculativeConfig) -> str:
    """The value of --speculative-config. Source: vllm/config/speculative.py."""
    values = {"method": config.method, "model": config.model} | config.options
    values["num_speculative_tokens"] = config.tokens
    known = {key: value for key, value in values.items() if value is not None}
    return json.dumps(known, separators=(",", ":"))


def _environment(model: ModelConfig, role: Role) -> dict[str, str]:
    serve = model.serve
    env = {"VLLM_NO_USAGE_STATS": "1"}
    if all(map(is_local, model.checkpoints)):
        env["HF_HUB_OFFLINE"] = "1"
    if serve.device == "cpu":
        env |= {
            "VLLM_CPU_KVCACHE_SPACE": str(serve.kv_cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(serve.threads),
        }
        if serve.tensor_parallel == 1:
            # The engine then runs the model itself instead of in a worker process of its own:
            # half a gigabyte and one more import of torch less, with the same tokens.
            env["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    elif (devices := _devices(serve)) is not None:
        env["CUDA_VISIBLE_DEVICES"] = devices
    if model.api_key is not None:
        env["VLLM_API_KEY"] = model.api_key.get_secret_value()
    where = f"models.{role}.serve.env"
    return env | {name: _resolved(value, f"{where}.{name}") for name, value in serve.env.items()}


def _resolved(value: str, where: str) -> str:
    """`value`, or what the launcher's environment holds where it is ${NAME}."""
    name = _REFERENCE.match(value)
    if name is None:
        return value
    if name[1] not in os.environ:
        raise ConfigError(f"{where}: set {name[1]} in the environment")
    return os.environ[name[1]]


def _host_and_port(endpoint: str, role: Role) -> tuple[str, int]:
    parts = urlsplit(endpoint)
    where = f"models.{role}.endpoint: {endpoint}"
    if parts.scheme != "http" or parts.path != "/v1":
        raise ConfigError(
            f"{where}: rsd serve starts plain servers at http://HOST:PORT/v1; write it so, "
            "or start this one yourself"
        )
    try:
        port = parts.port
    except ValueError:
        port = None
    if not port or parts.hostname is None:
        raise ConfigError(f"{where}: names no port; write http://127.0.0.1:8001/v1, say")
    return parts.hostname, port


def _gpus(serve: ServeConfig, role: Role, number: int) -> frozenset[str]:
    """The GPUs that the server fills: the first of its devices, or of the machine's where none is
    named. Raises `ConfigError` where more are wanted than are named."""
    if serve.device == "cpu":
        return frozenset()
    wanted, devices = serve.tensor_parallel, _devices(serve)
    if devices is None:
        return frozenset(map(str, range(wanted)))
    named = list(dict.fromkeys(name.strip() for name in devices.split(",") if name.strip()))
    if len(named) < wanted:
        raise ConfigError(
            f"models.{role}.serve.tensor_parallel: {wanted} GPUs are wanted and devices names "
            f"{len(named)} for {server_name(role, number)} ({devices!r}); name more, or lower "
            "tensor_parallel"
        )
    return frozenset(named[:wanted])


def _devices(serve: ServeConfig) -> str | None:
    assert not isinstance(serve.devices, tuple), "that of one replica is no list"
    return serve.devices


def _shell_value(name: str, value: str, environ: Mapping[str, str]) -> str:
    if not SECRET_NAME.search(name):
        return shlex.quote(value)
    holder = next((other for other in sorted(environ) if environ[other] == value), name)
    return f'"${{{holder}}}"'
