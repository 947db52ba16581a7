"""What the gold answers of a benchmark are, which decides how answers are read and compared."""

from __future__ import annotations

from enum import StrEnum


class AnswerKind(StrEnum):
    """What the gold answers of a benchmark are."""

    NUMBER = "number"
    MATH = "math"
    CHOICE = "choice"
    TEXT = "text"


_NUMBER = ("gsm8k", "svamp", "mawps", "amc23", "demo")
_COMPETITION = ("aime24", "aime25", "aime26", "beyond_aime")
_CHOICE = ("gpqa", "mmlu_stem", "sat_math", "aqua")

_KINDS: dict[str, AnswerKind] = {
    **dict.fromkeys((*_NUMBER, *_COMPETITION), AnswerKind.NUMBER),
    **dict.fromkeys(_CHOICE, AnswerKind.CHOICE),
}


def kind_of(task: str) -> AnswerKind:
    """The kind of a built-in benchmark's answers; any other name is free-form mathematics."""
    return _KINDS.get(task, AnswerKind.MATH)
