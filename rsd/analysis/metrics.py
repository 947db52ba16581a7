"""`metrics.json`: what a run achieved and what it cost, per task and overall.

Accuracy counts every problem whose gold answer can be graded; failed ones are wrong. Shares of
steps, FLOPs and latency describe solutions that were finished; latency leaves out those whose
requests were asked again or waited for a lost server. Token totals and busy shares
count all recorded work, that of failed problems included. Where the step cache gave answers, speed
says nothing and is null; tokens and FLOPs are those of asking the servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from rsd.analysis.folds import Flops, Fold, flops, fold, reference_flops, total
from rsd.analysis.outcomes import Outcome, disturbed, failed, outcome, outcome_paper
from rsd.analysis.patience import PaperFigures, after_patience
from rsd.analysis.samples import Samples, sampled
from rsd.analysis.speculation import speculation_cost
from rsd.analysis.statistics import (
    Interval,
    Percentiles,
    clustered_interval,
    percentiles,
    wilson_interval,
)
from rsd.analysis.timing import (
    active_seconds,
    busy_shares,
    session_seconds,
    step_cache_use,
)
from rsd.records import (
    METRICS,
    GradeRecord,
    Key,
    RunRecord,
    TrajectoryRecord,
    read_run,
    write_atomically,
)
from rsd.types import ROLES, Role


class Tokens(BaseModel):
    """Tokens of one model as its server counted them. `prompt` counts the whole prompt of each
    request, `cached` the part of it that came from the prefix cache. `wasted` came beside
    `generated`, written ahead and in vain."""

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
    """A figure under the two conventions for the reward model's FLOPs (`rsd.analysis.folds`);
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
    def of(cls, values: Percentiles | None) -> Latency | None:
        return None if values is None else cls(**values._asdict())


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
    accuracy: float | None
    ci95: tuple[float, float] | None = Field(
        description="Wilson interval of accuracy; with several samples, clustered by problem"
    )
    accuracy_without_errors: float | None = Field(
        None, description="of those whose decoding did not fail"
    )
    accuracy_paper: float | None = Field(description="by the published program's grader")
    samples: Samples | None = Field(description="None where each problem has one sample")
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


@dataclass(frozen=True, slots=True)
class AnalyzedRun:
    """A run with its folds (of all trajectories, failed ones too) and its metrics."""

    run: RunRecord
    folds: dict[Key, Fold]
    metrics: Metrics


def analyze(run: RunRecord) -> AnalyzedRun:
    """Fold every trajectory of `run` once and compute its metrics."""
    folds = {key: fold(trajectory) for key, trajectory in run.trajectories.items()}
    by_task: dict[str, list[TrajectoryRecord]] = {name: [] for name in run.config.tasks.names}
    for trajectory in run.trajectories.values():
        by_task.setdefault(trajectory.task, []).append(trajectory)
    patient = after_patience(run)
    asked = run.manifest.asked
    tasks = {
        name: _summarize(run, patient, folds, its, active_seconds(its), asked.get(name))
        for name, its in by_task.items()
        if its
    }
    everything = list(run.trajectories.values())
    seconds = session_seconds(run.manifest.sessions, everything)
    overall = _summarize(
        run, patient, folds, everything, seconds, sum(asked.values()) if asked else None
    )
    given, answers = step_cache_use(everything)
    if given:
        why = f"the step cache gave {given} of {answers} answers"
        tasks = {name: _without_speed(summary, why) for name, summary in tasks.items()}
        overall = _without_speed(overall, why)
    metrics = Metrics(
        tasks=tasks,
        overall=overall,
        average=Average(
            accuracy=_mean([task.accuracy for task in tasks.values()]),
            accuracy_paper=_mean([task.accuracy_paper for task in tasks.values()]),
            accuracy_paper_with_patience=_mean(
                [task.paper.accuracy_paper for task in tasks.values() if task.paper]
            ),
        ),
    )
    return AnalyzedRun(run, folds, metrics)


def compute(run: RunRecord) -> Metrics:
    """The metrics of `run`."""
    return analyze(run).metrics


def write_metrics(directory: Path | str) -> Metrics:
    """Compute the metrics of a run directory and write its `metrics.json`.

    Raises `StoreError` if it is no run directory or not writable, `ConfigError` for its config.
    """
    metrics = compute(read_run(directory))
    save_metrics(metrics, Path(directory))
    return metrics


def save_metrics(metrics: Metrics, directory: Path) -> None:
    """Write `metrics.json` into `directory`. Raises `StoreError`."""
    write_atomically(directory / METRICS, metrics.model_dump_json(indent=2) + "\n")


