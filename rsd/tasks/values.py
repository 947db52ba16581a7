"""What a value of a row may be, where a text is expected."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

Row = Mapping[str, Any]


def text_of(row: Row, column: str) -> str:
    """The text of a column. Raises `KeyError` without it, `ValueError` as `as_text`."""
    return as_text(row[column], column)


def text_if_any(row: Row, column: str) -> str:
    """The text of a column, "" without it or where it is null. Raises `ValueError` as `as_text`."""
    return text_of(row, column) if row.get(column) is not None else ""


def as_text(value: object, what: str) -> str:
    """A text as it is, a finite number as a person writes it: 27.0 is 27. Raises `ValueError`,
    which names `what`, for anything else: nobody means the Python spelling of a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is {named(value)}; write a text or a number")
    if not isfinite(value):
        raise ValueError(f"{what} is {value}; write a finite number, or null where there is none")
    return str(int(value) if value == int(value) and abs(value) < 1e15 else value)


def texts(value: object, what: str) -> list[str]:
    """The texts of a list. Raises `ValueError`, which names `what`, for what is none."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{what} is {named(value)}; write a list of texts")
    return [as_text(each, f"entry {i} of {what}") for i, each in enumerate(value, start=1)]


def named(value: object) -> str:
    """What JSON calls the type of `value`, or `value` itself where that is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    names = {str: "a text", int: "a number", float: "a number", dict: "an object"}
    return names.get(type(value), "a list")
