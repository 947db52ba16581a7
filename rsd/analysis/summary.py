"""What `metrics.json` holds, per task and overall; `rsd.analysis.metrics` computes it.

Accuracy counts every problem whose gold answer can be graded; failed and undecided ones are not
right. Shares of steps, FLOPs and latency describe finished solutions; latency excludes those with
retried requests or waiting for a lost server. Token totals and busy shares count all recorded work,
including that of failed problems. If the step cache gave answers, the figures of speed are null;
tokens and FLOPs are what they would be without the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, Field

from rsd.analysis.patience import PaperFigures
from rsd.analysis.samples import Samples
from rsd.costs import Flops
from rsd.types import Role, StopReason


class Tokens(BaseModel):
    """Tokens of one model as its server counted them. `prompt` counts the whole prompt of each
    request, `cached` the part of it that came from the prefix cache. `wasted` tokens were drafted
    ahead and discarded; `generated` does not include them."""

    requests: int = 0
    generated: int = 0
    prompt: int = 0
    cached: int = 0
    wasted: int = 0


class Steps(BaseModel):
    """Candidate steps of finished solutions."""

    draft_accepted: int
    draft_rejected: int
    target: int


class Latency(BaseModel):
    """Percentiles of the seconds from a problem's first request to its last answer."""

    p50: float
    p90: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency | None:
        """The percentiles of `seconds`, linearly interpolated; None without any."""
        if not seconds:
            return None
        p50, p90, p95, p99 = np.percentile(seconds, [50, 90, 95, 99])
        return cls(p50=p50, p90=p90, p95=p95, p99=p99)


class Summary(BaseModel):
    """Metrics of a set of problems. Shares and accuracies are in [0, 1]; None means that there
    was nothing to measure."""

    n: int = Field(description="problems decoded, one per sample, failed ones included")
    asked: int | None = Field(
        None, description="problems asked for; more than n if some are not yet run. None: unknown"
    )
    errors: int = Field(
        description="of n, those whose decoding failed; wrong in accuracy, unless also ungradable"
    )
    ungradable: int = Field(
        description="of n, those whose gold answer cannot be graded; not in accuracy, even if they "
        "failed"
    )
    ungraded: int = Field(description="finished but not graded yet; not in accuracy")
    undecided: int = Field(
        0, description="of n, those whose grading timed out or crashed; not right in accuracy"
    )
    undecided_paper: int = Field(0, description="the same for accuracy_paper")
    accuracy: float | None
    ci95: tuple[float, float] | None = Field(
        description="Wilson interval of accuracy; with several samples, clustered by problem"
    )
    accuracy_without_errors: float | None = Field(
        None, description="of those whose decoding did not fail"
    )
    accuracy_paper: float | None = Field(description="by the published program's grader")
    samples: Samples | None = Field(description="None where each problem has one sample")
    cut: dict[StopReason, float] = Field(
        default_factory=dict,
        description="share of the finished solutions that each rule ended before the model did",
    )
    steps: Steps
    acceptance_rate: float | None = Field(description="share of draft steps accepted")
    acceptance_rate_tokens: float | None = Field(description="share of draft tokens accepted")
    target_step_share: float | None = Field(description="share of the steps kept")
    wasted_regenerations: float | None = Field(
        None, description="share of the target's steps no better than the draft's (oracle)"
    )
    mistaken_acceptances: float | None = Field(
        None, description="share of the draft's kept steps worse than the target's (oracle)"
    )
    tokens: dict[Role, Tokens]
    flops_per_problem: Flops = Field(description="per finished solution, one per sample")
    flops_ratio_vs_target_only: Flops = Field(
        description="relative to the target writing the same responses alone, estimated from this "
        "run; rsd report compares with a run of the target alone"
    )
    speed_void: str | None = Field(
        None, description="why latency_s, problems_per_s, tokens_per_s and busy are null"
    )
    latency_s: Latency | None = Field(description="of finished problems that servers did not delay")
    disturbed: int = Field(
        0, description="of n, those with retried requests or waiting for a lost server"
    )
    retries: int = Field(0, description="retried requests")
    lost_s: float = Field(
        0.0, description="seconds lost to requests without an answer and to waiting"
    )
    seconds: float = Field(
        description="overall: of the sessions that did work; of a task: while at least one of its "
        "problems was being decoded"
    )
    problems_per_s: float | None = Field(description="finished problems")
    tokens_per_s: float | None = Field(description="tokens of finished responses")
    busy: dict[Role, float | None] = Field(description="share of seconds with a request")
    paper: PaperFigures | None = Field(description="of the profile paper only")


class Average(BaseModel):
    """Unweighted means over the tasks, as in the paper's tables."""

    accuracy: float | None
    accuracy_paper: float | None
    accuracy_paper_with_patience: float | None = Field(description="of the profile paper only")


class Metrics(BaseModel):
    """The content of `metrics.json`. `overall` pools the problems of all tasks."""

    tasks: dict[str, Summary]
    overall: Summary
    average: Average
