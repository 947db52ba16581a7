from __future__ import annotations

import pytest

from rsd.cli.commands.report import report
from rsd.errors import ConfigError, StoreError

pytestmark = pytest.mark.slow


def test_one_run_is_brought_up_to_date(rsd_run, capsys):
    report([rsd_run])
    assert "RSD δ=0.7" in capsys.readouterr().out
    assert (rsd_run / "metrics.json").is_file()
    assert not (rsd_run / "report.html").exists()


def test_several_runs_are_compared_and_left_alone(rsd_run, target_run, tmp_path, capsys):
    html = tmp_path / "both.html"
    report([rsd_run, target_run, rsd_run], html)
    out = capsys.readouterr().out
    assert out.count("RSD δ=0.7 − target alone") == 1
    assert f"\n\nReport: {html}\n" in out
    assert "<h3>Differences on the same problems</h3>" in html.read_text()
    assert not (rsd_run / "metrics.json").exists()
    assert not (target_run / "metrics.json").exists()


def test_a_directory_that_is_no_run_is_named(tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        report([tmp_path])


def test_a_page_that_cannot_be_written_is_named(rsd_run, tmp_path):
    with pytest.raises(StoreError, match=r"nowhere/page\.html: cannot be written"):
        report([rsd_run], tmp_path / "nowhere" / "page.html")


def test_metrics_that_cannot_be_written_cost_no_page(rsd_run, tmp_path, capsys):
    """As in a directory that may only be read."""
    (rsd_run / "metrics.json").mkdir()
    html = tmp_path / "page.html"
    report([rsd_run], html, files=False)
    assert html.exists()
    shown = capsys.readouterr()
    assert f"Report: {html}" in shown.out
    assert "metrics.json: cannot be written" in shown.err
    assert shown.err.count("\n") == 1


def test_published_figures_are_refused_where_nothing_shows_them(rsd_run, tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"--json cannot include published figures.*--html"):
        report([rsd_run], paper=True, as_json=True)
    assert capsys.readouterr().out == ""
    report([rsd_run], tmp_path / "page.html", paper=True, as_json=True, files=False)
    assert "Against the paper" in (tmp_path / "page.html").read_text()
