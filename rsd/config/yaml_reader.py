"""Reads YAML within limits, restricted to the values of JSON and dates."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import yaml

MOST_BYTES = 256 * 1024
"""The largest file that is read."""

_BRACKET = re.compile(r"[\[\]{}]")
_DEEPEST = 50
_MOST_NODES = 10_000  # keys, values, lists and mappings, as written
_MOST_PAIRS = 20_000  # of a key and a value, with every merge (<<) written out
_MOST_VALUES = 100_000  # with every alias written out
_LONGEST_NUMBER = 100  # characters
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys, of which PyYAML silently takes the last, and stops
    at the limits above: PyYAML needs tens of microseconds a node, and merges of merges (`<<`) grow
    exponentially."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._nodes = 0
        self._pairs = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise ValueError(f"more than {_MOST_NODES} keys and values; remove some")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"nested more than {_DEEPEST} deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        if node.tag in _NUMBERS and len(node.value) > _LONGEST_NUMBER:
            raise ValueError(f"a number of {len(node.value)} characters")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:  # before merges (<<) add keys, which may be written again
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise ValueError(
                        f"the key {key.value} occurs twice, again in line {line}; remove one"
                    )
                seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """PyYAML calls this for each mapping, after those that it merges."""
        super().flatten_mapping(node)
        self._pairs += len(node.value)
        if self._pairs > _MOST_PAIRS:
            raise ValueError(f"more than {_MOST_PAIRS} pairs with its merges (<<) written out")


def read_yaml(text: str) -> Any:
    """The values in `text`.

    Raises `ValueError`, with one line that says why: `text` is not YAML, is too large or nested too
    deeply, has a key twice, or holds values other than those of JSON and dates.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES // 1024} KiB")
    _refuse_deep(text)
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    except Exception as error:  # constructors raise KeyError for !!bool x, and others
        raise ValueError(f"a value does not fit its tag ({error!r}); correct the value") from error
    _refuse_large_or_strange(value)
    return value


def _refuse_deep(text: str) -> None:
    """PyYAML takes quadratic time for brackets within brackets."""
    depth = 0
    for bracket in _BRACKET.findall(text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        if depth > 2 * _DEEPEST:  # some may be part of texts
            raise ValueError(f"nested more than {_DEEPEST} deep")


def _refuse_large_or_strange(value: object) -> None:
    left, pending = _MOST_VALUES, [(value, 0)]
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
            inner.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
            if "\0" in inner:
                raise ValueError("a text contains the character NUL; remove it")
        elif inner is not None and not isinstance(inner, int | float | date):
            raise ValueError(
                f"values of type {type(inner).__name__} are not supported; write a text"
            )
