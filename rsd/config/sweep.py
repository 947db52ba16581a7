"""Sweeps: one configuration, run with several values of some of its keys."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from rsd.config.loading import explain, load, read_mapping
from rsd.config.schema import Config
from rsd.config.strict import Strict
from rsd.errors import ConfigError

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_LABEL = "label"
_MOST_POINTS = 10_000


class SweepFile(Strict):
    """The content of a sweep file. `grid` means all combinations of its values."""

    name: Annotated[str, Field(pattern=_NAME)]
    base: Path = Field(description="the configuration, relative to the sweep file")
    overrides: dict[str, Any] = Field(
        default_factory=dict, description="dotted keys and values that all points set"
    )
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    points: tuple[dict[str, Any], ...] = Field(
        (), description="dotted keys and values, and an optional label"
    )

    @field_validator("overrides", "grid")
    @classmethod
    def _has_dotted_keys(cls, values: dict[str, Any]) -> dict[str, Any]:
        _require_dotted(values)
        return values

    @field_validator("points")
    @classmethod
    def _have_valid_labels(cls, points: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        labels = [point[_LABEL] for point in points if _LABEL in point]
        for label in labels:
            if not isinstance(label, str) or not re.fullmatch(_NAME, label):
                raise ValueError(f"label {label!r}: use letters, digits and . _ - (at most 64)")
            if labels.count(label) > 1:
                raise ValueError(f"label {label!r} is used twice; give each point its own")
        for point in points:
            _require_dotted(key for key in point if key != _LABEL)
        return points

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.grid and not self.points:
            raise ValueError("no grid and no points; add one of them")
        combinations = math.prod(map(len, self.grid.values()))
        if combinations > _MOST_POINTS:
            raise ValueError(
                f"the grid has {combinations} combinations, more than {_MOST_POINTS}; split it"
            )
        for key in self.overrides:
            if varied := self.varies(key):
                raise ValueError(f"overrides.{key}: the sweep varies {varied}; keep one of them")
        return self

    def varies(self, key: str) -> str | None:
        """A key of grid or points that sets `key`, one below it, or one above it."""
        varied = (*self.grid, *(other for point in self.points for other in point))
        for other in varied:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                return other
        return None


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One run of a sweep, stored in `directory`.

    It has several `labels` where several points of the file are the same run, such as the target
    alone at every threshold. The first of them is the name in `config`.
    """

    labels: tuple[str, ...]
    config: Config
    directory: Path

    @property
    def label(self) -> str:
        return self.labels[0]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep and its distinct runs in the order of the file, all in `directory`."""

    name: str
    directory: Path
    points: tuple[SweepPoint, ...]

    @property
    def collapse(self) -> str | None:
        """In one line, which points of the file are the same run; None if there are none."""
        equal = [" = ".join(point.labels) for point in self.points if len(point.labels) > 1]
        if not equal:
            return None
        count = sum(len(point.labels) for point in self.points)
        return (
            f"{count} points are {len(self.points)} runs, as some differ only in keys that their "
            f"strategy does not read: {', '.join(equal)}"
        )


def load_sweep(
    path: Path | str,
    overrides: Iterable[str] = (),
    identify: Callable[[Config], Config] = lambda config: config,
) -> Sweep:
    """Read a sweep file and validate each of its points. `overrides` apply to all points, and
    `identify` completes each configuration before its digest is taken.

    Raises `ConfigError`, also for an override of a key that the sweep varies and for a grid key
    that changes nothing.
    """
    source = str(path)
    raw = read_mapping(path, "name, base, and grid or points")
    if "models" in raw or "decoding" in raw:
        raise ConfigError(
            f"{source}: this is the configuration of a run; use rsd run, or a sweep with it as base"
        )
    try:
        file = SweepFile.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(error, source, SweepFile)) from None
    given = list(overrides)
    _refuse_varied(file, given)
    overrides = [f"{key}={_as_yaml(value)}" for key, value in file.overrides.items()] + given
    base = Path(path).parent / file.base
    if not base.is_file():
        raise ConfigError(f"{source}: base: {base}: no such file; name it relative to the sweep")
    directory = load(base, overrides).run.output_dir / file.name
    products = itertools.product(*file.grid.values()) if file.grid else ()
    grid = [dict(zip(file.grid, values, strict=True)) for values in products]
    sections: dict[str, Iterable[Mapping[str, Any]]] = {"grid": grid, "points": file.points}
    # in the order of the file
    settings = [setting for section in raw for setting in sections.get(section, ())]
    configs = [identify(_point(base, overrides, it, directory, source)) for it in settings]
    if any(":" in config.decoding.strategy for config in configs):
        configs = [_without_options_of_others(config) for config in configs]
    _refuse_idle(file, settings, configs, source)
    return Sweep(file.name, directory, tuple(_distinct(configs, directory)))


def _point(
    base: Path, overrides: list[str], setting: Mapping[str, Any], directory: Path, source: str
) -> Config:
    values = {key: value for key, value in setting.items() if key != _LABEL}
    label = setting.get(_LABEL) or _label(values)
    dumped = [f"{key}={_as_yaml(value)}" for key, value in values.items()]
    try:
        config = load(base, [*overrides, *dumped])
    except ConfigError as error:
        raise ConfigError(f"{source}: point {label}: {error}") from None
    cache = True if config.run.cache is None else config.run.cache
    run = config.run.model_copy(update={"output_dir": directory, "cache": cache})
    return config.model_copy(update={"name": label, "run": run})


def _without_options_of_others(config: Config) -> Config:
    """`config` without options, unless its strategy is a user's class."""
    if ":" in config.decoding.strategy:
        return config
    decoding = config.decoding.model_copy(update={"options": {}})
    return config.model_copy(update={"decoding": decoding})


