"""From a YAML file and overrides to a `Config`, and errors that name file, key and mend."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rsd.config.schema import Config
from rsd.config.strategies import strategy_uses
from rsd.config.yaml_reader import MOST_BYTES, read_yaml
from rsd.errors import ConfigError

_SECRET = re.compile(r"^\$\{(\w+)\}$")
_SECTIONS = "name, models, decoding, tasks, run"
_DEEPEST = 8
_SHOULD_BE = "Input should be "


def load(path: Path | str, overrides: Iterable[str] = ()) -> Config:
    """Read a configuration file and apply `overrides` of the form `a.b=value`.

    A file may name another as its `base`, relative to itself, and say only what differs: mappings
    are merged, null takes the base's key away, anything else replaces. Imports nothing that the
    file names, which may be another's. Raises `ConfigError`.
    """
    values, bases = _read(Path(path), str(path))
    for override in overrides:
        _override(values, override)
    return parse(values, f"{path} (on {', '.join(bases)})" if bases else str(path))


def _read(
    path: Path, source: str, above: tuple[Path, ...] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The values of `path` on top of those of its base, and the bases that were read. `above` are
    the files on top of it; `source` is what errors call it."""
    values = read_mapping(path, _SECTIONS, source)
    if "grid" in values or "points" in values:
        raise ConfigError(f"{source}: is a sweep, which rsd sweep takes; this takes one of a run")
    if "base" not in values:
        return values, []
    name, chain = values.pop("base"), (*above, path.resolve())
    if not isinstance(name, str):
        raise ConfigError(f"{source}: base: write the path of another configuration")
    base = path.parent / name
    if base.resolve() in chain:
        raise ConfigError(f"{source}: base: {name} leads back to itself; take one `base` away")
    if len(chain) == _DEEPEST:
        raise ConfigError(f"{source}: base: {_DEEPEST} files deep already; name a nearer one")
    below, bases = _read(base, f"{source}: base: {base}", chain)
    return _merge(below, values), [name, *bases]


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _merge(known if isinstance(known, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def read_mapping(path: Path | str, sections: str, source: str | None = None) -> dict[str, Any]:
    """The mapping that a YAML file holds; `sections` is what it should hold, `source` what errors
    call it, if not `path`. Raises `ConfigError`."""
    source = source or str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{source}: larger than {MOST_BYTES // 1024} KiB, too large for a configuration or "
            "a sweep; name another file or split it"
        )
    try:
        values = read_yaml(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: cannot be read: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{source}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected a mapping with {sections}")
    return values


def ready(config: Config, source: Path | str) -> Config:
    """`config` of the file `source`, which is about to be run: the class of a strategy of one's own
    is imported. Raises `ConfigError` if that cannot be."""
    try:
        strategy_uses(config.decoding.strategy)
    except ValueError as error:
        raise ConfigError(f"{source}: decoding.strategy: {error}") from None
    return config


def parse(values: Mapping[str, Any], source: str) -> Config:
    """Validate plain values; `source` is the file that errors name."""
    try:
        return Config.model_validate(_resolve_secrets(dict(values), source))
    except ValidationError as error:
        raise ConfigError(explain(error, source)) from None


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
        value = read_yaml(text)
    except ValueError:
        raise ConfigError(f"-o {override}: {text!r} is not a YAML value") from None
    for part in parts[:-1]:
        section = values.get(part, {})
        if not isinstance(section, dict):
            raise ConfigError(f"-o {override}: {part} holds a value, not a section")
        values[part] = dict(section)  # an alias of YAML stands for one section in many places
        values = values[part]
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


def explain(error: ValidationError, source: str, model: type[BaseModel] = Config) -> str:
    """The first problem of a validation error of `model` in one line, unknown keys before all
    others."""
    problems: dict[str, list[ErrorDetails]] = {}
    for each in sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden"):
        key = ".".join(str(part) for part in _without_alternative(each["loc"], model))
        problems.setdefault(key, []).append(each)
    key, details = next(iter(problems.items()))
    messages = (_message(each, model) for each in details)
    first, *others = dict.fromkeys(messages)  # several: of the alternatives of a key
    message = " or ".join([first, *(other.removeprefix(_SHOULD_BE) for other in others)])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ": ".join(part for part in (source, key, message + more) if part)


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        return "unknown key" + _suggestion(error["loc"], model)
    if kind == "missing":
        return "missing; add it"
    if kind == "model_type":
        return "expected keys below it" + ("; leave it out for defaults" if given is None else "")
    if kind == "tuple_type":
        return f"{_SHOULD_BE}a list, such as [a, b]"
    if kind == "too_short" and isinstance(given, list):
        return f"{_SHOULD_BE}a list of at least {error['ctx']['min_length']}"
    if kind == "string_pattern_mismatch":  # of a name, the only keys with a pattern
        return "use letters, digits and . _ - (at most 64, the first a letter or digit)"
    if kind == "string_type" and isinstance(given, int | float | date):
        return f"{_SHOULD_BE}a text; put it in quotes"
    return error["msg"].removeprefix("Value error, ")


def _without_alternative(location: tuple[int | str, ...], model: Any) -> tuple[int | str, ...]:
    """`location` as far as a key of the file; pydantic adds which of a key's types it tried."""
    for number, part in enumerate(location, start=1):
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        types = _types(field.annotation)
        if len(types) > 1:
            return location[:number]
        model = types[0]
    return location


def _types(annotation: Any) -> list[Any]:
    """The types that a value may have beside None."""
    if get_origin(annotation) not in (Union, UnionType):
        return [annotation]
    return [each for each in get_args(annotation) if each is not type(None)]


def _suggestion(location: tuple[int | str, ...], model: Any) -> str:
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            return ""
        model = _types(field.annotation)[0]
    known = list(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""
