"""Values that nobody can mean, in every column that every benchmark reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tasks.rows import ROWS as MADE_UP

from rsd.errors import ConfigError
from rsd.tasks import TASKS, load_problems
from rsd.tasks.competitions import COMPETITIONS
from rsd.types import Problem

Row = dict[str, Any]

OPTIONS = ["3", "4", "five", "six"]
ROWS: dict[str, Row] = {
    "demo": {"id": "a", "question": "q", "answer": "1", "level": 1},
    "gsm8k": {"question": "q", "answer": "#### 1"},
    "math500": {"unique_id": "a", "problem": "q", "solution": r"\boxed{1}", "level": 1},
    "gaokao2023en": {"id": "a", "question": "q", "answer": "1"},
    "olympiadbench": {"id": 1, "context": "c", "question": "q", "final_answer": ["1"]},
    "gpqa": {"question": "q", "choices": OPTIONS, "answer": 1},
    "mmlu_stem": {"question": "q", "choices": OPTIONS, "answer": 1},
    "math": {"idx": 0, "problem": "q", "solution": r"\boxed{1}", "level": "Level 1"},
    "minerva_math": {"idx": 0, "problem": "q", "solution": r"\boxed{1}"},
    "college_math": {"question": "q", "answer": "1"},
    "amc23": {"id": 1, "problem": "q", "answer": 1.0},
    "aime24": {"id": 1, "problem": "q", "answer": "1"},
    "svamp": {"ID": "a", "Body": "b", "Question": "q", "Answer": 1.0},
    "asdiv": {"idx": 0, "body": "b", "question": "q", "answer": "1 (apples)"},
    "mawps": {"idx": 0, "input": "q", "target": 1.0},
    "tabmwp": {"pid": "1", "table_title": "t", "table": "a", "question": "q", "choices": OPTIONS}
    | {"answer": "3", "grade": 2},
    "sat_math": {"id": "a", "question": "q", "options": "A) 1 B) 2 C) 3", "Answer": "B"},
    "aqua": {"question": "q", "options": ["A)1", "B)2"], "correct": "B"},
    **{task.name: MADE_UP[task.name][0] for task in COMPETITIONS},
}
ABSURD = (float("nan"), float("inf"), -float("inf"), True, {}, {"a": {}}, [["q"]], [{"b": 1}])
QUESTIONS = {"question", "problem", "Problem", "input"}
UNREAD = {"subject", "source", "Category"}
GOLDS = ("answer", "Answer", "Short Answer", "target", "solution")
LISTS = {"choices", "options", "final_answer"}
LETTERS = {name for name, task in TASKS.items() if task.answers == "letter"}


def cases() -> Iterator[tuple[str, str, Any]]:
    for task, row in ROWS.items():
        for column in [name for name in row if name not in UNREAD]:
            yield from ((task, column, value) for value in ABSURD)
            if column not in LISTS:
                yield task, column, ["q"]
            if column in QUESTIONS - {"question"} or (column == "question" and len(row) < 4):
                yield task, column, " "
        if task in LETTERS:
            options = next(column for column in row if column in LISTS)
            for value in ("abcd", 7, [], ["one"], ["a", ""], {"a": ["b"]}, list("abcdefghijk")):
                yield task, options, value
            answer = "answer" if "answer" in row else "Answer" if "Answer" in row else "correct"
            yield from ((task, answer, value) for value in (4, -1, 1.5, "E", "", "B or C", "-1"))
        elif task not in ("olympiadbench", "tabmwp"):
            gold = next(name for name in GOLDS if name in row)
            texts = ("NaN", "-inf", "Infinity") if gold != "solution" else (r"\boxed{nan}",)
            yield from ((task, gold, value) for value in texts)


def load(root: Path, task: str, *rows: Row) -> list[Problem]:
    path = root / task / "test.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_problems(task, root)


def test_every_benchmark_has_a_row_here(tmp_path: Path) -> None:
    assert ROWS.keys() == TASKS.keys()
    for task, row in ROWS.items():
        assert load(tmp_path, task, row)[0].gold


@pytest.mark.parametrize(("task", "column", "value"), [*cases()])
def test_it_is_refused_in_one_line(tmp_path: Path, task: str, column: str, value: Any) -> None:
    fine = {name: cell for name, cell in ROWS[task].items() if name.lower() not in ("id", "idx")}
    fine |= {name: "first" for name in ("ID", "unique_id", "pid") if name in ROWS[task]}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, task, fine, ROWS[task] | {column: value})
    message = str(caught.value)
    assert re.search(rf"{task}/test\.jsonl:2: not a row of {task}: [^\n]+; [^\n]+$", message)


@pytest.mark.parametrize(
    "choices",
    [
        ["Paris", "Rome", "Bonn", "Kiel"],
        ["A) Paris", "B) Rome", "C) Bonn", "D) Kiel"],
        ["(a) Paris", "(b) Rome", "(c) Bonn", "(d) Kiel"],
        {"text": ["Paris", "Rome", "Bonn", "Kiel"], "label": ["A", "B", "C", "D"]},
        {"label": ["1", "2", "3", "4"], "text": ["Paris", "Rome", "Bonn", "Kiel"]},
        {"A": "Paris", "B": "Rome", "C": "Bonn", "D": "Kiel"},
        {"b": "Rome", "a": "Paris", "d": "Kiel", "c": "Bonn"},
        [{"label": x, "text": y} for x, y in zip("ABCD", ("Paris", "Rome", "Bonn", "Kiel"))],  # noqa: B905
        "A) Paris B) Rome C) Bonn D) Kiel",
    ],
    ids=repr,
)
def test_the_layouts_that_people_have_are_one(tmp_path: Path, choices: Any) -> None:
    numbered = isinstance(choices, dict) and choices.get("label", "A")[0] == "1"
    answers = ("3", 3, 3.0) if numbered else ("C", "c", "(c)", "C.", 2, 2.0, "2")
    rows = [{"question": "q", "choices": choices, "answer": it} for it in (*answers, "Bonn")]
    for problem in load(tmp_path, "mmlu_stem", *rows):
        assert problem.choices == ("Paris", "Rome", "Bonn", "Kiel")
        assert problem.question == "q\nAnswer Choices: (A) Paris (B) Rome (C) Bonn (D) Kiel"
        assert problem.gold == "C"


def test_ten_numbered_options_are_in_their_order(tmp_path: Path) -> None:
    numbers = [str(n) for n in range(1, 11)]
    choices = {"text": [f"t{n}" for n in numbers], "label": numbers}
    (problem,) = load(tmp_path, "gpqa", {"question": "q", "choices": choices, "answer": "10"})
    assert (problem.choices[9], problem.gold) == ("t10", "J")


def test_an_index_that_may_be_an_option_is_refused(tmp_path: Path) -> None:
    row = {"question": "q", "choices": ["1", "2", "3"], "answer": "1"}
    with pytest.raises(ConfigError, match="answer '1' may be an index or an option; write its"):
        load(tmp_path, "mmlu_stem", row)
    (tmp_path / "other").mkdir()
    (problem,) = load(tmp_path / "other", "mmlu_stem", row | {"answer": 1})
    assert problem.gold == "B"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["A", "B"], "has 3 texts and 2 labels"),
        (["A", "A", "B"], "has the labels A, A, B"),
        (["A", "B", 3], "has the labels A, B, 3"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, labels: list[Any], message: str) -> None:
    choices = {"text": ["a", "b", "c"], "label": labels}
    row = {"question": "q", "choices": choices, "answer": "A"}
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, "gpqa", row)


def test_numbers_are_numbers(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": it} for it in (18, 18.0, "18", "So it is.\n#### 18")]
    assert [it.gold for it in load(tmp_path, "gsm8k", *rows)] == ["18"] * 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"question": "q"', ":1: not JSON: "),
        (b'{"question": "caf\xe9", "answer": "1"}', ":1: not UTF-8 "),
        ('{"question": "q", "answer": "1"}'.encode("utf-16"), ":1: not UTF-8 "),
        (b'[\n{"question": "q", "answer": "1"}\n]', ":1: not JSON: .*; write one object a line"),
        (b"{}\n", ":1: no column 'answer'; "),
        (b'"text"\n', ":1: expected an object, got a text; write one object a line"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "gsm8k" / "test.jsonl"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^{path}{message}"):
        load_problems("gsm8k", tmp_path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k" / "test.jsonl"
    path.parent.mkdir()
    path.write_bytes(b'\xef\xbb\xbf{"question": "q", "answer": "1"}\n')
    assert load_problems("gsm8k", tmp_path)[0].question == "q"
