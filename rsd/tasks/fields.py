"""How questions and gold answers stand in the rows of benchmarks: readers that tasks share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

Row = Mapping[str, Any]
"""A row of a source, by column."""

Reader = Callable[[Row], str]


def column(name: str) -> Reader:
    """The text of one column."""
    return lambda row: text_of(row, name).strip()


def number(name: str) -> Reader:
    """A column of numbers, or of texts of them, without a fraction that is zero."""
    return lambda row: plain_number(text_of(row, name).strip())


def after_hashes(name: str) -> Reader:
    """What follows the last `####` of a worked solution."""
    return lambda row: text_of(row, name).rpartition("####")[2].strip()


def boxed(name: str) -> Reader:
    """The content of the last `\\boxed{}` of a worked solution; "" where there is none."""
    return lambda row: last_box(text_of(row, name))


def plain_number(text: str) -> str:
    """A number without a fraction that is zero; any other text as it is."""
    return re.sub(r"\.0+$", "", text)


def last_box(text: str) -> str:
    """The content of the last `\\boxed{...}` or `\\boxed x` of `text`, "" where there is none."""
    start = text.rfind("\\boxed")
    if start < 0:
        return ""
    rest = text[start + len("\\boxed") :].lstrip()
    if not rest.startswith("{"):
        return re.split(r"[\s$]", rest, maxsplit=1)[0]
    depth = 0
    for i, char in enumerate(rest):
        escaped = i > 0 and rest[i - 1] == "\\"
        if char in "{}" and not escaped:
            depth += 1 if char == "{" else -1
            if depth == 0:
                return re.sub(r"(?<!\\)\$\s*\$", " ", rest[1:i]).strip()
    return ""


_DOLLAR = re.compile(r"(?<!\\)\$")


def one_span(text: str) -> str:
    """A formula without the `$` around it; a text of several formulas as it is, unless one `$`
    lacks its partner: then without any."""
    text = text.strip()
    marks = len(_DOLLAR.findall(text))
    whole = re.fullmatch(r"\$(.*)\$\.?", text, re.DOTALL)
    if marks == 2 and whole:
        return whole[1].strip()
    return _DOLLAR.sub("", text).strip() if marks % 2 else text


_NO_COMMAND = re.compile(
    r"\\n(?!(?:abla|atural|e|earrow|eg|eq|ewline|geq|i|leq|mid|ot|otin|parallel|u|warrow)\b)"
)


def real_newlines(text: str) -> str:
    """`text` with line breaks where a source has a backslash and an `n` that begin no command."""
    return _NO_COMMAND.sub("\n", text)


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
