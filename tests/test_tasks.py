from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rsd.errors import ConfigError
from rsd.tasks import TASKS, load_problems

ROOT = Path(__file__).parents[1]


def write(root: Path, task: str, *lines: str) -> Path:
    path = root / task / "test.jsonl"
    path.parent.mkdir()
    path.write_text("".join(line + "\n" for line in lines))
    return root


def test_the_bundled_benchmark_is_whole() -> None:
    problems = load_problems("demo", ROOT / "data")
    assert len(problems) == TASKS["demo"].rows
    assert all(p.question and p.gold.lstrip("-").isdigit() and p.level for p in problems)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "demo"])
def test_a_local_file_of_the_public_layout_is_read(name: str) -> None:
    data = os.environ.get("RSD_TEST_DATA")
    if not data:
        pytest.skip("RSD_TEST_DATA is not set")
    problems = load_problems(name, Path(data) / "datasets")
    assert len(problems) == TASKS[name].rows
    assert all(p.question.strip() and p.gold.strip() for p in problems)
    assert len({p.problem_id for p in problems}) == len(problems)


def test_gold_is_what_follows_the_hashes(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "#### is not it\nthe sum is 3\n#### 1,234"}
    (problem,) = load_problems("gsm8k", write(tmp_path, "gsm8k", json.dumps(row)))
    assert (problem.problem_id, problem.gold) == ("0", "1,234")


def test_the_limit_takes_the_first(tmp_path: Path) -> None:
    rows = [json.dumps({"question": str(n), "answer": "#### 1"}) for n in range(5)]
    problems = load_problems("gsm8k", write(tmp_path, "gsm8k", *rows), limit=2)
    assert [p.question for p in problems] == ["0", "1"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["{"], "test.jsonl:1: not JSON"),
        (["[]"], "test.jsonl:1: expected an object, got list"),
        (['{"question": "q"}'], "test.jsonl:1: no column 'answer'"),
        (['{"id": 1, "question": "q", "answer": "1"}'] * 2, "two rows have the same id"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_problems("gsm8k", write(tmp_path, "gsm8k", *lines))


def test_an_absent_benchmark_says_where_it_was_sought(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"demo/test.jsonl: no such file; demo is not on"):
        load_problems("demo", tmp_path)
