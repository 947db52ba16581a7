"""What `metrics.json` holds, per task and overall; `rsd.analysis.metrics` computes it.

Accuracy counts every problem whose gold answer can be graded; failed and undecided ones are not
right. Shares of
steps, FLOPs and latency describe solutions that were finished; latency leaves out those whose
requests were asked again or waited for a lost server. Token totals and busy shares
count all recorded work, that of failed problems included. Where the step cache gave answers, speed
says nothing and is null; tokens and FLOPs are those of asking the servers.
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
    request, `cached` the part of it that came from the prefix cache. `wasted` came beside
    `generated`, drafted ahead and discarded."""

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


class Conventions(BaseModel):
    """A figure under the two conventions for the reward model's FLOPs (`rsd.costs`);
    None where a parameter count is unknown."""

    prm_once: float | None
    prm_per_step: float | None

    @classmethod
    def of(cls, flops: Flops) -> Conventions:
        return cls(prm_once=flops.prm_once, prm_per_step=flops.prm_per_step)


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

    n: int = Field(description="problems decoded, each sample by itself, failed ones included")
    asked: int | None = Field(
        None, description="problems asked for; more than n while some are owed. None: unknown"
    )
    errors: int = Field(
        description="of n, those whose decoding failed; wrong in accuracy, unless also ungradable"
    )
    ungradable: int = Field(
        description="of n, those found to have a gold answer that cannot be graded; not in "
        "accuracy, even if they failed"
    )
    ungraded: int = Field(description="finished but not graded yet; not in accuracy")
    undecided: int = Field(
        0, description="of n, those whose grading timed out or crashed; not right in accuracy"
    )
    undecided_paper: int = Field(0, description="likewise of accuracy_paper")
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
    flops_per_problem: Conventions = Field(
        description="of a finished solution: each sample of a problem by itself"
    )
    flops_ratio_vs_target_only: Conventions = Field(
        description="against the target writing the same responses alone, an estimate from "
        "this run; rsd report compares with a real target-only run"
    )
    speed_void: str | None = Field(
        None, description="why latency_s, problems_per_s, tokens_per_s and busy are null"
    )
    latency_s: Latency | None = Field(description="of finished problems that are not disturbed")
    disturbed: int = Field(
        0, description="of n, those with requests asked again or waiting for a lost server"
    )
    retries: int = Field(0, description="requests asked again")
    lost_s: float = Field(0.0, description="seconds of requests without an answer and of waiting")
    seconds: float = Field(
        description="overall: of the sessions that did work; of a task: with "
        "at least one of its problems in work"
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
