"""What a run achieved and cost.

    read_run -> analyze -> AnalyzedRun -> render_table   text
                                       -> render_page    HTML
                                       -> save_metrics   metrics.json

Reads run directories (`rsd.records`) and never talks to a server. The modules here judge solutions
(`outcomes`), compute metrics and compare runs; the folders present them: `tables`, `plots`,
`report` (the page), `paper` (published figures), `export` (JSON, CSV, data sets), `calibration`
(choosing δ). `statistics` holds intervals and tests.
"""

from __future__ import annotations

from pathlib import Path

from rsd.analysis.compare import compare
from rsd.analysis.metrics import AnalyzedRun, analyze, save_metrics
from rsd.analysis.paper.published import read_published
from rsd.analysis.report import render_page, write_page
from rsd.analysis.summary import Metrics
from rsd.analysis.tables.text import render_table
from rsd.records import REPORT, read_run

__all__ = [
    "AnalyzedRun",
    "Metrics",
    "analyze",
    "compare",
    "read_published",
    "render_page",
    "render_table",
    "save_metrics",
    "summarize",
    "write_page",
]


def summarize(directory: Path | str) -> str:
    """Write `metrics.json` and `report.html` of a run directory; return its table.

    Raises `StoreError` if it is no run directory or not writable, `ConfigError` for its config.
    """
    run = analyze(read_run(directory))
    save_metrics(run.metrics, run.run.directory)
    write_page([run], run.run.directory / REPORT)
    return render_table([run])
