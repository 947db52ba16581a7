"""The section `models` of a configuration: three models and their servers."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from rsd.config.strict import PositiveInt, Strict
from rsd.types import Role

SECRET_NAME = re.compile(r"(?:TOKEN|KEY|SECRET|PASSWORD)$", re.IGNORECASE)
"""What the name of an environment variable ends with that holds a secret."""

_SECRET_FLAGS = {
    "api-key": "write the model's api_key: ${NAME}",
    "hf-token": "set HF_TOKEN in the environment",
}


STRIDE = 100
"""Ports from a role's endpoint to its first replica, and from one replica to the next."""


class SpeculativeConfig(Strict):
    """Token-level speculative decoding inside the target's server, by vLLM itself."""

    method: Literal["draft_model", "eagle", "eagle3", "ngram"] = "draft_model"
    model: str | None = Field(None, description="the draft; ngram has none")
    tokens: PositiveInt = Field(4, description="tokens drafted before each check by the target")
    parameters: PositiveInt | None = Field(
        None, description="of the draft, for FLOPs; None: counted in a local checkpoint"
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="further keys of vLLM's --speculative-config"
    )

    @model_validator(mode="after")
    def _has_its_draft(self) -> Self:
        if (self.model is None) != (self.method == "ngram"):
            missing = "takes no model" if self.model else "needs a model, the draft's checkpoint"
            raise ValueError(f"method {self.method} {missing}")
        if self.method == "ngram" and "prompt_lookup_max" not in self.options:
            raise ValueError("method ngram needs options: {prompt_lookup_max: N}")
        return self


class ServeConfig(Strict):
    """How `rsd serve` starts a model's vLLM server. Ignored when someone else runs it, but for
    `speculative`, which says how the target's server decodes whoever started it."""

    device: Literal["cuda", "cpu"] = "cuda"
    devices: str | tuple[str, ...] | None = Field(
        None,
        description="CUDA_VISIBLE_DEVICES, such as '0' or '0,1'; a list has one for each replica",
    )
    tensor_parallel: PositiveInt = 1
    memory_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="share of the GPU's memory (--gpu-memory-utilization)"
    )
    kv_cache_gib: PositiveInt = Field(1, description="KV cache of a CPU server, GiB")
    threads: PositiveInt = Field(1, description="OpenMP threads of a CPU server")
    max_model_len: PositiveInt | None = None
    block_size: PositiveInt | None = Field(None, description="tokens a KV cache block")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    enforce_eager: bool = False
    hf_overrides: dict[str, Any] = Field(default_factory=dict)
    trust_remote_code: bool = False
    speculative: SpeculativeConfig | None = None
    flags: tuple[str, ...] = Field((), description="further vLLM flags, passed as they are")
    env: dict[str, str] = Field(default_factory=dict)

    @property
    def secrets(self) -> frozenset[str]:
        """The names in `env` that are secrets by what they are called, such as HF_TOKEN."""
        return frozenset(name for name in self.env if SECRET_NAME.search(name))

    @field_validator("flags")
    @classmethod
    def _hold_no_secret(cls, flags: tuple[str, ...]) -> tuple[str, ...]:
        """It would show in the process list, and in the configuration that a run stores."""
        for flag in flags:
            name = flag.split("=")[0]
            if mend := _SECRET_FLAGS.get(name.lstrip("-").replace("_", "-")):
                raise ValueError(f"{name} would show in the process list; {mend} instead")
        return flags

    @field_validator("devices", mode="before")
    @classmethod
    def _may_be_numbers(cls, devices: Any) -> Any:
        if isinstance(devices, list):
            return [str(each) if type(each) is int else each for each in devices]
        return str(devices) if type(devices) is int else devices


