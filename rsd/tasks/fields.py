"""How questions and gold answers stand in the rows of benchmarks: readers that tasks share."""

from __future__ import annotations

import re
from collections.abc import Callable

from rsd.tasks.values import Row, text_of

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