def token_totals(trajectories: Iterable[TrajectoryRecord]) -> dict[Role, Tokens]:
    """Sum the usage of `trajectories` for each model."""
    totals = {role: Tokens() for role in ROLES}
    for trajectory in trajectories:
        for role, usage in trajectory.usage.items():
            tokens = totals[role]
            tokens.requests += usage.requests
            tokens.generated += usage.completion_tokens
            tokens.prompt += usage.prompt_tokens
            tokens.cached += usage.cached_tokens
            tokens.wasted += usage.wasted_tokens
    return totals


def _summarize(
    run: RunRecord,
    patient: RunRecord,
    folds: Mapping[Key, Fold],
    trajectories: list[TrajectoryRecord],
    seconds: float,
    asked: int | None,
) -> Summary:
    graded = [(t, run.grades.get(t.key)) for t in trajectories]
    outcomes = [outcome(*pair) for pair in graded]
    right, counted = _tally(outcomes)
    kept = counted - outcomes.count(Outcome.FAILED)
    finished = [t for t in trajectories if not failed(t)]
    work = total(folds[t.key] for t in finished)
    counts = run.manifest.parameters
    spent = flops(work, counts, speculation_cost(run.manifest))
    return Summary(
        n=len(trajectories),
        asked=asked,
        errors=len(trajectories) - len(finished),
        ungradable=outcomes.count(Outcome.UNGRADABLE),
        ungraded=outcomes.count(Outcome.UNGRADED),
        accuracy=right / counted if counted else None,
        ci95=_interval(run, graded) if counted else None,
        accuracy_without_errors=right / kept if kept else None,
        accuracy_paper=_accuracy_paper(graded),
        samples=sampled(run, trajectories),
        steps=Steps(
            draft_accepted=work.draft_steps_kept,
            draft_rejected=work.draft_steps_rejected,
            target=work.target_steps_kept,
        ),
        acceptance_rate=work.acceptance_rate,
        acceptance_rate_tokens=work.acceptance_rate_tokens,
        target_step_share=work.target_step_share,
        wasted_regenerations=work.wasted_regenerations,
        mistaken_acceptances=work.mistaken_acceptances,
        tokens=token_totals(trajectories),
        flops_per_problem=Conventions.of(spent / len(finished)),
        flops_ratio_vs_target_only=Conventions.of(spent / reference_flops(work, counts)),
        latency_s=Latency.of(percentiles([t.seconds for t in finished if not disturbed(t)])),
        disturbed=sum(map(disturbed, trajectories)),
        retries=sum(t.retries for t in trajectories),
        lost_s=sum(t.lost_seconds for t in trajectories),
        seconds=seconds,
        problems_per_s=len(finished) / seconds if seconds > 0 else None,
        tokens_per_s=work.response_tokens / seconds if seconds > 0 else None,
        busy=busy_shares(trajectories, seconds),
        paper=PaperFigures.of(run, patient, [t.key for t in trajectories])
        if run.config.decoding.profile == "paper"
        else None,
    )


def _without_speed(summary: Summary, why: str) -> Summary:
    void = dict.fromkeys(("latency_s", "problems_per_s", "tokens_per_s"))
    busy = dict.fromkeys(ROLES)
    return summary.model_copy(update={**void, "busy": busy, "speed_void": why})


def _interval(
    run: RunRecord, graded: list[tuple[TrajectoryRecord, GradeRecord | None]]
) -> Interval:
    """The interval of the accuracy of `graded`, at least one of which counts."""
    problems: dict[tuple[str, str], list[Outcome]] = {}
    for trajectory, grade in graded:
        its = outcome(trajectory, grade)
        if its.counts:
            problems.setdefault((trajectory.task, trajectory.problem_id), []).append(its)
    tallies = [_tally(outcomes) for outcomes in problems.values()]
    rights, sizes = zip(*tallies, strict=True)
    if run.config.decoding.samples == 1:
        return wilson_interval(sum(rights), sum(sizes))
    return clustered_interval(rights, sizes)


def _accuracy_paper(graded: list[tuple[TrajectoryRecord, GradeRecord | None]]) -> float | None:
    right, counted = _tally([outcome_paper(*pair) for pair in graded])
    return right / counted if counted else None


def _tally(outcomes: list[Outcome]) -> tuple[int, int]:
    """(right, counted)."""
    return outcomes.count(Outcome.RIGHT), sum(outcome.counts for outcome in outcomes)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