def _distinct(configs: Iterable[Config], directory: Path) -> Iterator[SweepPoint]:
    """One point for each digest, with the largest limit of the configurations that share it. An
    existing run is found by its digest, whatever its label."""
    same: dict[str, list[Config]] = {}
    for config in configs:
        same.setdefault(config.digest, []).append(config)
    for digest, sharing in same.items():
        labels = dict.fromkeys(config.name for config in sharing)
        most = max(sharing, key=lambda config: config.limit or inf)
        first = most.model_copy(update={"name": sharing[0].name})
        there = sorted(directory.glob(f"*-{digest}"))
        yield SweepPoint(tuple(labels), first, there[0] if there else first.directory)


def _refuse_varied(file: SweepFile, overrides: Iterable[str]) -> None:
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key == "name":
            raise ConfigError(
                "-o name: the sweep file sets the name; edit its name, or the labels of its points"
            )
        if varied := file.varies(key):
            raise ConfigError(f"-o {override}: the sweep varies {varied}; edit its file instead")


def _refuse_idle(
    file: SweepFile, settings: list[Mapping[str, Any]], configs: list[Config], source: str
) -> None:
    """Raise `ConfigError` for a grid key whose values all give the same runs."""
    combinations = [
        (setting, config.digest)
        for setting, config in zip(settings, configs, strict=True)
        if setting.keys() == file.grid.keys()
    ]
    for key in (key for key, values in file.grid.items() if len(values) > 1):
        runs: dict[str, set[str]] = {}
        for setting, digest in combinations:
            rest = {k: v for k, v in setting.items() if k != key}
            runs.setdefault(repr(rest), set()).add(digest)
        if all(len(digests) == 1 for digests in runs.values()):
            strategies = " and ".join(dict.fromkeys(it.decoding.strategy for it in configs))
            raise ConfigError(
                f"{source}: grid.{key}: changes no answer here (strategy {strategies}), so all its "
                "values are one run; remove it, and compare speeds with rsd run --dir"
            )


def _require_dotted(keys: Iterable[str]) -> None:
    for key in keys:
        if "." not in key:
            raise ValueError(f"{key!r} is not a dotted key; write one such as decoding.threshold")


def _label(values: Mapping[str, Any]) -> str:
    """The last part of each key with its value, such as `threshold-0.7`; of paths the last part."""
    parts = [f"{key.rpartition('.')[2]}-{_last_part(value)}" for key, value in values.items()]
    return re.sub(r"[^A-Za-z0-9._-]+", "", "_".join(parts))[:64].strip("._-") or "base"


def _last_part(value: object) -> str:
    return value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else _as_yaml(value)


def _as_yaml(value: object) -> str:
    """A value as one line of YAML."""
    dumped = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return dumped.strip().removesuffix("...").strip()
