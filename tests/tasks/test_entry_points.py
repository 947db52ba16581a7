"""A Python package brings a benchmark by an entry point."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rsd.errors import ConfigError
from rsd.tasks import get_task, load_problems


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with the benchmarks `riddles` and `broken`."""
    (tmp_path / "riddle_tasks.py").write_text(
        "from rsd.tasks import Task\n"
        "RIDDLES = Task(name='riddles', about='', rows=1, answers='text', licence='', hub=None,\n"
        "    text=lambda row: row['q'], gold=lambda row: row['a'])\n"
    )
    information = tmp_path / "riddles-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: riddles\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[rsd.tasks]\nriddles = riddle_tasks:RIDDLES\nbroken = riddle_tasks:ABSENT\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("riddle_tasks", None)


def test_its_benchmark_is_known_by_name(package: Path) -> None:
    (package / "riddles").mkdir()
    (package / "riddles" / "test.jsonl").write_text('{"q": "What has keys?", "a": "a piano"}\n')
    (problem,) = load_problems(get_task("riddles"), package)
    assert (problem.question, problem.gold) == ("What has keys?", "a piano")


def test_one_that_cannot_be_loaded_is_one_clear_line(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"tasks.names: broken: riddle_tasks:ABSENT: "):
        get_task("broken")


def test_an_unknown_name_lists_those_of_packages(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"no task 'riddle'; known: demo, .*, broken, riddles"):
        get_task("riddle")
