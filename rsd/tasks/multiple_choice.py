"""Multiple choice. The gold answer is a letter; the options stand on a line of their own."""

from __future__ import annotations

from random import Random
from typing import Any

from rsd.tasks.fields import Row, column
from rsd.tasks.mirror import mirrored
from rsd.tasks.options import answer, options
from rsd.tasks.task import Hub, Task


def _gpqa_row(row: Row) -> dict[str, Any]:
    """The source names the right answer and three wrong ones: put them into an order that is
    random over problems and the same for a problem always."""
    right = str(row["Correct Answer"]).strip()
    choices = [right, *(str(row[f"Incorrect Answer {i}"]).strip() for i in (1, 2, 3))]
    order = list(range(len(choices)))
    Random(f"gpqa {row['Record ID']}").shuffle(order)  # noqa: S311 - no secret
    return {
        "id": row["Record ID"],
        "question": row["Question"],
        "choices": [choices[i] for i in order],
        "answer": order.index(0),
    }


MULTIPLE_CHOICE = (
    Task(
        name="gpqa",
        about="GPQA Diamond: graduate science that no search engine answers",
        rows=198,
        answers="letter",
        licence="CC BY 4.0",
        hub=Hub(
            "Idavidrein/gpqa",
            split="train",
            revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd",
            columns=(
                *("Record ID", "Question", "Correct Answer"),
                *("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"),
            ),
            config="gpqa_diamond",
            gated=True,
            as_local=_gpqa_row,
        ),
        text=column("question"),
        choices=options("choices"),
        gold=answer("answer", of="choices"),
    ),
    Task(
        name="mmlu_stem",
        about="the 18 science and mathematics subjects of MMLU",
        rows=3018,
        answers="letter",
        licence="MIT",
        hub=mirrored("mmlu_stem", "question", "choices", "answer", "type"),
        text=column("question"),
        choices=options("choices"),
        gold=answer("answer", of="choices"),
    ),
    Task(
        name="sat_math",
        about="SAT mathematics of May 2023 without figures",
        rows=32,
        answers="letter",
        licence="copyright College Board",
        hub=mirrored("sat_math", "id", "question", "options", "Answer"),
        text=column("question"),
        choices=options("options"),
        gold=answer("Answer", of="options"),
    ),
    Task(
        name="aqua",
        about="AQuA-RAT: algebra word problems with five options",
        rows=254,
        answers="letter",
        licence="Apache-2.0",
        hub=mirrored("aqua", "question", "options", "rationale", "correct"),
        text=column("question"),
        choices=options("options"),
        gold=answer("correct", of="options"),
    ),
)
