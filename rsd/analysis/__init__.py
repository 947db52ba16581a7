"""What a run achieved and cost: metrics, statistics, the table and the page.

Reads run directories (`rsd.records`) and nothing else; never talks to a server.

    read_run -> analyze -> AnalyzedRun -> render_table   text
                                       -> render_page    HTML
                                       -> save_metrics   metrics.json
"""

from __future__ import annotations

from pathlib import Path

from rsd.analysis.compare import Comparison, compare
from rsd.analysis.metrics import AnalyzedRun, analyze, save_metrics
from rsd.analysis.paper.published import Published, read_published
from rsd.analysis.report import render_page, write_page
from rsd.analysis.summary import Metrics
from rsd.analysis.tables.text import render_table
from rsd.records import REPORT, read_run

__all__ = [
    "AnalyzedRun",
    "Comparison",
    "Metrics",
    "Published",
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
