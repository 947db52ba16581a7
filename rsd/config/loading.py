"""Reads a YAML file and overrides into a `Config`; errors say `file: key: problem; fix`."""

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

    A file may name another as its `base`, relative to itself, and hold only what differs: mappings
    are merged, null removes the base's key, any other value replaces it. A user's strategy is not
    imported. Raises `ConfigError`.
    """
    values, bases = _read(Path(path), str(path))
    for override in overrides:
        _override(values, override)
    return parse(values, f"{path} (on {', '.join(bases)})" if bases else str(path))


def _read(
    path: Path, source: str, above: tuple[Path, ...] = ()
) -> tuple[dict[str, Any], list[str]]:
    """The values of `path` merged into those of its base, and the bases that were read. `above` are
    the files based on it; errors call it `source`."""
    values = read_mapping(path, _SECTIONS, source)
    if "grid" in values or "points" in values:
        raise ConfigError(f"{source}: this is a sweep; use rsd sweep, or name its base here")
    if "base" not in values:
        return values, []
    name, chain = values.pop("base"), (*above, path.resolve())
    if not isinstance(name, str):
        raise ConfigError(f"{source}: base: write the path of another configuration")
    base = path.parent / name
    if base.resolve() in chain:
        raise ConfigError(f"{source}: base: {name} leads back to itself; remove one `base`")
    if len(chain) == _DEEPEST:
        raise ConfigError(f"{source}: base: more than {_DEEPEST} files deep; merge some of them")
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
    """The mapping in a YAML file; `sections` says what it should hold, and errors call the file
    `source`, else `path`. Raises `ConfigError`."""
    source = source or str(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror or error}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{source}: larger than {MOST_BYTES // 1024} KiB, too large for a configuration or "
            "a sweep; split it"
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
    """`config` of the file `source`, about to be run: imports a user's strategy. Raises
    `ConfigError` if that fails."""
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
        raise ConfigError(f"-o {override}: not of the form key=value; write decoding.threshold=0.8")
    try:
        value = read_yaml(text)
    except ValueError:
        raise ConfigError(
            f"-o {override}: {text!r} is not a YAML value; put it in quotes"
        ) from None
    for part in parts[:-1]:
        section = values.get(part, {})
        if not isinstance(section, dict):
            raise ConfigError(f"-o {override}: {part} is a value, not a section; set {part} itself")
        values[part] = dict(section)  # YAML aliases share one section among several keys
        values = values[part]
    values[parts[-1]] = value


def _resolve_secrets(values: dict[str, Any], source: str) -> dict[str, Any]:
    """Copies of `values` with `api_key: ${NAME}` replaced by the environment variable."""
    models = values.get("models")
    if not isinstance(models, dict):
        return values
    resolved = {}
    for role, model in models.items():
        if isinstance(model, dict) and model.get("api_key") is not None:
            where = f"{source}: models.{role}.api_key"
            match = _SECRET.match(str(model["api_key"]))
            if not match:
                raise ConfigError(
                    f"{where}: holds a key; write ${{NAME}} and set NAME in the environment"
                )
            if match[1] not in os.environ:
                raise ConfigError(
                    f"{where}: {match[1]} is not set; set {match[1]} in the environment"
                )
            model = {**model, "api_key": os.environ[match[1]]}
        resolved[role] = model
    return {**values, "models": resolved}


def explain(error: ValidationError, source: str, model: type[BaseModel] = Config) -> str:
    """The first problem of a validation error of `model` in one line; unknown keys come first."""
    problems: dict[str, list[str]] = {}
    for each in sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden"):
        location, section = _locate(each["loc"], model)
        messages = problems.setdefault(".".join(map(str, location)), [])
        messages.append(_message(each, section))
    problems = {
        key: messages  # where a key may have several types, one error for each: the deepest counts
        for key, messages in problems.items()
        if not any(other.startswith(f"{key}.") for other in problems)
    }
    key, messages = next(iter(problems.items()))
    first, *others = dict.fromkeys(messages)  # one for each type that the key may have
    message = " or ".join([first, *(other.removeprefix(_SHOULD_BE) for other in others)])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ": ".join(part for part in (source, key, message + more) if part)


def _message(error: ErrorDetails, section: Any) -> str:
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        known = list(getattr(section, "model_fields", {}))
        if close := difflib.get_close_matches(str(error["loc"][-1]), known, n=1):
            return f"unknown key; did you mean {close[0]}?"
        return "unknown key" + (f"; known here: {', '.join(known)}" if known else "")
    if kind == "missing":
        return "missing; add it"
    if kind == "model_type":
        return "expected keys below it" + ("; remove it for defaults" if given is None else "")
    if kind == "tuple_type":
        return f"{_SHOULD_BE}a list, such as [a, b]"
    if kind == "too_short" and isinstance(given, list):
        return f"{_SHOULD_BE}a list of at least {error['ctx']['min_length']}"
    if kind == "string_pattern_mismatch":  # only names have a pattern
        return "use letters, digits and . _ - (at most 64, the first a letter or digit)"
    if kind == "string_type" and isinstance(given, int | float | date):
        return f"{_SHOULD_BE}a text; put it in quotes"
    return error["msg"].removeprefix("Value error, ")


def _locate(location: tuple[int | str, ...], model: Any) -> tuple[tuple[int | str, ...], Any]:
    """The key of the file at `location`, to which pydantic adds the type that it tried, and the
    section that holds the key."""
    for number, part in enumerate(location, start=1):
        field = getattr(model, "model_fields", {}).get(part)
        if field is None:
            break
        types = [field.annotation]
        if get_origin(field.annotation) in (Union, UnionType):
            types = [each for each in get_args(field.annotation) if each is not type(None)]
        if len(types) > 1:
            name = next(iter(location[number:]), None)  # of the type that pydantic tried
            tried = [each for each in types if getattr(each, "__name__", None) == name]
            if not tried or not hasattr(tried[0], "model_fields"):
                return location[:number], model
            inner, section = _locate(location[number + 1 :], tried[0])
            return (*location[:number], *inner), section
        model = types[0]
    return location, model
