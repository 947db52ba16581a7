"""CSV tables and PNG plots beside the page.

The tables hold numbers, identifiers and verdicts, but no text of a model, because a spreadsheet
takes a cell that begins with `=` for a formula. Such text is in trajectories.jsonl.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsd.analysis.compare import compare_all
from rsd.analysis.export.document import Difference
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import outcome
from rsd.analysis.plots import NAMES, Plot
from rsd.analysis.summary import Summary
from rsd.analysis.tables.labels import labelled, run_name
from rsd.costs import flops, speculation_cost
from rsd.errors import StoreError
from rsd.records import write_atomically

Row = dict[str, Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WORK = (
    "draft_steps_kept",
    "draft_steps_rejected",
    "target_steps_kept",
    "draft_tokens_kept",
    "draft_tokens_rejected",
    "target_tokens_kept",
)
"""Columns of `problems.csv` that are fields of the costs of a problem (`rsd.costs.CostTotals`)."""


def write_tables(runs: list[AnalyzedRun], directory: Path) -> list[Path]:
    """Write `runs.csv`, `tasks.csv`, `problems.csv` and, for several runs, `differences.csv` into
    `directory`; return their paths. Raises `StoreError`."""
    tables = {
        "runs": [_about(run) | _summary(run.metrics.overall) for run in runs],
        "tasks": [
            _about(run) | {"task": task} | _summary(it)
            for run in runs
            for task, it in run.metrics.tasks.items()
        ],
        "problems": [row for run in runs for row in _problems(run)],
        "differences": [_flatten(Difference.of(it).model_dump()) for it in compare_all(runs)],
    }
    _make(directory)
    paths = []
    for name, rows in tables.items():
        path = directory / f"{name}.csv"
        if rows:
            write_atomically(path, _csv(rows))
            paths.append(path)
        else:
            path.unlink(missing_ok=True)
    return paths


def write_plots(plots: list[Plot], directory: Path) -> list[Path]:
    """Write each of `plots` as PNG into `directory`, which is created only if there are plots;
    return their paths. Plots of an earlier report that are not among them are removed. Raises
    `StoreError`."""
    drawn = {plot.name: plot for plot in plots}
    if drawn:
        _make(directory)
    paths = []
    for name in NAMES:
        path = directory / f"{name}.png"
        try:
            if name in drawn:
                path.write_bytes(drawn[name].png)
                paths.append(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    return paths


def _make(directory: Path) -> None:
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreError(f"{directory}: cannot be created: {error.strerror}") from error


def _about(run: AnalyzedRun) -> Row:
    decoding = run.run.config.decoding
    reads_threshold = "threshold" in run.run.config.determinants()["decoding"]
    return {
        "run": run_name(run),
        "name": run.run.manifest.name,
        "strategy": decoding.strategy,
        "description": labelled(run.run),
        "threshold": decoding.threshold if reads_threshold else None,
    }


def _summary(it: Summary) -> Row:
    """A summary as one row. Figures of patience and of several samples are in metrics.json only."""
    return _flatten(it.model_dump(exclude={"samples", "paper"}))


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Row:
    """`{"a": {"b": 1}, "ci95": (0, 1)}` as `a_b`, `ci95_low` and `ci95_high`."""
    row: Row = {}
    for key, value in values.items():
        if key.endswith("ci95"):
            low, high = value if value is not None else (None, None)
            row |= {f"{prefix}{key}_low": low, f"{prefix}{key}_high": high}
        elif key == "latency_s":
            names = ("p50", "p90", "p95", "p99")
            row |= {f"{prefix}{key}_{p}": value[p] if value else None for p in names}
        elif isinstance(value, Mapping):
            row |= _flatten(value, f"{prefix}{key}_")
        else:
            row[prefix + key] = value
    return row


def _problems(run: AnalyzedRun) -> list[Row]:
    manifest = run.run.manifest
    rows = []
    for key, it in run.run.trajectories.items():
        grade, work = run.run.grades.get(key), run.costs[key]
        cost = flops(work, manifest.parameters, speculation_cost(manifest))
        rows.append(
            {
                "run": run_name(run),
                "task": it.task,
                "problem_id": it.problem_id,
                "sample": it.sample,
                "level": it.level,
                "outcome": outcome(it, grade).value,
                "correct": grade.correct if grade else None,
                "correct_paper": grade.correct_paper if grade else None,
                "stop_reason": it.stop_reason.value,
                "seconds": it.seconds,
                "retries": it.retries,
                "lost_s": it.lost_seconds,
                **{name: getattr(work, name) for name in _WORK},
                "flops_prm_once": cost.prm_once,
                "flops_prm_per_step": cost.prm_per_step,
            }
        )
    return rows


def _csv(rows: Sequence[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """Quotes text that a spreadsheet would take for a formula, such as a problem's id."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
