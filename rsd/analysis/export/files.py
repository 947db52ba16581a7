"""The report for machines: one JSON document, and CSV tables and PNG plots beside the page.

The tables hold numbers, identifiers and verdicts, and no text that a model wrote: a spreadsheet
takes a cell that begins with `=` for a formula. Such text is in trajectories.jsonl.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from rsd import __version__
from rsd.analysis.compare import Comparison
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import outcome
from rsd.analysis.plots import NAMES, Plot
from rsd.analysis.plots.data import CostPoint, by_flops, by_latency
from rsd.analysis.statistics.comparisons import pareto_front
from rsd.analysis.summary import Conventions, Metrics, Summary, Tokens
from rsd.analysis.tables.accuracy import compare_all, run_name
from rsd.analysis.tables.warnings import labelled
from rsd.costs import flops, speculation_cost
from rsd.errors import StoreError
from rsd.records import write_atomically
from rsd.types import Role

Row = dict[str, Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RunResult(BaseModel, ser_json_inf_nan="strings"):
    """One run: what it is, and its `metrics.json`."""

    run: str = Field(description="the name of its directory")
    name: str
    digest: str
    strategy: str = Field(
        description="in words, with what the run lacks, as in the table: `RSD δ=0.7 (3 failed)`"
    )
    decoding: dict[str, Any] = Field(description="the keys of decoding that decide its answers")
    metrics: Metrics


class Difference(BaseModel):
    """`first` against `second` over the problems of both (`rsd.analysis.compare.Comparison`)."""

    first: str
    second: str
    first_strategy: str = Field(description="as in the table, with what the run lacks")
    second_strategy: str
    pairs: int
    unpaired: int
    first_better: int
    second_better: int
    accuracy_difference: float | None = Field(description="first minus second, in [-1, 1]")
    ci95: tuple[float, float] | None
    p_value: float | None = Field(description="two-sided, of the test that ci95 inverts")
    finished: int
    flops_ratio: Conventions
    tokens_first: dict[Role, Tokens]
    tokens_second: dict[Role, Tokens]


class Point(BaseModel):
    """A run in the plane of cost and accuracy, both with 95% intervals by problem."""

    run: str
    cost: float
    cost_ci95: tuple[float, float]
    accuracy: float
    accuracy_ci95: tuple[float, float]
    pareto: bool = Field(
        description="no other run is as accurate for less, or more accurate at no more cost"
    )


class Results(BaseModel, ser_json_inf_nan="strings"):
    """What `rsd report --json` prints."""

    rsd: str = Field(description="version")
    runs: list[RunResult]
    differences: list[Difference] = Field(
        description="to the target alone, or the first run where there is none"
    )
    by_flops: list[Point] = Field(description="cost: FLOPs a solution, the PRM reading once")
    by_latency: list[Point] = Field(
        description="cost: mean seconds of a solution, without those that servers delayed"
    )


def results(runs: list[AnalyzedRun]) -> Results:
    """The report on `runs` (at least one) as data."""
    return Results(
        rsd=__version__,
        runs=[
            RunResult(
                run=run_name(run),
                name=run.run.manifest.name,
                digest=run.run.manifest.digest,
                strategy=labelled(run.run),
                decoding=run.run.config.determinants()["decoding"],
                metrics=run.metrics,
            )
            for run in runs
        ],
        differences=[_difference(it) for it in compare_all(runs)],
        by_flops=_plane(by_flops(runs)),
        by_latency=_plane(by_latency(runs)),
    )


def write_tables(runs: list[AnalyzedRun], directory: Path) -> list[Path]:
    """Write `runs.csv`, `tasks.csv`, `problems.csv` and, for several runs, `differences.csv` into
    `directory`; give their paths. Raises `StoreError`."""
    tables = {
        "runs": [_about(run) | _flat(run.metrics.overall) for run in runs],
        "tasks": [
            _about(run) | {"task": task} | _flat(it)
            for run in runs
            for task, it in run.metrics.tasks.items()
        ],
        "problems": [row for run in runs for row in _problems(run)],
        "differences": [_flat_model(_difference(it)) for it in compare_all(runs)],
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
    """Write each of `plots` as PNG into `directory`, which none is made for without plots; give
    their paths. Those that an earlier report drew and this one does not are removed. Raises
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
        raise StoreError(f"{directory}: cannot be made: {error.strerror}") from error


def _about(run: AnalyzedRun) -> Row:
    decoding = run.run.config.decoding
    read = run.run.config.determinants()["decoding"]
    return {
        "run": run_name(run),
        "name": run.run.manifest.name,
        "strategy": decoding.strategy,
        "description": labelled(run.run),
        "threshold": decoding.threshold if "threshold" in read else None,
    }


def _flat(it: Summary) -> Row:
    """A summary as one row; what patience and several samples add is in metrics.json alone."""
    return _flatten(it.model_dump(exclude={"samples", "paper"}))


def _flat_model(it: BaseModel) -> Row:
    return _flatten(it.model_dump())


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
        grade, work = run.run.grades.get(key), run.folds[key]
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
                "draft_steps_kept": work.draft_steps_kept,
                "draft_steps_rejected": work.draft_steps_rejected,
                "target_steps_kept": work.target_steps_kept,
                "draft_tokens_kept": work.draft_tokens_kept,
                "draft_tokens_rejected": work.draft_tokens_rejected,
                "target_tokens_kept": work.target_tokens_kept,
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
    """A text that a spreadsheet would take for a formula, such as a problem's id, is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _difference(it: Comparison) -> Difference:
    return Difference(
        first=run_name(it.first),
        second=run_name(it.second),
        first_strategy=labelled(it.first.run),
        second_strategy=labelled(it.second.run),
        pairs=it.pairs,
        unpaired=it.unpaired,
        first_better=it.first_better,
        second_better=it.second_better,
        accuracy_difference=it.difference,
        ci95=it.ci95,
        p_value=it.p_value,
        finished=it.finished,
        flops_ratio=Conventions.of(it.flops_ratio),
        tokens_first=it.tokens_first,
        tokens_second=it.tokens_second,
    )


def _plane(points: list[CostPoint]) -> list[Point]:
    front = pareto_front([(it.cost.value, it.accuracy.value) for it in points])
    return [
        Point(
            run=it.run,
            cost=it.cost.value,
            cost_ci95=it.cost.ci95,
            accuracy=it.accuracy.value,
            accuracy_ci95=it.accuracy.ci95,
            pareto=i in front,
        )
        for i, it in enumerate(points)
    ]
