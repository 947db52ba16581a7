"""Word problems of the school kind. Their gold answers are numbers, in part also words."""

from __future__ import annotations

from html import unescape

from rsd.tasks.fields import Row, after_hashes, column, number, text_if_any, text_of, texts
from rsd.tasks.mirror import mirrored
from rsd.tasks.task import Hub, Task


def _level(row: Row) -> str | None:
    return text_of(row, "level") if "level" in row else None


def _svamp_text(row: Row) -> str:
    """Body and question; a body that breaks off gets its full stop."""
    body = text_of(row, "Body").strip()
    return f"{body}{'.' if body[-1:].isalnum() else ''} {text_of(row, 'Question').strip()}"


def _asdiv_text(row: Row) -> str:
    return f"{text_of(row, 'body').strip()} {text_of(row, 'question').strip()}"


def _asdiv_gold(row: Row) -> str:
    """`9 (apples)` less its unit; a parenthesis that begins the answer belongs to it."""
    answer = text_of(row, "answer").strip()
    unit = answer.rfind(" (")
    return answer[:unit].strip() if unit > 0 and answer.endswith(")") else answer


def _tabmwp_text(row: Row) -> str:
    """The table, the question, and what to choose from: words, so their gold is a word, too."""
    title = text_if_any(row, "table_title")
    titled = f' about "{title}"' if title else ""
    offered = texts(row["choices"], "choices") if row.get("choices") is not None else []
    choice = f" Choose one of these: {'; '.join(offered)}" if offered else ""
    asked = f"{text_of(row, 'question').strip()}{choice}"
    return f"Read this table{titled} and answer the question.\n{text_of(row, 'table')}\n{asked}"


def _grade(row: Row) -> str | None:
    return f"grade {text_of(row, 'grade')}" if row.get("grade") is not None else None


WORD_PROBLEMS = (
    Task(
        name="demo",
        about="generated word problems for the bundled tiny models",
        rows=200,
        answers="number",
        licence="Apache-2.0",
        hub=None,
        text=column("question"),
        gold=after_hashes("answer"),
        level=_level,
    ),
    Task(
        name="gsm8k",
        about="grade-school word problems",
        rows=1319,
        answers="number",
        licence="MIT",
        hub=Hub(
            "openai/gsm8k",
            split="test",
            revision="cc7b047b6e5bb11b4f1af84efc572db110a51b3c",
            columns=("question", "answer"),
            config="main",
        ),
        text=column("question"),
        gold=after_hashes("answer"),
    ),
    Task(
        name="svamp",
        about="one-step word problems with misleading parts",
        rows=1000,
        answers="number",
        licence="MIT",
        hub=mirrored("svamp", "ID", "Body", "Question", "Answer", "Type"),
        text=_svamp_text,
        gold=number("Answer"),
        own_id=lambda row: row["ID"],
    ),
    Task(
        name="asdiv",
        about="word problems of many kinds, grades 1 to 6",
        rows=2215,
        answers="number, ratio, time of day, word",
        licence="CC BY-NC 4.0",
        hub=mirrored("asdiv", "idx", "body", "question", "answer", "solution_type"),
        text=_asdiv_text,
        gold=_asdiv_gold,
    ),
    Task(
        name="mawps",
        about="word problems of one to a few operations",
        rows=2065,
        answers="number",
        licence="MIT",
        hub=mirrored("mawps", "idx", "input", "target", "type"),
        text=lambda row: unescape(text_of(row, "input")),
        gold=number("target"),
    ),
    Task(
        name="tabmwp",
        about="questions on a table",
        rows=1000,
        answers="number, fraction, word",
        licence="CC BY-NC-SA 4.0",
        hub=mirrored(
            "tabmwp",
            *("pid", "table_title", "table", "question", "choices", "answer"),
            *("unit", "ans_type", "grade"),
        ),
        text=_tabmwp_text,
        gold=column("answer"),
        level=_grade,
        own_id=lambda row: row["pid"],
    ),
)
