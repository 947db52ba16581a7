"""Text from outside: no code is run for it, no file is reached by it, no run is lost to it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from rsd.backends import answers
from rsd.config import load, load_sweep
from rsd.errors import ConfigError
from rsd.grading import GraderPool
from rsd.grading.workers import client
from rsd.runs.store import RunStore
from rsd.tasks import fetch, get_task
from rsd.tasks.load import load_problems
from rsd.types import Usage

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "configs" / "demo.yaml"

OUTSIDE = ("../x", "/etc/x", "a/b", "a\\b", "..", ".x", "~", "a\n", "a\0b", "x" * 65, "", "a b")


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_cannot_leave_its_directory(name: str, tmp_path: Path) -> None:
    values = yaml.safe_load(DEMO.read_text())
    for changed in ({"name": name}, {"tasks": {"names": [name], "data_dir": "data"}}):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values | changed))
        with pytest.raises(ConfigError):
            load_problems(load(path).tasks.names[0], tmp_path)
    with pytest.raises(ConfigError):
        fetch(get_task(name), tmp_path, lambda rows, total: rows)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nor_can_a_sweep_or_a_label(name: str, tmp_path: Path) -> None:
    good = {"name": "s", "base": str(DEMO), "points": [{"decoding.threshold": 0.5, "label": "p"}]}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(good))
    assert [point.config.name for point in load_sweep(path).points] == ["p"]
    labelled = [{"decoding.threshold": 0.5, "label": name}]
    for changed in ({"name": name}, {"points": labelled}):
        path.write_text(yaml.safe_dump(good | changed))
        with pytest.raises(ConfigError):
            load_sweep(path)


def test_a_label_made_of_values_is_a_name(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    sweep = {"name": "s", "base": str(DEMO), "grid": {"tasks.data_dir": ["../../a\nb", "/c/d"]}}
    path.write_text(yaml.safe_dump(sweep | {"points": [{"decoding.seed": 1}]}))
    with pytest.raises(ConfigError, match="changes no answer"):
        load_sweep(path)
    path.write_text(yaml.safe_dump(sweep | {"grid": {"decoding.step_separator": ["/../", "\n"]}}))
    for point in load_sweep(path).points:
        assert point.directory.parent == Path("runs/s")
        assert "/" not in point.config.name


def test_a_link_in_the_place_of_the_lock_costs_its_target_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(victim)
    RunStore(load(DEMO), tmp_path / "run").close()
    assert victim.read_text() == "precious"


_BOMB = (
    "decoding: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"k{n}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for n, (a, b) in enumerate(
        zip("abcdefgh", "bcdefghi", strict=True)
    ))
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [touch owned]",
        "a: !!python/name:os.system",
        _BOMB,
        "a: &a {b: *a}",
        "[" * 3000,
        "a: 2001-13-45",
        "a: !!int x",
        "a: !!bool x",
        "!!timestamp x",
        "a: !!binary gA==",
        "a: !!set {b, c}",
        r'a: "\ud800"',
        r'a: "\0"',
        f"a: {'9' * 5000}",
        "a: \x1b[31m",
    ],
)
def test_yaml_that_is_more_than_plain_values_is_refused_in_a_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml: not valid YAML") as refused:
        load(path)
    assert str(refused.value).isprintable()
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]


def test_a_row_that_no_file_could_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "test.jsonl"
    path.parent.mkdir()
    rows = [{"id": "a", "question": "\ud800", "answer": "#### 1", "level": 1}]
    for text in (*map(json.dumps, rows), "[" * 100_000, '{"a": ' * 100_000):
        path.write_text(text + "\n")
        with pytest.raises(ConfigError, match=r"test\.jsonl:1: not") as refused:
            load_problems("demo", tmp_path)
        assert str(refused.value).isprintable()


def test_an_answer_that_no_file_could_hold_is_unusable() -> None:
    request = answers.Request(frozenset("m"), max_tokens=1, context=10)
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    choice = {"text": "fine", "finish_reason": "stop"}
    answer = {"model": "m", "choices": [choice], "usage": usage}
    written, cost = answers.completion(answers.Value(answer), request)
    assert (written.text, cost) == ("fine", Usage(1, 1, 0, 1))
    choice["text"] = "\ud800"
    with pytest.raises(answers.AnswerError, match="a text that UTF-8 can encode"):
        answers.completion(answers.Value(answer), request)


_HUNGRY = """
from rsd.grading.workers import service
serve = service.serve_job
def hungry(job):
    if any("bomb" in arguments[0] for arguments in job.values()):
        bytearray(4 << 30)
    return serve(job)
service.serve_job = hungry
main()
"""


def test_a_grade_that_takes_all_memory_costs_its_own_problem_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = client._START.removesuffix("main()\n")
    monkeypatch.setattr(client, "_START", start + _HUNGRY)

    async def graded() -> list[tuple[bool | None, str]]:
        async with GraderPool(workers=1) as pool:
            texts = (r"\boxed{2x}", r"\boxed{2x\text{ bomb}}", r"\boxed{2x}")
            verdicts = [await pool.grade(text, "x+x", "math") for text in texts]
            return [(verdict.correct, verdict.how) for verdict in verdicts]

    before, bomb, after = asyncio.run(graded())
    assert before == after
    assert before[0] is True
    assert bomb == (False, "crash")
