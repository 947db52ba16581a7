from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rsd.errors import ConfigError
from rsd.tasks import TASKS, load_problems

ROOT = Path(__file__).parents[2]

# Golds that are empty in the public files; such rows are counted apart as ungradable.
UNGRADABLE = {"gaokao2023en": {"HMMT2023General_9", "052023SATS4_11"}}


def write(root: Path, task: str, *lines: str) -> Path:
    path = root / task / "test.jsonl"
    path.parent.mkdir()
    path.write_text("".join(line + "\n" for line in lines))
    return root


def test_the_bundled_benchmark_is_whole() -> None:
    problems = load_problems("demo", ROOT / "data")
    assert len(problems) == TASKS["demo"].rows
    assert all(p.question and p.gold.lstrip("-").isdigit() and p.level for p in problems)


@pytest.mark.parametrize(
    "name", [name for name, task in TASKS.items() if task.hub and task.hub.revision]
)
def test_a_local_file_of_the_public_layout_is_read(name: str) -> None:
    data = os.environ.get("RSD_TEST_DATA")
    if not data:
        pytest.skip("RSD_TEST_DATA is not set")
    problems = load_problems(name, Path(data) / "datasets")
    assert len(problems) == TASKS[name].rows
    assert {p.problem_id for p in problems if not p.gold.strip()} == UNGRADABLE.get(name, set())
    assert len({p.problem_id for p in problems}) == len(problems)
    for problem in problems:
        assert problem.question.strip() == problem.question != ""
        assert "answer choices" in problem.question.lower() or not problem.choices
        if TASKS[name].answers == "letter":
            assert "ABCDE".index(problem.gold) < len(problem.choices)


def test_a_row_is_known_by_its_own_id_or_else_its_position(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer": "1"}, {"id": "x-1", "question": "q", "answer": "1"}]
    problems = load_problems(
        "gaokao2023en", write(tmp_path, "gaokao2023en", *map(json.dumps, rows))
    )
    assert [problem.problem_id for problem in problems] == ["0", "x-1"]


def test_the_limit_takes_the_first(tmp_path: Path) -> None:
    rows = [json.dumps({"question": str(n), "answer": "#### 1"}) for n in range(5)]
    problems = load_problems("gsm8k", write(tmp_path, "gsm8k", *rows), limit=2)
    assert [p.question for p in problems] == ["0", "1"]


@pytest.mark.parametrize(
    ("task", "lines", "message"),
    [
        ("gsm8k", ["{"], "test.jsonl:1: not JSON"),
        ("gsm8k", ["[]"], "test.jsonl:1: expected an object, got a list"),
        ("gsm8k", ['{"question": "q"}'], "test.jsonl:1: no column 'answer'"),
        (
            "demo",
            ['{"id": 1, "question": "q", "answer": "1"}', "", '{"id": "1", "question": "q"}'],
            "test.jsonl:3: no column 'answer'",
        ),
        (
            "demo",
            [
                '{"id": 1, "question": "q", "answer": "1"}',
                "",
                '{"id":"1","question":"r","answer":2}',
            ],
            "test.jsonl:3: the id '1' is that of line 1, too; give each row its own",
        ),
        ("gsm8k", ['{"question": "q", "answer": null}'], "test.jsonl:1: no column 'answer'"),
        (
            "math500",
            ['{"unique_id": "x", "problem": null, "solution": "1"}'],
            "test.jsonl:1: no column 'problem'",
        ),
        (
            "mmlu_stem",
            ['{"question": "q", "choices": ["a", "b"], "answer": 2}'],
            "test.jsonl:1: not a row of mmlu_stem: answer '2' is none of its 2 options; write one "
            "of A to B, or an index from 0 to 1",
        ),
        (
            "mmlu_stem",
            ['{"question": "q", "choices": ["a", "b"], "answer": -1}'],
            "test.jsonl:1: not a row of mmlu_stem: answer '-1' is none of its 2 options",
        ),
        (
            "sat_math",
            ['{"question": "q", "options": "A) 1 B) 2", "Answer": "C"}'],
            "test.jsonl:1: not a row of sat_math: Answer 'C' is none of its 2 options",
        ),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, task: str, lines: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_problems(task, write(tmp_path, task, *lines))


def test_what_may_be_absent_may_be_null(tmp_path: Path) -> None:
    row = {"id": None, "idx": 7, "question": "q", "answer": "#### 1", "level": None}
    data = write(tmp_path, "demo", json.dumps(row))
    (problem,) = load_problems("demo", data)
    assert (problem.problem_id, problem.level) == ("7", None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo" / "test.jsonl").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"demo/test.jsonl: cannot be read: Is a directory"):
        load_problems("demo", tmp_path)


def test_a_file_without_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"demo/test.jsonl: it has no rows"):
        load_problems("demo", write(tmp_path, "demo", ""))


def test_a_checksum_that_is_none_is_another(tmp_path: Path) -> None:
    data = write(tmp_path, "gsm8k", '{"question": "q", "answer": "#### 1"}')
    (data / "gsm8k" / "test.jsonl.sha256").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"test.jsonl: not what was fetched"):
        load_problems("gsm8k", data)


def test_an_absent_benchmark_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"demo/test.jsonl: no such file; demo is not on"):
        load_problems("demo", tmp_path)


def test_an_unknown_benchmark_names_the_known() -> None:
    with pytest.raises(ConfigError, match=r"no task 'gsm9k'; known: demo, gsm8k"):
        load_problems("gsm9k", Path())
