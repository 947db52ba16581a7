"""Configuration: one YAML file says which models, how to decode, which benchmarks.

Unknown keys are errors. `load` reads a file and applies dotted overrides (`a.b=value`, the
value read as YAML); `digest` names what determines results, so that two runs share a directory
exactly when they would give the same answers. Errors are `ConfigError`s of one line that names
file, key and mend.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from rsd.errors import ConfigError
from rsd.prompts import TEMPLATES
from rsd.types import ROLES, Role

PositiveInt = Annotated[int, Field(ge=1)]
_SECRET = re.compile(r"^\$\{(\w+)\}$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ServeConfig(_Strict):
    """How `rsd serve` starts a model's vLLM server. Ignored when someone else runs it."""

    device: Literal["cuda", "cpu"] = "cuda"
    devices: str | None = Field(None, description="CUDA_VISIBLE_DEVICES, such as '0' or '0,1'")
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
    flags: tuple[str, ...] = Field((), description="further vLLM flags, passed as they are")
    env: dict[str, str] = Field(default_factory=dict)


class ModelConfig(_Strict):
    """One model and the server that answers for it."""

    model: str = Field(description="checkpoint: a local directory or a name on the hub")
    served_name: str = Field(description="the name that requests use (--served-model-name)")
    endpoints: tuple[str, ...] = Field(
        min_length=1, max_length=1, description="base URL of the server, ending in /v1"
    )
    parameters: PositiveInt | None = Field(
        None, description="parameter count for FLOPs; None: counted in a local checkpoint"
    )
    api_key: SecretStr | None = Field(None, description="only as ${NAME} of the environment")
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    serve: ServeConfig = ServeConfig()

    @field_validator("endpoints")
    @classmethod
    def _are_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8001/v1")
            if not parts.path.rstrip("/").endswith("/v1"):
                raise ValueError(f"{url!r} must end in /v1")
        return tuple(url.rstrip("/") for url in urls)

    @property
    def endpoint(self) -> str:
        """The base URL of the server, ending in /v1."""
        return self.endpoints[0]


class RewardModelConfig(ModelConfig):
    """The process reward model: a model, and the input format of its kind."""

    kind: Literal["skywork"] = "skywork"
    tokenizer: str | None = Field(None, description="None: the tokenizer beside the model")


class ModelsConfig(_Strict):
    draft: ModelConfig
    target: ModelConfig
    prm: RewardModelConfig

    def role(self, role: Role) -> ModelConfig:
        return {"draft": self.draft, "target": self.target, "prm": self.prm}[role]


class DecodingConfig(_Strict):
    """How a solution is written. See `rsd.decoding`."""

    strategy: Literal["rsd", "draft", "target"] = "rsd"
    threshold: float = Field(0.7, description="δ: a draft step is kept if its reward >= δ")
    weighting: Literal["step"] = "step"
    prompt: str = "qwen25-math-cot"
    step_separator: Annotated[str, Field(min_length=1)] = "\n\n"
    prefix: Literal["auto", "tokens", "text"] = Field(
        "auto", description="what is sent to continue; auto: tokens if the tokenizers agree"
    )
    max_steps: PositiveInt = 100
    max_tokens: PositiveInt = 4096
    max_repeats: PositiveInt = Field(5, description="equal steps that end a solution")
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0

    @field_validator("prompt")
    @classmethod
    def _is_template(cls, name: str) -> str:
        if name not in TEMPLATES:
            raise ValueError(f"no template {name!r}; known: {', '.join(sorted(TEMPLATES))}")
        return name

    @field_validator("threshold")
    @classmethod
    def _is_ordered(cls, threshold: float) -> float:
        if threshold != threshold:
            raise ValueError("nan is no threshold; use .inf or -.inf for the extremes")
        return threshold


class TasksConfig(_Strict):
    """Which benchmarks, and where their files are."""

    names: tuple[str, ...] = Field(min_length=1)
    limit: PositiveInt | None = Field(None, description="at most the first N problems a task")
    data_dir: Path = Path("data")


