"""Competitions since 2025. Their problems are few, so several samples of each are usual.

The hub's copies were not reachable when this was written: no commit is pinned, the number of rows
is checked, and a run is known by the checksum of its questions.
"""

from __future__ import annotations

from rsd.tasks.fields import Row, column, number, one_span, text_of
from rsd.tasks.task import Hub, Task


def _answer(row: Row) -> str:
    return one_span(text_of(row, "answer"))


def _matharena(name: str, dataset: str, about: str, rows: int = 30, answers: str = "") -> Task:
    """A competition that MathArena has put on the hub."""
    return Task(
        name=name,
        about=about,
        rows=rows,
        answers=answers or "number, expression, tuple, list",
        licence="CC BY-NC-SA 4.0",
        hub=Hub(f"MathArena/{dataset}", "train", None, ("problem_idx", "problem", "answer")),
        text=column("problem"),
        gold=number("answer") if answers == "number" else _answer,
        own_id=lambda row: row["problem_idx"],
    )


def _olymmath(level: str) -> Task:
    return Task(
        name=f"olymmath_{level}",
        about=f"OlymMATH, olympiad mathematics in English: the {level} half",
        rows=100,
        answers="number, interval, set",
        licence="MIT",
        hub=Hub(
            "RUC-AIBOX/OlymMATH",
            split="test",
            revision=None,
            columns=("unique_id", "problem", "answer", "subject"),
            config=f"en-{level}",
        ),
        text=column("problem"),
        gold=_answer,
        own_id=lambda row: row["unique_id"],
    )


COMPETITIONS = (
    _matharena("aime25", "aime_2025", "AIME I and II of 2025", answers="number"),
    _matharena("aime26", "aime_2026", "AIME I and II of 2026", answers="number"),
    _matharena("hmmt_feb25", "hmmt_feb_2025", "HMMT of February 2025"),
    _matharena("hmmt_nov25", "hmmt_nov_2025", "HMMT of November 2025"),
    _matharena("hmmt_feb26", "hmmt_feb_2026", "HMMT of February 2026", rows=33),
    _matharena("brumo25", "brumo_2025", "Brown University Math Olympiad of 2025"),
    Task(
        name="beyond_aime",
        about="BeyondAIME: problems in the manner of AIME, and harder",
        rows=100,
        answers="number",
        licence="CC0 1.0",
        hub=Hub("ByteDance-Seed/BeyondAIME", "test", None, ("problem", "answer")),
        text=column("problem"),
        gold=number("answer"),
    ),
    Task(
        name="imo_answerbench",
        about="IMO-AnswerBench: olympiad problems with short answers, a copy of IMO-Bench's",
        rows=400,
        answers="number, expression, set, interval",
        licence="CC BY 4.0",
        hub=Hub(
            "Hwilner/imo-answerbench",
            split="train",
            revision=None,
            columns=("Problem ID", "Problem", "Short Answer", "Category"),
        ),
        text=column("Problem"),
        gold=lambda row: one_span(text_of(row, "Short Answer")),
        own_id=lambda row: row["Problem ID"],
    ),
    *map(_olymmath, ("easy", "hard")),
    Task(
        name="omni_math",
        about="Omni-MATH: olympiad mathematics of many contests and levels",
        rows=4428,
        answers="number, expression, set, prose",
        licence="Apache-2.0",
        hub=Hub(
            "KbsdJames/Omni-MATH",
            split="test",
            revision=None,
            columns=("problem", "answer", "difficulty", "source"),
        ),
        text=column("problem"),
        gold=_answer,
        level=lambda row: text_of(row, "difficulty") if "difficulty" in row else None,
    ),
)
