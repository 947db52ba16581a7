"""YAML, as far as a configuration needs it: the values that JSON has, and dates."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import yaml

_BRACKET = re.compile(r"[\[\]{}]")
_DEEPEST = 50
_MOST = 100_000  # values of a file, aliases written out


class _Loader(yaml.SafeLoader):
    """PyYAML takes the last of equal keys without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:  # before merges (<<) add keys, which may be written again
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise ValueError(f"the key {key.value} stands twice, again in line {line}")
                seen.add((key.tag, key.value))
        return node


def read_yaml(text: str) -> Any:
    """The values that `text` stands for. Raises `ValueError`, which says in one line why it stands
    for none: it is not YAML, has a key twice, holds values of other types, or stands for more than
    a machine can hold, as aliases of aliases do, and one that holds itself."""
    _refuse_deep(text)
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    except Exception as error:  # what its constructors raise: KeyError for !!bool x, and others
        raise ValueError(f"a value does not fit its tag, such as !!bool ({error!r})") from error
    _refuse_large_or_strange(value)
    return value


def _refuse_deep(text: str) -> None:
    """PyYAML takes quadratic time for brackets within brackets."""
    depth = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > 2 * _DEEPEST:  # some may stand in texts
            raise ValueError("nested too deeply")


def _refuse_large_or_strange(value: object) -> None:
    left, pending = _MOST, [(value, 0)]
    while pending:
        inner, depth = pending.pop()
        left -= 1
        if depth > _DEEPEST or left < 0:
            raise ValueError("nested too deeply, or too large with its aliases written out")
        if isinstance(inner, dict):
            pending += [(each, depth + 1) for pair in inner.items() for each in pair]
        elif isinstance(inner, list):
            pending += [(each, depth + 1) for each in inner]
        elif isinstance(inner, str):
            _refuse_unstorable(inner)
        elif inner is not None and not isinstance(inner, int | float | date):
            raise ValueError(f"a value of the type {type(inner).__name__} has no place here")


def _refuse_unstorable(text: str) -> None:
    text.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    if "\0" in text:
        raise ValueError("a text holds the character NUL")