class RunConfig(_Strict):
    """How a run is carried out; nothing here changes an answer, but `limit` which are asked."""

    concurrency: PositiveInt = Field(32, description="problems decoded at the same time")
    grading_workers: PositiveInt = 1
    output_dir: Path = Path("runs")
    limit: PositiveInt | None = Field(
        None, description="the same as tasks.limit; the smaller counts"
    )


class Config(_Strict):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    models: ModelsConfig
    decoding: DecodingConfig = DecodingConfig()
    tasks: TasksConfig
    run: RunConfig = RunConfig()

    @property
    def limit(self) -> int | None:
        """Problems a task, at most; None for all."""
        limits = [n for n in (self.tasks.limit, self.run.limit) if n is not None]
        return min(limits, default=None)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The servers that the strategy needs."""
        return ROLES if self.decoding.strategy == "rsd" else (self.decoding.strategy,)

    def determinants(self) -> dict[str, Any]:
        """What decides the answers, as nested plain values: all of it, and nothing of where the
        servers are or how fast they are driven."""
        models = {
            role: self.models.role(role).model_dump(
                mode="json",
                include={"model", "kind", "tokenizer"},
            )
            for role in self.roles
        }
        decoding = self.decoding.model_dump(mode="json")
        if self.decoding.strategy != "rsd":
            for key in ("threshold", "weighting"):
                del decoding[key]
        return {
            "models": models,
            "decoding": decoding,
            "tasks": {"names": list(self.tasks.names), "limit": self.limit},
        }

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits of the SHA-256 of `determinants()`."""
        canonical = json.dumps(self.determinants(), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    @property
    def directory(self) -> Path:
        """Where this run is stored: `<output_dir>/<name>-<digest>`."""
        return self.run.output_dir / f"{self.name}-{self.digest}"

    def dump(self) -> str:
        """The resolved configuration as YAML; secrets are left out."""
        plain = self.model_dump(mode="json", exclude_none=True)
        for model in plain["models"].values():
            model.pop("api_key", None)
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def load(path: Path | str, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration file and apply `overrides` of the form `a.b=value`.

    Raises `ConfigError`.
    """
    source = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{source}: cannot be read: {getattr(error, 'strerror', error)}"
        ) from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected a mapping with name, models, decoding, tasks, run")
    for override in overrides:
        _override(values, override)
    return parse(values, source)


def parse(values: Mapping[str, Any], source: str) -> Config:
    """Validate plain values; `source` is the file that errors name."""
    try:
        return Config.model_validate(_resolve_secrets(dict(values), source))
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def differing_keys(left: Mapping[str, Any], right: Mapping[str, Any], at: str = "") -> list[str]:
    """Dotted keys whose values differ between two nested mappings, sorted."""
    keys: list[str] = []
    for key in sorted({*left, *right}):
        a, b = left.get(key), right.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            keys += differing_keys(a, b, f"{at}{key}.")
        elif a != b:
            keys.append(f"{at}{key}")
    return keys


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"-o {override}: expected key=value, such as decoding.threshold=0.8")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"-o {override}: {text!r} is not a YAML value") from None
    for part in parts[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"-o {override}: {part} holds a value, not a section")
    values[parts[-1]] = value


def _resolve_secrets(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Replace `api_key: ${NAME}` by the environment's value, in copies."""
    models = values.get("models")
    if not isinstance(models, dict):
        return values
    resolved = {}
    for role, model in models.items():
        if isinstance(model, dict) and model.get("api_key") is not None:
            where = f"{source}: models.{role}.api_key"
            match = _SECRET.match(str(model["api_key"]))
            if not match:
                raise ConfigError(f"{where}: write ${{NAME}} and set NAME in the environment")
            if match[1] not in os.environ:
                raise ConfigError(f"{where}: set {match[1]} in the environment")
            model = {**model, "api_key": os.environ[match[1]]}
        resolved[role] = model
    return {**values, "models": resolved}


def _explain(error: ValidationError, source: str) -> str:
    """The first problem of a validation error in one line, unknown keys before all others."""
    problems = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = problems[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown key" + _suggestion(first["loc"])
    elif first["type"] == "missing":
        message = "missing; add it"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{source}: {key}: {message}{more}"


def _suggestion(location: tuple[int | str, ...]) -> str:
    model: Any = Config
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ""
        model = field.annotation
    known = list(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""
