"""Fetching, from data sets that lie in a directory here instead of on the hub."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from pathlib import Path

import datasets
import pytest
import typer
from tasks.rows import GPQA_ON_THE_HUB, ROWS
from typer.testing import CliRunner

from rsd.cli.commands.tasks import tasks
from rsd.errors import ConfigError
from rsd.tasks import TASKS, load_problems


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of two data sets, which stand in for GaoKao's and GPQA's."""
    root = tmp_path / "hub"
    gaokao, gpqa = root / "gaokao.jsonl", root / "gpqa.csv"
    root.mkdir()
    rows = [ROWS["gaokao2023en"][0], {"id": "x-1", "question": "π?", "answer": "$1$"}]
    gaokao.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with gpqa.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(GPQA_ON_THE_HUB))
        writer.writeheader()
        writer.writerow(GPQA_ON_THE_HUB)
    for name, file, count in (("gaokao2023en", gaokao, 2), ("gpqa", gpqa, 1)):
        task = TASKS[name]
        assert task.hub is not None
        source = dataclasses.replace(task.hub, path=str(root), config=None, file=file.name)
        stand_in = dataclasses.replace(task, hub=source, rows=count)
        monkeypatch.setitem(TASKS, name, stand_in)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return root


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.add_typer(tasks, name="tasks")
    result = CliRunner().invoke(app, ["tasks", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize("name", ["gaokao2023en", "gpqa"])
def test_a_fetched_file_is_what_the_hub_gives(name: str, hub: Path, data: Path) -> None:
    straight = load_problems(name, data)
    code, output = run("fetch", name, "--data-dir", data)
    assert code == 0
    path = data / name / "test.jsonl"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest in output
    assert (data / name / "test.jsonl.sha256").read_text() == f"{digest}  test.jsonl\n"
    assert load_problems(name, data) == straight
    assert sorted(p.name for p in path.parent.iterdir()) == ["test.jsonl", "test.jsonl.sha256"]


def test_columns_that_rsd_does_not_read_stay_behind(hub: Path, data: Path) -> None:
    run("fetch", "gpqa", "--data-dir", data)
    assert "private" not in (data / "gpqa" / "test.jsonl").read_text()


def test_a_file_that_exists_is_kept_unless_forced(hub: Path, data: Path) -> None:
    run("fetch", "gaokao2023en", "--data-dir", data)
    path = data / "gaokao2023en" / "test.jsonl"
    own = '{"question": "mine", "answer": "1"}\n'
    path.write_text(own)
    assert "is kept" in run("fetch", "gaokao2023en", "--data-dir", data)[1]
    assert path.read_text() == own
    assert "CHANGED" in run("fetch", "gaokao2023en", "--force", "--data-dir", data)[1]
    assert "as before" in run("fetch", "gaokao2023en", "--force", "--data-dir", data)[1]
    assert len(load_problems("gaokao2023en", data)) == 2


def test_a_place_that_is_no_file_is_one_line(hub: Path, data: Path) -> None:
    (data / "gpqa" / "test.jsonl").mkdir(parents=True)
    code, output = run("fetch", "gpqa", "--data-dir", data, "--force")
    assert code == 2
    assert "test.jsonl: cannot be written: Is a directory" in output


def test_a_fetched_file_that_was_changed_is_refused(hub: Path, data: Path) -> None:
    run("fetch", "gaokao2023en", "--data-dir", data)
    with (data / "gaokao2023en" / "test.jsonl").open("a") as file:
        file.write('{"question": "one more", "answer": "1"}\n')
    with pytest.raises(ConfigError, match=r"not what was fetched.*--force, or delete"):
        load_problems("gaokao2023en", data)


def test_a_source_of_other_rows_than_published_is_refused(
    hub: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "gpqa", dataclasses.replace(TASKS["gpqa"], rows=198))
    code, output = run("fetch", "gpqa", "gaokao2023en", "--data-dir", data)
    assert code == 2
    assert "1 rows instead of the published 198 of gpqa" in output
    assert not (data / "gpqa").exists()
    assert (data / "gaokao2023en" / "test.jsonl").exists(), "the others are fetched all the same"


def test_a_source_that_lacks_a_column_is_named(
    hub: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = dataclasses.replace(TASKS["gpqa"].hub, columns=("Question", "Answer"))
    monkeypatch.setitem(TASKS, "gpqa", dataclasses.replace(TASKS["gpqa"], hub=source))
    with pytest.raises(ConfigError, match="no column 'Answer' in Record ID, Question"):
        load_problems("gpqa", data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpqa", r"gpqa is gated on the hub: accept its terms at https://\S+/Idavidrein/gpqa and"),
        ("aqua", r"HuggingFaceTB/math_tasks cannot be loaded from the hub; make it reachable or"),
    ],
)
def test_a_source_out_of_reach_says_how_to_get_it(
    name: str, message: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise datasets.exceptions.DatasetNotFoundError("you must\nbe authenticated")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ConfigError, match=message) as caught:
        load_problems(name, data)
    assert "\n" not in str(caught.value)
    code, output = run("fetch", name, "--data-dir", data)
    assert code == 2
    assert [line.partition(":")[0] for line in output.splitlines()] == [name, "rsd"]
    assert not data.exists()


def test_the_hub_is_asked_for_the_pinned_commit(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def note(path: str, config: str | None, **options: object) -> None:
        asked.update(options, path=path, config=config)
        raise OSError("enough")

    monkeypatch.setattr(datasets, "load_dataset", note)
    with pytest.raises(ConfigError, match="enough"):
        load_problems("svamp", data)
    assert asked == {
        "path": "HuggingFaceTB/math_tasks",
        "config": None,
        "split": "test",
        "revision": "3d34f1076f279000b9315583dcdacfd288898283",
        "data_files": {"test": "data/svamp/test.jsonl"},
    }


def test_the_bundled_benchmark_needs_no_fetching(data: Path) -> None:
    with pytest.raises(ConfigError, match="demo is not on the hub: it comes with rsd"):
        load_problems("demo", data)


def test_the_data_dir_may_stand_before_the_command(hub: Path, data: Path) -> None:
    assert run("--data-dir", data, "fetch", "gaokao2023en")[0] == 0
    assert (data / "gaokao2023en" / "test.jsonl").exists()


def test_the_list_is_aligned_and_tells_what_is_present(hub: Path, data: Path) -> None:
    run("fetch", "gaokao2023en", "--data-dir", data)
    code, output = run("--data-dir", data)
    lines = output.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == ["task", *TASKS]
    assert (
        len({line.index(task.about) for line, task in zip(lines[1:], TASKS.values(), strict=True)})
        == 1
    )
    assert f"{data / 'gaokao2023en' / 'test.jsonl'} (2 rows)" in output
    assert "HuggingFaceTB/math_tasks" in output
    assert "(gated)" in output
