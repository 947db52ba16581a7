"""The same run is the same questions by the same code; a corrected gold answer is graded anew."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import PROBLEMS, Cluster

from rsd.analysis import analyze, render_table
from rsd.config import Config, load, load_sweep
from rsd.records import (
    CONFIG,
    GRADES,
    MANIFEST,
    TRAJECTORIES,
    GradeRecord,
    RunRecord,
    TrajectoryRecord,
    read_run,
)
from rsd.runs import RunOutcome, execute, identified, pending, regrade, warn_of_earlier_names
from rsd.runs.store.questions import update_gold
from rsd.types import Problem

REGRADED = "demo: 2 gold answers changed since the run; graded again"


def run(cluster: Cluster, *overrides: str) -> tuple[RunOutcome, RunRecord]:
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    return outcome, read_run(outcome.directory)


def rewrite(cluster: Cluster, **changes: Any) -> None:
    """Give the first two problems other values."""
    path = cluster.config().tasks.data_dir / "demo" / "test.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[:2] = [row | changes for row in rows[:2]]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_digest_covers_every_question_and_no_gold_answer(cluster: Cluster) -> None:
    before = cluster.config().digest
    assert cluster.config("run.limit=3").digest == before
    rewrite(cluster, answer="#### 99", level=7)
    assert cluster.config().digest == before
    rewrite(cluster, question="How many?")
    assert cluster.config("run.limit=3").digest != before


def test_a_larger_limit_goes_on_where_a_smaller_ended(cluster: Cluster) -> None:
    small, record = run(cluster, "run.limit=5")
    assert (small.asked, len(record.trajectories)) == (5, 5)
    first = (small.directory / TRAJECTORIES).read_bytes()
    large, record = run(cluster)
    assert (large.directory, large.asked) == (small.directory, PROBLEMS)
    assert len(record.trajectories) == record.manifest.asked["demo"] == PROBLEMS
    assert (small.directory / TRAJECTORIES).read_bytes().startswith(first)


def test_a_smaller_limit_owes_its_own_and_shows_all_that_is_stored(cluster: Cluster) -> None:
    whole, _ = run(cluster)
    path = whole.directory / TRAJECTORIES
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["problem_id"] not in ("p1", "p10", "p11")]
    path.write_bytes(b"".join(kept))
    config = cluster.config("run.limit=4")
    assert len(pending(config, whole.directory)) == 1
    small, record = run(cluster, "run.limit=4")
    assert (small.directory, small.asked, small.failed) == (whole.directory, 4, 0)
    assert len(record.trajectories) == record.manifest.asked["demo"] == PROBLEMS - 2
    assert "not yet run" not in render_table([analyze(record)])
    assert len(pending(cluster.config(), whole.directory)) == 2


def test_the_counts_follow_the_limit_where_nothing_is_to_decode(cluster: Cluster) -> None:
    whole, _ = run(cluster)
    path = whole.directory / TRAJECTORIES
    path.write_bytes(
        b"".join(
            line
            for line in path.read_bytes().splitlines(keepends=True)
            if json.loads(line)["problem_id"] in ("p0", "p1", "p2", "p3", "p4")
        )
    )
    _, record = run(cluster, "run.limit=3")
    assert record.manifest.asked == {"demo": 5}
    assert "not yet run" not in render_table([analyze(record)])


@pytest.mark.parametrize("command", ["run", "grade"])
def test_a_changed_gold_answer_is_graded_anew_and_said(
    cluster: Cluster, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, before = run(cluster, "decoding.strategy=target")
    stored = (outcome.directory / TRAJECTORIES).read_bytes()
    assert all(grade.correct for grade in before.grades.values())
    rewrite(cluster, answer="#### 99")

    def again() -> RunRecord:
        if command == "run":
            return run(cluster, "decoding.strategy=target")[1]
        asyncio.run(regrade(read_run(outcome.directory).config, outcome.directory))
        return read_run(outcome.directory)

    after = again()
    assert [r.getMessage() for r in caplog.records] == [REGRADED]
    wrong = [key[1] for key, grade in after.grades.items() if not grade.correct]
    assert sorted(wrong) == ["p0", "p1"]
    assert after.directory == outcome.directory
    assert {after.trajectories["demo", it, 0].gold for it in wrong} == {"99"}
    assert (outcome.directory / TRAJECTORIES).read_bytes() == stored
    again()
    assert len(caplog.records) == 1


def test_grading_without_the_benchmark_uses_stored_gold_answers(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, _ = run(cluster, "decoding.strategy=target")
    rewrite(cluster, answer="#### 99")
    _, corrected = run(cluster, "decoding.strategy=target")
    caplog.clear()
    (cluster.config().tasks.data_dir / "demo" / "test.jsonl").unlink()
    asyncio.run(regrade(read_run(outcome.directory).config, outcome.directory))
    (record,) = caplog.records
    assert "no such file; demo is graded with its stored gold answers" in record.getMessage()
    assert read_run(outcome.directory).grades == corrected.grades


def test_grades_of_before_gold_answers_were_noted_stay(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, _ = run(cluster)
    path = outcome.directory / GRADES
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        del row["gold"], row["choices"], row["kind"]
    old = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(old)
    run(cluster)
    assert (path.read_text(), caplog.records) == (old, [])
    rewrite(cluster, answer="#### 99")
    run(cluster)
    assert [r.getMessage() for r in caplog.records] == [REGRADED]


def solved(**fields: Any) -> tuple[TrajectoryRecord, GradeRecord]:
    key = {"task": "gpqa", "problem_id": "1", "sample": 0}
    record = TrajectoryRecord(
        **key,
        question="q",
        gold="A",
        choices=("a", "b"),
        response="A",
        stop_reason="eos",
        steps=(),
        usage={},
        started_at=0,
        seconds=1,
    )
    verdict = {"prediction": "A", "correct": True, "correct_paper": True, "how": "box/letter"}
    against = {"gold": "A", "choices": ("a", "b"), "kind": "choice"} | fields
    return record, GradeRecord(**key, **verdict, **against)


@pytest.mark.parametrize(
    ("gold", "choices", "kind", "message"),
    [
        ("A", ("a", "b"), "choice", None),
        ("B", ("a", "b"), "choice", "gpqa: 1 gold answer changed since the run; graded again"),
        ("A", ("a", "c"), "choice", "gpqa: 1 set of choices changed since the run; graded again"),
        ("A", ("a", "b"), "math", "gpqa: 1 kind of answer changed since the run; graded again"),
    ],
)
def test_gold_choices_and_kind_are_what_a_grade_is_of(
    gold: str,
    choices: tuple[str, ...],
    kind: str,
    message: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record, grade = solved(kind=kind)
    trajectories = {record.key: record.against(grade)}
    problems = {"gpqa": [Problem("gpqa", "1", "q", gold, "another level", choices, "choice")]}
    outdated = update_gold(problems, trajectories, {grade.key: grade})
    assert outdated == ({record.key} if message else set())
    assert [r.getMessage() for r in caplog.records] == ([message] if message else [])
    taken = trajectories[record.key]
    assert (taken.gold, taken.choices) == (gold, choices)


def test_a_strategy_of_ones_own_is_known_by_its_source(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own_strategies" / "edited.py"
    path.parent.mkdir()
    path.write_text("class Mine: ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    name = "decoding.strategy=own_strategies.edited:Mine"

    def config() -> Config:
        return cluster.config(name)

    before = config()
    (tmp_path / "stored.yaml").write_text(before.dump())
    path.write_text("class Mine:\n    '''Edited.'''\n")
    assert config().digest != before.digest
    assert load(tmp_path / "stored.yaml").digest == before.digest
    path.write_text("class Mine: ...\n")
    assert config().digest == before.digest
    path.write_text("raise SystemExit('a checksum is taken without running this')\n")
    assert identified(before).digest != before.digest


def test_a_run_of_an_earlier_rsd_is_named_and_goes_on(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, _ = run(cluster)
    config, earlier = cluster.config(), outcome.directory.with_name("fake-0123456789")
    outcome.directory.rename(earlier)
    values = yaml.safe_load((earlier / CONFIG).read_text())
    del values["tasks"]["questions"]
    values["run"]["limit"] = 3
    (earlier / CONFIG).write_text(yaml.safe_dump(values))
    warn_of_earlier_names(config, config.directory)
    assert [r.getMessage() for r in caplog.records] == [
        f"{earlier}: made by an older version, which named directories differently; rename it to "
        f"{config.directory} to continue it"
    ]
    earlier.rename(config.directory)
    stored = (config.directory / TRAJECTORIES).read_bytes()
    warn_of_earlier_names(config, config.directory)
    run(cluster)
    assert (config.directory / TRAJECTORIES).read_bytes() == stored
    assert len(caplog.records) == 1


def test_a_sweep_over_benchmark_files_has_a_run_for_each(cluster: Cluster, tmp_path: Path) -> None:
    data = cluster.config().tasks.data_dir
    other = tmp_path / "other" / "demo" / "test.jsonl"
    other.parent.mkdir(parents=True)
    other.write_text('{"question": "1+1?", "answer": "#### 2"}\n')
    points = [
        {"label": "few", "run.limit": 2},
        {"label": "all", "tasks.data_dir": str(data)},
        {"label": "other", "tasks.data_dir": str(tmp_path / "other")},
    ]
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"name": "s", "base": str(cluster.path), "points": points}))
    sweep = load_sweep(path, (), identified)
    assert [(point.labels, point.config.limit) for point in sweep.points] == [
        (("few", "all"), None),
        (("other",), None),
    ]
    assert sweep.points[0].directory.name.startswith("few-")


def test_the_manifest_has_the_digest_of_the_directory(cluster: Cluster) -> None:
    outcome, record = run(cluster, "run.limit=2")
    assert outcome.directory.name == f"fake-{record.manifest.digest}"
    assert record.config.digest == record.manifest.digest
    assert json.loads((outcome.directory / MANIFEST).read_text())["asked"] == {"demo": 2}
