"""The sections and keys of a configuration but `models`, their ranges and defaults."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from rsd.config.gateway import GatewayConfig
from rsd.config.models import ModelsConfig
from rsd.config.strategies import STRATEGY_KEYS, WEIGHTING_KEYS, strategy_keys, strategy_uses
from rsd.config.strict import PositiveInt, Share, Strict, UserPath
from rsd.config.tasks import TasksConfig
from rsd.prompts import TEMPLATES
from rsd.types import ROLES, Role, Source

STEP_CACHE = "steps.sqlite"


class DecodingConfig(Strict):
    """How a solution is written. See `rsd.decoding`; which keys a strategy reads is in
    `rsd.config.strategies`."""

    strategy: str = Field(
        "rsd", description=f"{', '.join(STRATEGY_KEYS)}, or package.module:Class of your own"
    )
    profile: Literal["default", "paper"] = "default"
    threshold: float = Field(0.7, description="δ: a draft step is kept if its reward >= δ")
    weighting: Literal["step", "constant", "clipping", "sigmoidal", "logistic"] = "step"
    probability: Share = Field(0.5, description="constant weighting, random routing: to accept")
    sharpness: Annotated[float, Field(gt=0)] = Field(10.0, description="logistic weighting: α")
    writer: Source = Field("draft", description="who writes in voting, best-of-N and search")
    candidates: PositiveInt = Field(1, description="samples, or candidates a step, to choose from")
    beams: PositiveInt = Field(1, description="beam search: partial solutions kept")
    tilt: Annotated[float, Field(gt=0)] = Field(
        20.0, description="guided speculative inference: inverse temperature β of the reward"
    )
    first_steps: Annotated[int, Field(ge=0)] = Field(1, description="steps the target begins with")
    options: dict[str, Any] = Field(default_factory=dict, description="of a strategy of your own")
    source: str | None = Field(
        None, description="SHA-256 of the file of a strategy of your own; rsd writes it"
    )
    samples: PositiveInt = Field(1, description="independent solutions of every problem")
    prompt: str = "qwen25-math-cot"
    step_separator: Annotated[str, Field(min_length=1)] = "\n\n"
    prefix: Literal["auto", "tokens", "text"] = Field(
        "auto", description="what is sent to continue; auto: tokens if the tokenizers agree"
    )
    max_steps: PositiveInt = 100
    max_tokens: PositiveInt = 4096
    max_repeats: Annotated[int, Field(ge=2)] = Field(
        5, description="times that a step or cycle of steps comes in a row to end a solution"
    )
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int = 0
    lookahead: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto", description="steps that the draft may write before the reward of the last is known"
    )

    @model_validator(mode="before")
    @classmethod
    def _paper_sends_text(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("profile") != "paper":
            return values
        return {**values, "prefix": "text"} if values.get("prefix", "auto") == "auto" else values

    @field_validator("strategy")
    @classmethod
    def _is_strategy(cls, name: str) -> str:
        strategy_keys(name)
        return name

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

    @model_validator(mode="after")
    def _is_as_the_profile_says(self) -> Self:
        if self.profile == "paper" and self.prefix != "text":
            raise ValueError("the profile paper sends text; leave out prefix, or set it to text")
        if self.profile == "paper" and self.step_separator != "\n\n":
            raise ValueError("the profile paper knows no other step_separator than a blank line")
        return self

    @model_validator(mode="after")
    def _several_can_differ(self) -> Self:
        read = strategy_keys(self.strategy)
        counts = [getattr(self, key) for key in ("candidates", "beams") if key in read]
        if max(self.samples, *counts, 1) > 1 and self.temperature == 0:
            raise ValueError("several samples or candidates need a temperature above 0")
        return self

    @model_validator(mode="after")
    def _confidence_is_a_logarithm(self) -> Self:
        if self.strategy == "confidence" and self.threshold > 0:
            raise ValueError(
                "confidence needs threshold at most 0, a mean log-probability such as -0.2"
            )
        return self

    def determinants(self) -> dict[str, Any]:
        """What of this decides the answers: all but the keys that the strategy, its weighting or
        the profile does not read, and `lookahead`, which changes when a step is written and not
        which."""
        read = set(strategy_keys(self.strategy))
        if "weighting" in read and ":" not in self.strategy:
            read -= _WEIGHTING_SPECIFIC - WEIGHTING_KEYS[self.weighting]
        unread = _STRATEGY_SPECIFIC - read | {"lookahead"}
        if self.source is None:
            unread |= {"source"}
        if self.profile == "paper":
            unread |= {"max_repeats"}
        return self.model_dump(mode="json", exclude=unread)


_WEIGHTING_SPECIFIC = frozenset().union(*WEIGHTING_KEYS.values())
_STRATEGY_SPECIFIC = {key for uses in STRATEGY_KEYS.values() for key in uses.keys} | {"options"}


class RunConfig(Strict):
    """How a run is carried out; nothing here changes an answer."""

    concurrency: Literal["auto"] | PositiveInt = Field(
        "auto", description="problems decoded at the same time; auto: as the servers can hold"
    )
    cache: bool | UserPath | None = Field(
        None, description="step cache: its file, true, false; None: sweeps have one, runs have none"
    )
    on_server_loss: Literal["wait", "fail"] = Field(
        "wait", description="wait for a server that is down, or let its problems fail"
    )
    grading_workers: PositiveInt = 1
    output_dir: UserPath = Path("runs")
    limit: PositiveInt | None = Field(
        None, description="the same as tasks.limit; the smaller counts"
    )


class Config(Strict):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    models: ModelsConfig
    decoding: DecodingConfig = DecodingConfig()
    tasks: TasksConfig
    run: RunConfig = RunConfig()
    gateway: GatewayConfig = GatewayConfig()
    paper_row: str | None = Field(
        None, description="models of a published row, family/target/draft/prm, to compare with"
    )

    @property
    def limit(self) -> int | None:
        """Problems a task, at most; None for all."""
        limits = [n for n in (self.tasks.limit, self.run.limit) if n is not None]
        return min(limits, default=None)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The servers that the strategy needs. Imports the class of a strategy of your own; raises
        `ValueError` if that cannot be (`rsd.config.ready`)."""
        needed = strategy_uses(self.decoding.strategy, self.decoding.writer).roles
        scored_by = self.models.scored_by
        return tuple(dict.fromkeys(scored_by if role == "prm" else role for role in needed))

    def determinants(self) -> dict[str, Any]:
        """What decides the answers, as nested plain values: all of it, and nothing of where the
        servers are, how fast they are driven, or how many problems are asked.

        Questions, and the code of a strategy of one's own, are in it once `rsd.runs.identified`
        has put their checksums into the configuration, as it does for every run. A strategy of
        one's own, which is not imported for this, is taken to ask all three models."""
        own = ":" in self.decoding.strategy
        scored = own or "prm" in strategy_uses(self.decoding.strategy).roles
        models = {
            role: self.models.role(role).model_dump(
                mode="json", include={"model", "kind", "tokenizer", "aggregation"}
            )
            for role in (ROLES if own else (*self.roles, "prm") if scored else self.roles)
        }
        speculative = self.models.target.serve.speculative
        if "target" in models and speculative is not None:  # other samples, and another speed
            models["target"]["speculative"] = speculative.model_dump(
                mode="json", exclude={"parameters"}
            )
        return {
            "models": models,
            "decoding": self.decoding.determinants(),
            "tasks": {"names": list(self.tasks.names), "questions": self.tasks.questions or {}},
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

    @property
    def step_cache(self) -> Path | None:
        """The file of the run's step cache; None if it has none."""
        wanted = self.run.cache
        if isinstance(wanted, Path):
            return wanted
        return self.run.output_dir / STEP_CACHE if wanted else None

    def dump(self) -> str:
        """The resolved configuration as YAML; secrets are left out."""
        plain = self.model_dump(mode="json", exclude_none=True)
        for role, model in plain["models"].items():
            model.pop("api_key", None)
            for name in self.models.role(role).serve.secrets:
                del model["serve"]["env"][name]
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
