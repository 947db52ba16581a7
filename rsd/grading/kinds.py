"""Which kind of answer each benchmark has."""

from __future__ import annotations

from rsd.grading.verdict import AnswerKind

_NUMBER = ("gsm8k", "svamp", "mawps", "amc23", "aime24", "demo")
_CHOICE = ("gpqa", "mmlu_stem", "sat_math", "aqua")

KINDS: dict[str, AnswerKind] = {
    **dict.fromkeys(_NUMBER, AnswerKind.NUMBER),
    **dict.fromkeys(_CHOICE, AnswerKind.CHOICE),
}


def kind_of(task: str) -> AnswerKind:
    """The kind of a task's answers; a name that is no known task is free-form mathematics."""
    return KINDS.get(task, AnswerKind.MATH)
