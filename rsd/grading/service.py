"""One job of a worker: the verdicts on one response that its caller could not decide."""

from __future__ import annotations

from typing import Any

from rsd.grading.direct import DEFAULT, PAPER, decide
from rsd.grading.judge import judge
from rsd.grading.paper import paper_verdict
from rsd.grading.verdict import Options
from rsd.kinds import AnswerKind


def serve_job(job: list[Any]) -> dict[str, Any]:
    """The verdicts on `[response, gold, task, kind, options, wanted]`, by the names in `wanted`,
    as `rsd.grading.direct.Decision` holds them."""
    response, gold, task, kind_name, policy, wanted = job
    options = Options(**{**policy, "choices": tuple(policy.get("choices", ()))})
    kind = AnswerKind(kind_name)
    decision = decide(response, gold, task, kind, options, _judge, _judge_paper, wanted)
    return {DEFAULT: decision.default, PAPER: decision.paper}


def _judge(answer: str, gold: str, kind: AnswerKind, options: Options) -> tuple[bool, str]:
    try:
        return judge(answer, gold, kind, options)
    except (MemoryError, RecursionError):
        return False, "too-large"


def _judge_paper(response: str, gold: str, task: str) -> bool:
    try:
        return paper_verdict(response, gold, task)
    except (MemoryError, RecursionError):
        return False
