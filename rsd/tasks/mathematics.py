"""Competition, school-leaving and college mathematics. Gold answers are LaTeX of any kind."""

from __future__ import annotations

import re

from rsd.tasks.fields import (
    Row,
    boxed,
    column,
    last_box,
    number,
    one_span,
    real_newlines,
    text_if_any,
    text_of,
    texts,
)
from rsd.tasks.mirror import mirrored
from rsd.tasks.task import Hub, Task


def _level(row: Row) -> str | None:
    return text_of(row, "level").removeprefix("Level ") if "level" in row else None


def _final_answer(row: Row) -> str:
    """The parts of the final answer, without units: where there is one, the question names it."""
    parts = [part.strip() for part in texts(row["final_answer"], "final_answer")]
    return one_span(", ".join(part for part in parts if part))


def _without_dollars(row: Row) -> str:
    """The answer without `$`; one row has the heading of its solution glued to it."""
    return re.sub(r"solution:\s*$", "", text_of(row, "answer").replace("$", "")).strip()


def _context_and_question(row: Row) -> str:
    context, question = text_if_any(row, "context"), text_of(row, "question")
    return f"{context}\n{question}" if context else question


MATHEMATICS = (
    Task(
        name="math500",
        about="competition mathematics, 500 of MATH's test problems",
        rows=500,
        answers="number, expression, tuple, interval, word",
        licence="MIT",
        hub=Hub(
            "HuggingFaceH4/MATH-500",
            split="test",
            revision="ff5b20257d8185524591543f8ff5993951537bb8",
            columns=("unique_id", "problem", "solution", "answer", "subject", "level"),
            file="test.jsonl",
        ),
        text=column("problem"),
        gold=boxed("solution"),
        level=_level,
        own_id=lambda row: row["unique_id"],
    ),
    Task(
        name="gaokao2023en",
        about="Gaokao and other examinations of 2023, in English",
        rows=385,
        answers="number, expression, set, letter, word",
        licence="MIT",
        hub=mirrored("gaokao2023en", "id", "source", "question", "answer"),
        text=lambda row: real_newlines(text_of(row, "question")),
        gold=_without_dollars,
    ),
    Task(
        name="olympiadbench",
        about="olympiad mathematics, open-ended, text only, English",
        rows=675,
        answers="number, expression, tuple, interval, list",
        licence="Apache-2.0",
        hub=mirrored(
            "olympiadbench",
            *("id", "context", "question", "final_answer", "answer_type", "unit", "error"),
            "subfield",
        ),
        text=_context_and_question,
        gold=_final_answer,
    ),
    Task(
        name="math",
        about="competition mathematics, all 5,000 test problems",
        rows=5000,
        answers="number, expression, tuple, interval, word",
        licence="MIT",
        hub=mirrored("math", "idx", "problem", "solution", "type", "level"),
        text=column("problem"),
        gold=boxed("solution"),
        level=_level,
    ),
    Task(
        name="minerva_math",
        about="undergraduate science of MIT OpenCourseWare",
        rows=272,
        answers="number, expression, equation",
        licence="CC BY-NC-SA 4.0",
        hub=mirrored("minerva_math", "idx", "problem", "solution", "type"),
        text=column("problem"),
        gold=lambda row: last_box(text_of(row, "solution")).removeprefix(
            "np."
        ),  # one is NumPy's arcsin
    ),
    Task(
        name="college_math",
        about="exercises of college textbooks",
        rows=2818,
        answers="expression, equation, tuple, interval, prose",
        licence="by row, most CC BY or BY-NC-SA",
        hub=mirrored(
            "college_math",
            *("data_source", "question_number", "question", "answer", "license", "data_topic"),
        ),
        text=column("question"),
        gold=lambda row: one_span(text_of(row, "answer")),
    ),
    Task(
        name="amc23",
        about="AMC 12 of 2023, 40 problems with whole-number answers",
        rows=40,
        answers="number",
        licence="copyright MAA",
        hub=mirrored("amc23", "id", "problem", "answer", "url"),
        text=column("problem"),
        gold=number("answer"),
    ),
    Task(
        name="aime24",
        about="AIME I and II of 2024",
        rows=30,
        answers="number",
        licence="copyright MAA",
        hub=mirrored("aime24", "id", "problem", "answer", "url"),
        text=column("problem"),
        gold=column("answer"),
    ),
)
