"""What tables and metrics.json make of failed problems, repeated requests and partial runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from analysis.made_up_runs import grade, solution, three_solutions, write_run

from rsd.analysis import analyze, render_table, write_page
from rsd.analysis.calibration import calibrate
from rsd.analysis.calibration.table import render_calibration
from rsd.analysis.export import results, write_tables
from rsd.analysis.plots.data import by_latency, latencies
from rsd.records import MANIFEST, Manifest, TrajectoryRecord, read_run
from rsd.types import StopReason


def broken(problem_id: str) -> TrajectoryRecord:
    return solution(problem_id, [], stop_reason=StopReason.ERROR, error="draft: down", seconds=99)


def written(tmp_path: Path, *more: TrajectoryRecord, asked: int | None = None) -> Path:
    """A run of three finished problems, two of them right, and `more`."""
    grades = [grade("1", True), grade("2", True), grade("3", False)]
    directory = write_run(tmp_path / "run", [*three_solutions(), *more], grades)
    if asked is not None:
        path = directory / MANIFEST
        manifest = Manifest.model_validate_json(path.read_text())
        path.write_text(manifest.model_copy(update={"asked": {"demo": asked}}).model_dump_json())
    return directory


def table(directory: Path) -> str:
    return " ".join(render_table([analyze(read_run(directory))]).split())


def test_accuracy_is_given_with_and_without_failed_problems(tmp_path: Path) -> None:
    directory = written(tmp_path, broken("4"))
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.n, overall.errors) == (4, 1)
    assert overall.accuracy == pytest.approx(2 / 4)
    assert overall.accuracy_without_errors == pytest.approx(2 / 3)
    assert "1 failed (counted as wrong; accuracy without them 66.7%)" in table(directory)


def test_without_a_finished_problem_there_is_no_accuracy_without_errors(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", [broken("1")], [])
    assert analyze(read_run(directory)).metrics.overall.accuracy_without_errors is None
    assert "1 failed (counted as wrong)." in table(directory)


def test_latency_leaves_out_what_servers_delayed_and_says_so(tmp_path: Path) -> None:
    def finished(name: str, seconds: float, **fields: float) -> TrajectoryRecord:
        steps = list(three_solutions()[0].steps)
        return solution(name, steps, seconds=seconds, **fields)

    repeated = finished("4", 500, retries=3, lost_seconds=480)
    waited = finished("5", 400, lost_seconds=390)
    directory = written(tmp_path, repeated, waited)
    overall = analyze(read_run(directory)).metrics.overall
    undisturbed = analyze(read_run(written(tmp_path / "other"))).metrics.overall
    assert overall.latency_s == undisturbed.latency_s
    assert (overall.disturbed, overall.retries, overall.lost_s) == (2, 3, 870)
    assert "servers delayed 2 problems, through 3 retried requests" in table(directory)
    assert "servers delayed" not in table(tmp_path / "other" / "run")


def test_a_partial_run_is_labelled_in_every_table(tmp_path: Path) -> None:
    directory = written(tmp_path, broken("4"), asked=200)
    overall = analyze(read_run(directory)).metrics.overall
    assert (overall.n, overall.asked) == (4, 200)
    blocks = render_table([analyze(read_run(directory))]).split("\n\n")
    assert len(blocks) == 2
    assert all("(4 of 200, 1 failed)" in block for block in blocks)
    assert "196 of 200 not yet run (rerun the command to finish)" in " ".join(blocks[0].split())


def test_a_partial_run_is_labelled_on_the_page(tmp_path: Path) -> None:
    directory = written(tmp_path, asked=200)
    page = tmp_path / "report.html"
    write_page([analyze(read_run(directory))], page)
    assert "(3 of 200)" in page.read_text()


def test_a_partial_run_is_labelled_for_machines(tmp_path: Path) -> None:
    partial = analyze(read_run(written(tmp_path, broken("4"), asked=200)))
    whole = analyze(read_run(written(tmp_path / "whole")))
    label = "RSD δ=0.7 (4 of 200, 1 failed)"
    document = results([partial, whole])
    assert [run.strategy for run in document.runs] == [label, "RSD δ=0.7"]
    (difference,) = document.differences
    assert (difference.first_strategy, difference.second_strategy) == ("RSD δ=0.7", label)
    tables = write_tables([partial, whole], tmp_path / "tables")
    by_run = {path.stem: path.read_text(encoding="utf-8") for path in tables}
    assert all(label in by_run[name] for name in ("runs", "tasks", "differences"))
    assert "failed" in by_run["problems"]


def test_a_partial_run_is_labelled_in_a_calibration(tmp_path: Path) -> None:
    run = read_run(written(tmp_path, broken("4"), asked=200))
    other = read_run(written(tmp_path / "other", asked=5))
    shown = render_calibration(calibrate(run, 0.3, (other,)))
    assert shown.startswith("run: RSD δ=0.7 (4 of 200, 1 failed), ")
    assert "run (3 of 5)" in shown


def test_pictures_of_latency_leave_out_what_servers_delayed(tmp_path: Path) -> None:
    delayed = solution("4", list(three_solutions()[0].steps), seconds=500, retries=1)
    with_it, without = (
        analyze(read_run(written(tmp_path / name, *more)))
        for name, more in (("with", [delayed]), ("without", []))
    )
    assert latencies(with_it) == latencies(without)
    assert by_latency([with_it])[0].cost == by_latency([without])[0].cost


@pytest.mark.parametrize("asked", [None, 3])
def test_a_whole_run_has_no_label(tmp_path: Path, asked: int | None) -> None:
    shown = table(written(tmp_path, asked=asked))
    assert "failed" not in shown
    assert " of 3" not in shown
