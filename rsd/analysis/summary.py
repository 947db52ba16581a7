"""What `metrics.json` holds, per task and overall; `rsd.analysis.metrics` computes it.

Accuracy counts every problem whose gold answer can be graded; failed and undecided ones are not
right. With k samples of each problem it is avg@k, the mean over problems of the share of their
samples that is right.

Shares of steps, FLOPs and latency describe finished solutions; latency excludes those with retried
requests or waiting for a lost server. Token totals and busy shares count all recorded work,
including that of failed problems. If the step cache gave answers, the figures of speed are null;
tokens and FLOPs are what they would be without the cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from rsd.analysis.paper.figures import PaperFigures
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
    was nothing to measure. Counts are of solutions: each sample of a problem is one."""

    n: int  # solutions decoded, failed ones included
    problems: int = 0  # problems with a solution: n, unless there are several samples
    asked: int | None = None  # solutions asked for, more than n if some are not yet run
    errors: int  # of n, decoding failed; wrong in accuracy, unless also ungradable
    ungradable: int  # of n, the gold answer cannot be graded; not in accuracy, even if failed
    ungraded: int  # of n, finished but not graded yet; not in accuracy
    undecided: int = 0  # of n, grading timed out or crashed; not right in accuracy
    undecided_paper: int = 0  # the same for accuracy_paper
    accuracy: float | None  # with k samples of each problem avg@k
    ci95: tuple[float, float] | None  # Wilson interval; of avg@k clustered by problem
    accuracy_without_errors: float | None = None  # of those whose decoding did not fail
    accuracy_paper: float | None  # by the published program's grader
    samples: Samples | None  # None if each problem has one sample
    cut: dict[StopReason, float] = {}  # share of the finished solutions that each limit ended
    steps: Steps
    acceptance_rate: float | None  # share of draft steps accepted
    acceptance_rate_tokens: float | None  # share of draft tokens accepted
    target_step_share: float | None  # share of accepted steps that the target wrote
    wasted_regenerations: float | None = None  # target steps no better than the draft's (oracle)
    mistaken_acceptances: float | None = None  # accepted draft steps that are worse (oracle)
    tokens: dict[Role, Tokens]
    flops_per_problem: Flops  # per finished solution
    flops_ratio_vs_target_only: Flops
    """Relative to the target writing the same responses alone, as estimated from this run; `rsd
    report` compares with a run of the target alone."""
    speed_void: str | None = None  # why latency_s, problems_per_s, tokens_per_s and busy are null
    latency_s: Latency | None  # of finished problems that servers did not delay
    disturbed: int = 0  # of n, with retried requests or waiting for a lost server
    retries: int = 0  # retried requests
    lost_s: float = 0.0  # seconds lost to requests without an answer and to waiting
    seconds: float
    """Overall: of the sessions that did work. Of a task: while one of its problems was decoded."""
    problems_per_s: float | None  # finished problems
    tokens_per_s: float | None  # tokens of finished responses
    busy: dict[Role, float | None]  # share of seconds with a request
    paper: PaperFigures | None  # of the profile paper only


class Average(BaseModel):
    """Unweighted means over the tasks, as in the paper's tables."""

    accuracy: float | None
    accuracy_paper: float | None
    accuracy_paper_with_patience: float | None  # of the profile paper only


class Metrics(BaseModel):
    """The content of `metrics.json`. `overall` pools the problems of all tasks."""

    tasks: dict[str, Summary]
    overall: Summary
    average: Average
