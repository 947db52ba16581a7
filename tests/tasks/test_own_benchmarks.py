"""Benchmarks that a configuration defines: from files of every format to problems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from rsd.config import TasksConfig
from rsd.errors import ConfigError
from rsd.kinds import AnswerKind
from rsd.tasks import load_problems, tasks_of
from rsd.types import Problem

ROWS = [
    {"question": "How many legs has a cat?", "answer": "4"},
    {"question": 'What is "007" as a number, with commas?', "answer": "1,007"},
]


def problems(tasks: dict[str, Any]) -> list[Problem]:
    config = TasksConfig.model_validate(tasks)
    (task,) = tasks_of(config).values()
    return load_problems(task, config.data_dir)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """`rows` in the format of the suffix of `path`."""
    columns = list(rows[0])
    match path.suffix:
        case ".jsonl":
            path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        case ".json":
            path.write_text(json.dumps({"version": 1, "data": rows}), "utf-8")
        case ".parquet":
            parquet.write_table(pa.Table.from_pylist(rows), path)
        case suffix:
            comma = "\t" if suffix == ".tsv" else ","
            cells = [columns, *([str(row[name]) for name in columns] for row in rows)]
            quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in cells]
            path.write_text("\n".join(map(comma.join, quoted)), "utf-8")
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_a_file_in_names_is_a_benchmark(tmp_path: Path, suffix: str) -> None:
    found = problems({"names": [str(write(tmp_path / f"my rows{suffix}", ROWS))]})
    assert [(it.task, it.problem_id, it.question, it.gold, it.kind) for it in found] == [
        ("my-rows", str(i), row["question"], row["answer"], AnswerKind.NUMBER)
        for i, row in enumerate(ROWS)
    ]


def test_what_was_taken_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"uid": f"u{i}", "Problem": "Q", "solution": "so\n#### 3", "level": i} for i in (1, 2)]
    found = problems({"names": [str(write(tmp_path / "mine.csv", rows))]})
    assert [(it.problem_id, it.gold, it.level) for it in found] == [
        ("u1", "3", "1"),
        ("u2", "3", "2"),
    ]
    assert (
        "mine.csv: guessed question from Problem, gold from solution, id from uid, level from "
        "level; answers: number; tasks.define.mine says otherwise" in caplog.text
    )


def test_columns_can_be_named_and_joined(tmp_path: Path) -> None:
    rows = [{"premise": "A cat.", "ask": "Legs?", "worked": r"so \boxed{\frac{1}{2}}", "k": "x"}]
    definition = {
        "file": str(write(tmp_path / "rows.jsonl", rows)),
        "question": "{premise} {ask}",
        "gold": "worked",
        "id": "row-{k}",
        "answers": "mathematics",
    }
    (found,) = problems({"names": ["cats"], "define": {"cats": definition}})
    assert (found.task, found.problem_id) == ("cats", "row-x")
    assert (found.question, found.gold) == ("A cat. Legs?", r"\frac{1}{2}")
    assert found.kind is AnswerKind.MATH


@pytest.mark.parametrize(
    ("row", "choices"),
    [
        ({"question": "Q", "options": '["no", "yes"]', "answer": "B"}, None),
        ({"question": "Q", "A": "no", "B": "yes", "C": "", "answer": "b"}, None),
        ({"question": "Q", "first": "no", "second": "yes", "answer": "yes"}, ["first", "second"]),
        ({"question": "Q", "said": '{"A": "no", "B": "yes"}', "answer": "1"}, "said"),
    ],
)
def test_choices_are_a_column_or_one_each(
    tmp_path: Path, row: dict[str, Any], choices: str | list[str] | None
) -> None:
    definition = {"file": str(write(tmp_path / "rows.csv", [row])), "choices": choices}
    (found,) = problems({"names": ["mine"], "define": {"mine": definition}})
    assert (found.choices, found.gold, found.kind) == (("no", "yes"), "B", AnswerKind.CHOICE)
    assert found.question == "Q\nAnswer Choices: (A) no (B) yes"


def test_semicolons_a_byte_order_mark_and_multi_line_cells_are_read(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes('\ufeffquestion;answer\r\n"Two,\r\nlines; one";5\r\n\r\n'.encode())
    (found,) = problems({"names": [str(path)]})
    assert (found.question, found.gold) == ("Two,\r\nlines; one", "5")


def test_ids_that_repeat_are_not_taken_for_ids(tmp_path: Path) -> None:
    rows = [{"id": "a", **row} for row in ROWS]
    found = problems({"names": [str(write(tmp_path / "mine.csv", rows))]})
    assert [it.problem_id for it in found] == ["0", "1"]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"question": "probelm"},
        "define.mine.question: no column 'probelm'; its columns are a, b",
    ),
    ({"question": "{a} {c}"}, "tasks.define.mine.question: no column 'c'; its columns are a, b"),
    ({}, "tasks.define.mine.question: not given, and no column has a name to guess it from; "),
    ({"question": "a"}, "tasks.define.mine.gold: not given, and no column has a name to guess it"),
    (
        {"question": "a", "gold": "b", "answers": "choice"},
        "choices: no column is called choices",
    ),
    ({"question": "a", "gold": "b", "choices": "a"}, ":2: not a row of mine: a is a text; write"),
]


@pytest.mark.parametrize(("given", "message"), MISTAKES)
def test_a_mistake_in_a_definition_is_one_clear_line(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    file = write(tmp_path / "rows.csv", [{"a": "Q", "b": "1"}])
    with pytest.raises(ConfigError) as caught:
        problems({"names": ["mine"], "define": {"mine": {"file": str(file), **given}}})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


FILES = [
    ("absent.csv", None, "No such file"),
    ("empty.csv", b"", "it has no rows"),
    ("header.csv", b"question,answer\n", "it has no rows"),
    ("wide.csv", b"question,answer\nWhy, oh why?,1\n", ":2: 3 cells under 2 columns; put quotes"),
    ("twice.csv", b"question,answer,answer\nQ,1,2\n", "two columns are called 'answer'"),
    ("quote.csv", b'question,answer\n"Q,1\n', "not CSV"),
    ("latin.csv", "question,answer\nQ\xe9,1\n".encode("latin-1"), "not UTF-8 (byte 18)"),
    ("null.csv", b"question,answer\nQ,\n", ":2: no column 'answer'"),
    ("text.json", b'"rows"', "it is a text; write a list of objects"),
    ("broken.json", b"[1,", "not JSON"),
    ("numbers.json", b"[1, 2]", ":1: expected an object, got a number"),
    ("broken.parquet", b"PAR1 is not enough", "not Parquet"),
]


@pytest.mark.parametrize(("name", "content", "message"), FILES)
def test_a_file_that_is_not_what_it_seems_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        problems({"names": [str(path)]})
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [mine]\ndefine: {mine: {}}", "either a file or a hub data set"),
        ("names: [mine]\ndefine: {mine: {file: rows.xlsx}}", "unknown format; rsd reads .jsonl"),
        ("names: [x/a.csv, y/a.csv]", "its name, a, is taken"),
        ("names: [a]\ndefine: {a: {file: a.csv, answers: number, choices: c}}", "has no choices"),
        ("names: [a]\ndefine: {a: {file: a.csv, qestion: q}}", "qestion"),
    ],
)
def test_a_definition_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TasksConfig.model_validate(yaml.safe_load(text))
