"""`rsd calibrate`, and what `rsd report` writes for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from analysis.made_up_runs import grade, three_solutions, write_run

from rsd.cli import main as cli


@pytest.fixture
def run(tmp_path: Path) -> Path:
    grades = [grade("1", True), grade("2", False), grade("3", True)]
    return write_run(tmp_path / "runs" / "made-up", three_solutions(), grades)


def rsd(capsys, monkeypatch, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["rsd", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return exit_.value.code, shown.out, shown.err


def test_calibrate_prints_the_threshold_for_the_share(run, capsys, monkeypatch):
    code, out, err = rsd(capsys, monkeypatch, "calibrate", run, "--target-share", "0.5")
    assert (code, err) == (0, "")
    assert "decoding.threshold=0.9 " in out  # three of six rewards are 0.25, the others 0.9
    assert "Other thresholds, from what is recorded" in out


def test_calibrate_prints_json(run, capsys, monkeypatch):
    code, out, _ = rsd(capsys, monkeypatch, "calibrate", run, run, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["budget"]["target_share"] == 0.3
    assert found["thresholds"][0]["threshold"] == "-Infinity"
    assert found["checks"] == []  # the same run twice is one run


@pytest.mark.parametrize("share", ["-0.1", "30", "nan"])
def test_calibrate_refuses_what_is_no_share(run, capsys, monkeypatch, share):
    code, _, err = rsd(capsys, monkeypatch, "calibrate", run, f"--target-share={share}")
    assert code == 2
    assert err == f"rsd: --target-share {share}: give a share from 0 to 1, such as 0.3\n"


def test_calibrate_refuses_a_run_without_rewards(tmp_path, capsys, monkeypatch):
    run = write_run(tmp_path / "alone", [], [], strategy="draft")
    code, _, err = rsd(capsys, monkeypatch, "calibrate", run)
    assert code == 2
    assert "calibrate a run of rsd or oracle" in err


def test_report_prints_json_alone(run, tmp_path, capsys, monkeypatch):
    page = tmp_path / "page.html"
    code, out, err = rsd(capsys, monkeypatch, "report", run, "--json", "--html", page)
    assert code == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert json.loads(out)["runs"][0]["metrics"] == metrics
    assert f"Report: {page}" in err


def test_report_writes_files_beside_the_page(run, tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    page = tmp_path / "page.html"
    _, out, _ = rsd(capsys, monkeypatch, "report", run, "--html", page)
    assert out.endswith(
        f"Report: {page}\nTables: {tmp_path / 'page_tables'}\nPlots: {tmp_path / 'page_plots'}\n"
    )
    assert (tmp_path / "page_tables" / "problems.csv").exists()
    assert (tmp_path / "page_plots" / "tokens.png").exists()


def test_report_writes_the_page_alone_if_asked(run, tmp_path, capsys, monkeypatch):
    page = tmp_path / "page.html"
    _, out, _ = rsd(capsys, monkeypatch, "report", run, "--html", page, "--no-files")
    assert out.endswith(f"Report: {page}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "runs"]