class ModelConfig(Strict):
    """One model, and the address that answers for it: of its server, or of a router before its
    replicas."""

    model: str = Field(description="checkpoint: a local directory or a name on the hub")
    served_name: str = Field(description="the name that requests use (--served-model-name)")
    endpoint: str = Field(description="base URL, ending in /v1")
    replicas: PositiveInt = Field(
        1, description="servers that rsd serve starts, behind a router at the endpoint if several"
    )
    parameters: PositiveInt | None = Field(
        None, description="parameter count for FLOPs; None: counted in a local checkpoint"
    )
    api_key: SecretStr | None = Field(None, description="only as ${NAME} of the environment")
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        600.0, description="for the whole of a request; a server that takes longer is stuck"
    )
    connect_timeout_s: Annotated[float, Field(gt=0)] = Field(
        10.0, description="for the connection alone"
    )
    serve: ServeConfig = ServeConfig()

    @model_validator(mode="before")
    @classmethod
    def _has_one_address(cls, values: Any) -> Any:
        if isinstance(values, dict) and "endpoints" in values:
            raise ValueError(
                "endpoints is no longer a key: write endpoint: URL, and replicas: N where rsd "
                "serve shall start N servers behind a router at that URL"
            )
        return values

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if "@" in parts.netloc or parts.query:  # it would be stored and shown with the URL
            raise ValueError("the URL holds a key or a query; write api_key: ${NAME} instead")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8001/v1")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError(f"{url!r}: its port is no number from 1 to 65535")
        if not parts.path.rstrip("/").endswith("/v1"):
            raise ValueError(f"{url!r} must end in /v1")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _each_replica_has_its_devices(self) -> Self:
        devices, count = self.serve.devices, self.replicas
        if isinstance(devices, tuple) and len(devices) != count:
            raise ValueError(
                f"serve.devices: {len(devices)} for {count} replicas; name one for each, or "
                f"write a single text for all"
            )
        return self

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """What the server loads: the model, and the draft of a speculative one."""
        speculative = self.serve.speculative
        return (
            (self.model, speculative.model) if speculative and speculative.model else (self.model,)
        )

    @property
    def workers(self) -> tuple[str, ...]:
        """The base URLs of its servers: the endpoint, or of several replicas those behind the
        router, each STRIDE ports above the one before."""
        if self.replicas == 1:
            return (self.endpoint,)
        return tuple(self.address(STRIDE * number) for number in range(1, self.replicas + 1))

    def address(self, above: int) -> str:
        """The base URL `above` ports above that of the endpoint. Raises `ValueError` where there
        is no such port."""
        parts = urlsplit(self.endpoint)
        port = (parts.port or 0) + above
        if not parts.port or port > 65535:
            raise ValueError(f"{self.endpoint}: no port is left for {self.replicas} replicas")
        host = parts.netloc.rpartition(":")[0]
        return parts._replace(netloc=f"{host}:{port}").geturl()

    def worker(self, number: int) -> Self:
        """This model on its server `number` alone, from 1."""
        devices = self.serve.devices
        own = devices[number - 1] if isinstance(devices, tuple) else devices
        serve = self.serve.model_copy(update={"devices": own})
        endpoint = self.workers[number - 1]
        return self.model_copy(update={"endpoint": endpoint, "replicas": 1, "serve": serve})


class RewardModelConfig(ModelConfig):
    """The process reward model: a model, and the input format of its kind. With `kind: judge`
    the target grades the steps, and there is no further model or server."""

    model: str = Field("", description=ModelConfig.model_fields["model"].description)
    served_name: str = Field("", description=ModelConfig.model_fields["served_name"].description)
    endpoint: str = Field("", description=ModelConfig.model_fields["endpoint"].description)
    kind: Literal["skywork", "qwen25-math", "math-shepherd", "rlhflow", "judge"] = "skywork"
    tokenizer: str | None = Field(None, description="None: the tokenizer beside the model")
    aggregation: Literal["last", "min", "prod", "mean"] = Field(
        "last", description="over the rewards of the steps so far, the newest included"
    )

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, url: str) -> str:
        return super()._is_url(url) if url else ""  # a judge's, in the configuration of a run

    @model_validator(mode="after")
    def _has_a_server(self) -> Self:
        for key in ("model", "served_name", "endpoint"):
            if self.kind != "judge" and not getattr(self, key):
                raise ValueError(f"{key} is missing; add it")
        return self


class ModelsConfig(Strict):
    draft: ModelConfig
    target: ModelConfig
    prm: RewardModelConfig

    @model_validator(mode="after")
    def _only_the_target_speculates(self) -> Self:
        for role in ("draft", "prm"):
            if self.role(role).serve.speculative is not None:
                raise ValueError(f"{role}.serve.speculative: only the target's server takes it")
        return self

    @property
    def scored_by(self) -> Role:
        """The server that rewards steps: the reward model's, or the target's for a judge."""
        return "target" if self.prm.kind == "judge" else "prm"

    def role(self, role: Role) -> ModelConfig:
        return {"draft": self.draft, "target": self.target, "prm": self.prm}[role]


def server_name(role: str, number: int) -> str:
    """What replica `number` of a role is called: `draft-2`. The role's only server, or the router
    before its replicas, has number 0: `draft`."""
    return f"{role}-{number}" if number else role
