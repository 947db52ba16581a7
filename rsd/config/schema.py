"""The keys of a configuration, their ranges and defaults; `models` and `gateway` have own files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from rsd.config.gateway import GatewayConfig
from rsd.config.models import ModelsConfig
from rsd.config.sampling import SamplingKeys
from rsd.config.strategies import (
    STRATEGIES,
    WEIGHTING_KEYS,
    strategy_facts,
    strategy_specific_keys,
    strategy_uses,
    writing_models,
)
from rsd.config.strict import PositiveFloat, PositiveInt, Share, Strict, UserPath
from rsd.config.tasks import TasksConfig
from rsd.prompts import CHAT, SLOT, TEMPLATES, USER_TEXTS, user_text
from rsd.protocols import NEUTRAL_SAMPLING
from rsd.types import ROLES, Role, Source

STEP_CACHE = "steps.sqlite"


class Example(Strict):
    """An earlier question with its answer, for `prompt: chat`."""

    question: str
    answer: str


class DecodingConfig(SamplingKeys):
    """How a solution is written (`rsd.decoding`). The class of each strategy lists its keys."""

    strategy: str = Field(
        "rsd", description=f"{', '.join(STRATEGIES)}, or your own package.module:Class"
    )
    profile: Literal["default", "paper"] = "default"
    threshold: float = Field(0.7, description="δ: a draft step is kept if its reward >= δ")
    weighting: Literal["step", "constant", "clipping", "sigmoidal", "logistic"] = "step"
    probability: Share = Field(0.5, description="of acceptance: constant weighting, random")
    sharpness: PositiveFloat = Field(10.0, description="logistic weighting: α")
    writer: Source = Field("draft", description="the model that writes in voting and search")
    candidates: PositiveInt = Field(1, description="samples, or candidates a step, to choose from")
    beams: PositiveInt = Field(1, description="beam search: partial solutions kept")
    tilt: PositiveFloat = Field(20.0, description="guided: inverse temperature β of the reward")
    first_steps: Annotated[int, Field(ge=0)] = Field(1, description="steps by the target")
    options: dict[str, Any] = Field(default_factory=dict, description="of your own strategy")
    source: str | None = Field(
        None, description="SHA-256 of the file of your own strategy; written by rsd"
    )
    samples: PositiveInt = Field(1, description="independent solutions of every problem")
    prompt: Annotated[str, Field(min_length=1)] = Field(
        "qwen25-math-cot",
        description=f"{', '.join(TEMPLATES)}, a text with {{question}}, or chat: each model's own "
        "chat template",
    )
    system: str | None = Field(None, description="chat: the system text")
    user: str = Field(
        "question", description=f"chat: {', '.join(USER_TEXTS)}, or a text with {{question}}"
    )
    examples: tuple[Example, ...] = Field((), description="chat: earlier questions with answers")
    chat_template_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="chat: passed to the template, as enable_thinking"
    )
    response_prefix: str = Field("", description="chat: the beginning of every response")
    step_separator: Annotated[str, Field(min_length=1)] = "\n\n"
    prefix: Literal["auto", "tokens", "text"] = Field(
        "auto", description="form of the prefixes sent; auto: tokens if the tokenizers agree"
    )
    max_steps: PositiveInt = 100
    max_tokens: PositiveInt = 4096
    max_repeats: Annotated[int, Field(ge=2)] = Field(
        5, description="repetitions of a step or cycle of steps that end a solution"
    )
    seed: int = 0
    lookahead: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto", description="steps that the draft may write ahead of the one being scored"
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
        strategy_facts(name)
        return name

    @field_validator("prompt")
    @classmethod
    def _is_template(cls, name: str) -> str:
        if name != CHAT and name not in TEMPLATES and SLOT not in name:
            known = ", ".join((CHAT, *sorted(TEMPLATES)))
            raise ValueError(f"unknown template {name!r}; use {known} or a text with {SLOT}")
        return name

    @field_validator("user")
    @classmethod
    def _is_user_text(cls, text: str) -> str:
        user_text(text, "")
        return text

    @field_validator("threshold")
    @classmethod
    def _is_ordered(cls, threshold: float) -> float:
        if threshold != threshold:
            raise ValueError("nan is not a threshold; use a number, .inf or -.inf")
        return threshold

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.profile == "paper" and self.prefix != "text":
            raise ValueError("the profile paper sends text; remove prefix, or set it to text")
        if self.profile == "paper" and self.step_separator != "\n\n":
            raise ValueError("the profile paper has a fixed step_separator; remove the key")
        if self.profile == "paper":
            for key, neutral in {**NEUTRAL_SAMPLING, "sampling": None}.items():
                if getattr(self, key) != neutral:
                    raise ValueError(f"the profile paper does not send {key}; remove the key")
        if self.profile == "paper" and self.prompt == CHAT:
            raise ValueError("the profile paper has one prompt for all models; name a template")
        neutral = type(self).model_fields
        given = [it for it in sorted(CHAT_KEYS) if getattr(self, it) != _default(neutral[it])]
        if self.prompt != CHAT and given:
            raise ValueError(f"{given[0]} is only read with prompt: chat; add that or remove it")
        self._check_temperature()
        strategy_facts(self.strategy).check(self)
        return self

    def _check_temperature(self) -> None:
        """Several solutions need a model that writes with a temperature, several candidates that
        the model which writes them does."""
        if self.sampling == "model":  # its numbers are not read yet
            return
        keys = strategy_facts(self.strategy).keys
        counts = [getattr(self, key) for key in ("candidates", "beams") if key in keys]
        choosing = self.writers if ":" in self.strategy else self.writers[:1]
        ways = [
            choosing if max(counts, default=1) > 1 else (),
            self.writers if self.samples > 1 else (),
        ]
        if any(way and all(self.sampled(it).temperature == 0 for it in way) for way in ways):
            raise ValueError("several samples or candidates need a temperature above 0")

    @property
    def writers(self) -> tuple[Source, ...]:
        """The models that write, first the one that writes candidates."""
        return writing_models(self.strategy, self.writer)

    def determinants(self) -> dict[str, Any]:
        """The keys that decide the answers: all but those that the strategy, its weighting or the
        profile does not read, sampling that changes nothing, and `lookahead`, which changes only
        when a step is written."""
        read = set(strategy_facts(self.strategy).keys)
        if "weighting" in read and ":" not in self.strategy:
            read -= _WEIGHTING_SPECIFIC - WEIGHTING_KEYS[self.weighting]
        unread = {*strategy_specific_keys(), "options"} - read | {"lookahead"}
        if self.source is None:
            unread |= {"source"}
        if self.profile == "paper":
            unread |= {"max_repeats"}
        if self.prompt != CHAT:
            unread |= CHAT_KEYS
        unread |= {key for key, it in NEUTRAL_SAMPLING.items() if getattr(self, key) == it}
        decides = self.model_dump(mode="json", exclude={*unread, "sampling"})
        own = {source: self.sampling_of(source).model_dump() for source in self.writers}
        read_by = {source: values for source, values in own.items() if values}
        sampling = self.sampling if self.sampling == "model" else read_by
        return {**decides, "sampling": sampling} if sampling else decides


CHAT_KEYS = frozenset(("system", "user", "examples", "chat_template_kwargs", "response_prefix"))
"""The keys that `prompt: chat` reads."""


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True)


_WEIGHTING_SPECIFIC = frozenset().union(*WEIGHTING_KEYS.values())


class RunConfig(Strict):
    """How a run is executed; nothing here changes an answer."""

    concurrency: Literal["auto"] | PositiveInt = Field(
        "auto", description="problems decoded concurrently; auto: as many as the servers hold"
    )
    cache: bool | UserPath | None = Field(
        None, description="step cache: a file, true or false; None: only in sweeps"
    )
    on_server_loss: Literal["wait", "fail"] = Field(
        "wait", description="wait for a server that is down, or let its problems fail"
    )
    grading_workers: PositiveInt = 1
    output_dir: UserPath = Path("runs")
    limit: PositiveInt | None = Field(None, description="as tasks.limit; the smaller applies")


class Config(Strict):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    models: ModelsConfig
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)
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
        """The servers that the strategy needs. Imports a user's class; raises `ValueError` where
        that fails (`rsd.config.ready`)."""
        needed = strategy_uses(self.decoding.strategy, self.decoding.writer).roles
        scored_by = self.models.scored_by
        return tuple(dict.fromkeys(scored_by if role == "prm" else role for role in needed))

    def determinants(self) -> dict[str, Any]:
        """Everything that decides the answers, as nested plain values: not where the servers are,
        how fast they are used, or how many problems are asked.

        The questions and the code of a user's strategy are included once `rsd.runs.identified` has
        added their checksums, as it does for every run. A user's class is not imported for this,
        and counts as using all three models."""
        if ":" in self.decoding.strategy:
            roles = ROLES
        else:
            scored = "prm" in strategy_facts(self.decoding.strategy).roles
            roles = (*self.roles, "prm") if scored else self.roles
        models = {
            role: self.models.role(role).model_dump(
                mode="json", include={"model", "kind", "tokenizer", "aggregation"}
            )
            for role in roles
        }
        speculative = self.models.target.serve.speculative
        if "target" in models and speculative is not None:  # it changes samples and speed
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
