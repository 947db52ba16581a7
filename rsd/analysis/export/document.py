"""The report as one JSON document: `rsd report --json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from rsd import __version__
from rsd.analysis.compare import Comparison, compare_all
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots.data import CostPoint, by_flops, by_latency
from rsd.analysis.statistics.comparisons import pareto_front
from rsd.analysis.summary import Metrics, Tokens
from rsd.analysis.tables.labels import labelled, run_name
from rsd.costs import Flops
from rsd.types import Role


class RunResult(BaseModel, ser_json_inf_nan="strings"):
    """One run with its `metrics.json`."""

    run: str  # the name of its directory
    name: str
    digest: str
    strategy: str  # in words, with what the run lacks: `RSD δ=0.7 (3 failed)`
    decoding: dict[str, Any]  # the keys of decoding that determine its answers
    metrics: Metrics


class Difference(BaseModel):
    """`first` against `second` over the problems of both (`rsd.analysis.compare.Comparison`)."""

    first: str
    second: str
    first_strategy: str  # in words, with what the run lacks
    second_strategy: str
    pairs: int
    unpaired: int
    first_better: int
    second_better: int
    accuracy_difference: float | None  # first minus second, in [-1, 1]
    ci95: tuple[float, float] | None
    p_value: float | None  # two-sided, of the test that ci95 inverts
    finished: int
    flops_ratio: Flops
    tokens_first: dict[Role, Tokens]
    tokens_second: dict[Role, Tokens]

    @classmethod
    def of(cls, it: Comparison) -> Difference:
        return cls(
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
            flops_ratio=it.flops_ratio,
            tokens_first=it.tokens_first,
            tokens_second=it.tokens_second,
        )


class Point(BaseModel):
    """The cost and accuracy of a run, both with 95% intervals by problem."""

    run: str
    cost: float
    cost_ci95: tuple[float, float]
    accuracy: float
    accuracy_ci95: tuple[float, float]
    pareto: bool  # no other run is as accurate for less, or more accurate at no more cost


class Results(BaseModel, ser_json_inf_nan="strings"):
    """What `rsd report --json` prints."""

    rsd: str  # version
    runs: list[RunResult]
    differences: list[Difference]  # from the target alone, or from the first run
    by_flops: list[Point]  # cost: FLOPs per solution, the PRM reading once
    by_latency: list[Point]  # cost: mean seconds per solution, without those that servers delayed


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
        differences=[Difference.of(it) for it in compare_all(runs)],
        by_flops=_points(by_flops(runs)),
        by_latency=_points(by_latency(runs)),
    )


def _points(points: list[CostPoint]) -> list[Point]:
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
