"""The report for machines: JSON, CSV, PNG, and the columns for `datasets`."""

from __future__ import annotations

import csv
import json

import pytest
from analysis.made_up_runs import grade, solution, target, write_run

from rsd.analysis import analyze
from rsd.analysis.export import results, write_plots, write_tables
from rsd.analysis.export.dataset import features
from rsd.analysis.plots import plots
from rsd.errors import StoreError
from rsd.records import GradeRecord, TrajectoryRecord, read_run


@pytest.fixture
def runs(rsd_run, target_run):
    return [analyze(read_run(rsd_run)), analyze(read_run(target_run))]


def test_results_hold_the_metrics_the_differences_and_the_front(runs):
    found = json.loads(results(runs).model_dump_json())
    assert [run["run"] for run in found["runs"]] == ["made-up-rsd", "made-up-target"]
    assert found["runs"][0]["metrics"] == json.loads(runs[0].metrics.model_dump_json())
    assert found["runs"][0]["decoding"]["threshold"] == 0.7
    (difference,) = found["differences"]
    assert (difference["first"], difference["second"]) == ("made-up-rsd", "made-up-target")
    assert difference["accuracy_difference"] == pytest.approx(-1 / 3)
    assert [point["pareto"] for point in found["by_flops"]] == [True, True]
    assert found["by_flops"][0]["cost"] == runs[0].metrics.overall.flops_per_problem.prm_once
    # RSD is faster here on average: 6 s a problem to the target's 10 s, but less accurate.
    assert [point["cost"] for point in found["by_latency"]] == [6, 10]


def test_tables_are_tidy(runs, tmp_path):
    written = write_tables(runs, tmp_path / "tables")
    tables = {
        path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in written
    }
    assert {name: len(rows) for name, rows in tables.items()} == {
        "runs": 2,
        "tasks": 2,
        "problems": 6,
        "differences": 1,
    }
    first = tables["runs"][0]
    assert float(first["accuracy"]) == pytest.approx(2 / 3)
    assert float(first["ci95_low"]) == runs[0].metrics.overall.ci95[0]
    assert [row["outcome"] for row in tables["problems"][:3]] == ["right", "wrong", "right"]


def test_tables_hold_no_text_of_a_model(tmp_path):
    """A spreadsheet would run `=HYPERLINK(...)`."""
    evil = "=HYPERLINK(0)"
    it = solution("1", [target(0, 20, 10)], response=evil, question=evil, error=evil)
    run = write_run(tmp_path / "run", [it], [grade("1", False, prediction=evil)], strategy="target")
    for path in write_tables([analyze(read_run(run))], tmp_path / "tables"):
        assert evil not in path.read_text(encoding="utf-8")


def test_files_of_an_earlier_report_do_not_stay(runs, tmp_path):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    write_tables(runs, tmp_path)
    (tmp_path / "threshold.png").write_bytes(b"of a sweep")
    drawn = write_plots(plots(runs[:1]), tmp_path)
    write_tables(runs[:1], tmp_path)
    assert {path.name for path in drawn} == {path.name for path in tmp_path.glob("*.png")}
    assert not (tmp_path / "threshold.png").exists()
    assert not (tmp_path / "differences.csv").exists()


def test_a_place_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(StoreError, match="tables: cannot be created"):
        write_tables(runs, tmp_path / "tables")


def test_runs_load_as_one_dataset_whatever_each_lacks(rsd_run, target_run, tmp_path, monkeypatch):
    """Alone, the first file would make `reward` null for all that follow."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "json",
        data_files=[str(path / "trajectories.jsonl") for path in (target_run, rsd_run)],
        features=features(TrajectoryRecord),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert len(loaded) == 6
    assert loaded[0]["steps"][0]["reward"] is None
    assert loaded[3]["steps"][0]["reward"] == 0.9
    assert loaded[0]["usage"]["draft"] is None
    graded = datasets.load_dataset(
        "json",
        data_files=str(rsd_run / "grades.jsonl"),
        features=features(GradeRecord),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert graded["correct"][:] == [True, False, True]
