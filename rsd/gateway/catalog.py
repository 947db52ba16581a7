"""The models that the gateway serves, each a strategy, and what a request may change of one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from rsd.backends import with_model_sampling
from rsd.config import Config, DecodingConfig, strategy_facts, strategy_uses
from rsd.errors import ConfigError
from rsd.gateway.errors import GatewayError
from rsd.types import Role, Source


@dataclass(frozen=True, slots=True)
class Served:
    """A model id and the configuration that answers for it."""

    name: str
    config: Config

    @property
    def strategy(self) -> str:
        return self.config.decoding.strategy

    @property
    def has_threshold(self) -> bool:
        return "threshold" in strategy_facts(self.strategy).keys

    def told_threshold(self, config: Config) -> float | None:
        """The threshold of `config`, the configuration of one request. None if there is none, or
        if it is infinite, which JSON cannot express."""
        threshold = config.decoding.threshold
        return threshold if self.has_threshold and math.isfinite(threshold) else None


def catalog(config: Config) -> dict[str, Served]:
    """What `gateway.models` describes, by id. Raises `ConfigError` naming the wrong one."""
    if config.decoding.profile == "paper":
        raise ConfigError(
            "decoding.profile: paper reproduces published runs and is not served; use default"
        )
    config = with_model_sampling(config, _BOTH)
    return {
        name: Served(name, _changed(config, name, _of_its_own(config, changes)))
        for name, changes in config.gateway.models.items()
    }


def connection_config(served: Collection[Served]) -> Config:
    """A configuration whose strategy needs every server that one of `served` needs, and rewards
    if one of them does (from a judge, they need no server of their own)."""
    needed = {role for each in served for role in _uses(each.config)}
    config = next(iter(served)).config
    plain = [
        with_decoding(config, {"strategy": strategy, **_NEUTRAL})
        for strategy in ("draft", "target", "random", "rsd")
    ]
    return next(each for each in plain if needed <= _uses(each))


def with_decoding(config: Config, changes: Mapping[str, Any]) -> Config:
    """`config` with keys of its section decoding replaced; a key of sampling then holds for draft
    and target. Raises pydantic's `ValidationError`."""
    decoding = {**config.decoding.model_dump(), **changes}
    own = decoding["sampling"]
    if "sampling" not in changes and isinstance(own, dict):
        decoding["sampling"] = {
            source: {key: it for key, it in values.items() if key not in changes}
            for source, values in own.items()
        }
    return config.model_copy(update={"decoding": DecodingConfig.model_validate(decoding)})


def requested(served: Served, changes: Mapping[str, Any]) -> Config:
    """The configuration for one request. Raises `GatewayError` for what `served` cannot do."""
    try:
        return with_decoding(served.config, changes)
    except ValidationError as error:
        where, message = _first(error)
        raise GatewayError(
            400, f"model {served.name}: {message}", param=where[-1] if where else None
        ) from None


def alone(config: Config, role: Role) -> Config:
    """The configuration in which the model of `role` answers alone."""
    return with_decoding(config, {"strategy": role})


def _uses(config: Config) -> set[Role]:
    """The roles that the strategy needs, `prm` for rewards from any source."""
    return set(strategy_uses(config.decoding.strategy, config.decoding.writer).roles)


NO_TRUNCATION: dict[str, Any] = {"top_p": 1.0, "top_k": None, "min_p": 0.0}
"""A request may set the temperature at which these keys have an effect."""

_BOTH: tuple[Source, ...] = get_args(Source)
"""The models of which one may stand in for the other."""

_NEUTRAL: dict[str, Any] = {"candidates": 1, "options": {}, **NO_TRUNCATION}
"""Settings without an issue for a strategy that only names servers."""


def _of_its_own(config: Config, changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes`, without the configuration's `options` unless the strategy reads them."""
    built_in = ":" not in str(changes.get("strategy", config.decoding.strategy))
    return {**({"options": {}} if built_in else {}), **changes, "samples": 1}


def _changed(config: Config, name: str, changes: Mapping[str, Any]) -> Config:
    unknown = set(changes) - set(DecodingConfig.model_fields)
    where = f"gateway.models.{name}"
    if unknown:
        known = ", ".join(DecodingConfig.model_fields)
        raise ConfigError(f"{where}.{min(unknown)}: unknown key; known here: {known}")
    try:
        changed = with_decoding(config, changes)
        strategy_uses(changed.decoding.strategy)
    except ValidationError as error:
        keys, message = _first(error)
        raise ConfigError(f"{'.'.join([where, *keys])}: {message}") from None
    except ValueError as error:  # a class of the user's that cannot be imported
        raise ConfigError(f"{where}.strategy: {error}") from None
    return with_model_sampling(changed, _BOTH)


def _first(error: ValidationError) -> tuple[list[str], str]:
    """Where the first mistake is, and what it is."""
    first = error.errors()[0]
    return [str(part) for part in first["loc"]], first["msg"].removeprefix("Value error, ")
