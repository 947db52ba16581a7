"""What a worker does for a job: it answers the questions of `rsd.grading.decision`."""

from __future__ import annotations

from typing import Any

from rsd.grading.compare.answers import compare_answers
from rsd.grading.decision import DEFAULT, PAPER
from rsd.grading.paper import paper_verdict
from rsd.grading.verdict import Options
from rsd.kinds import AnswerKind


def serve_job(questions: dict[str, list[Any]]) -> dict[str, Any]:
    """Answer `{"default": [answer, gold, kind, options], "paper": [response, gold, task]}`, or one
    of the two: with `[correct, rule]` for the default verdict, with true or false for the other."""
    answers: dict[str, Any] = {}
    if DEFAULT in questions:
        answer, gold, kind, policy = questions[DEFAULT]
        options = Options(**{**policy, "choices": tuple(policy.get("choices", ()))})
        try:
            answers[DEFAULT] = compare_answers(answer, gold, AnswerKind(kind), options)
        except (MemoryError, RecursionError):
            answers[DEFAULT] = False, "too-large"
    if PAPER in questions:
        try:
            answers[PAPER] = paper_verdict(*questions[PAPER])
        except (MemoryError, RecursionError):
            answers[PAPER] = False
    return answers
