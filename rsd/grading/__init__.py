"""Answer extraction and equivalence, in killable worker processes.

Two verdicts on every response: the default one, which is right as often as it can be, and the
`paper` one, which repeats Qwen2.5-Math's evaluation with its faults because the published
figures contain them. No text is ever evaluated as code.
"""

from __future__ import annotations

from rsd.grading.groups import group_answers
from rsd.grading.reply.extract import MAX_SCANNED, extract
from rsd.grading.verdict import Options, Verdict
from rsd.grading.workers.pool import GraderPool, verdict_on
from rsd.kinds import AnswerKind, kind_of

__all__ = [
    "AnswerKind",
    "GraderPool",
    "Options",
    "Verdict",
    "extract_answer",
    "grade",
    "group_answers",
    "is_correct",
    "kind_of",
]


def is_correct(response: str, gold: str, task: str) -> bool:
    """Whether `response` answers with `gold`, by the default verdict.

    Safe on any text: never raises for it, takes 5 s at most, evaluates nothing. An empty or
    broken `gold` makes every response wrong. May be called in any thread and any process.
    Raises GradingError if no worker process can be started.
    """
    verdict = verdict_on(_text(response), _text(gold), task, None, Options(), with_paper=False)
    return verdict.correct is True


def extract_answer(
    response: str, task: str, choices: tuple[str, ...] = (), *, kind: AnswerKind | None = None
) -> str | None:
    """The answer that `response` states for a problem of `task`, or None if it states none.
    `choices` are the texts of the problem's options A, B, C ...; `kind` overrides the kind of
    answer that `task` has."""
    found = extract(_text(response)[-MAX_SCANNED:], kind or kind_of(task), choices)
    return found.text if found else None


def grade(
    response: str,
    gold: str,
    task: str,
    *,
    kind: AnswerKind | None = None,
    options: Options | None = None,
) -> Verdict:
    """Both verdicts on `response`, in 5 s at most; `kind` overrides the task's kind of answer.

    Raises GradingError if no worker process can be started.
    """
    return verdict_on(_text(response), _text(gold), task, kind, options or Options())


def _text(value: object) -> str:
    """What a broken caller or a data set may pass instead of text."""
    return value if isinstance(value, str) else "" if value is None else str(value)
