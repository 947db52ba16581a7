"""The metrics of a run, computed from its records; `rsd.analysis.summary` explains them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rsd.analysis.outcomes import (
    Outcome,
    cut_shares,
    disturbed,
    failed,
    outcome,
    outcome_paper,
    share_right,
    verdicts_by_problem,
)
from rsd.analysis.paper.figures import PaperFigures, after_patience
from rsd.analysis.samples import sampled
from rsd.analysis.statistics.intervals import (
    Interval,
    clustered_interval,
    wilson_interval,
)
from rsd.analysis.summary import Average, Latency, Metrics, Steps, Summary, Tokens
from rsd.analysis.timing import (
    active_seconds,
    busy_shares,
    session_seconds,
    step_cache_use,
)
from rsd.costs import CostTotals, cost_totals, flops, reference_flops, speculation_cost, total
from rsd.records import (
    METRICS,
    Key,
    RunRecord,
    TrajectoryRecord,
    write_atomically,
)
from rsd.types import ROLES, Role


@dataclass(frozen=True, slots=True)
class AnalyzedRun:
    """A run with its metrics and the costs of each trajectory, failed ones included."""

    run: RunRecord
    costs: dict[Key, CostTotals]
    metrics: Metrics


def analyze(run: RunRecord) -> AnalyzedRun:
    """Compute the costs of each trajectory of `run` and its metrics."""
    costs = {key: cost_totals(trajectory.steps) for key, trajectory in run.trajectories.items()}
    by_task: dict[str, list[TrajectoryRecord]] = {name: [] for name in run.config.tasks.names}
    for trajectory in run.trajectories.values():
        by_task.setdefault(trajectory.task, []).append(trajectory)
    patient, asked = after_patience(run), run.manifest.asked
    given, answers = step_cache_use(run.trajectories.values())
    why = f"the step cache gave {given} of {answers} answers" if given else None

    def summary(trajectories: list[TrajectoryRecord], seconds: float, asked: int | None) -> Summary:
        made = _summarize(run, patient, costs, trajectories, seconds, asked)
        return _without_speed(made, why) if why else made

    tasks = {
        name: summary(its, active_seconds(its), asked.get(name))
        for name, its in by_task.items()
        if its
    }
    everything = list(run.trajectories.values())
    seconds = session_seconds(run.manifest.sessions, everything)
    paper = [task.paper for task in tasks.values() if task.paper]
    metrics = Metrics(
        tasks=tasks,
        overall=summary(everything, seconds, sum(asked.values()) if asked else None),
        average=Average(
            accuracy=_mean([task.accuracy for task in tasks.values()]),
            accuracy_paper=_mean([task.accuracy_paper for task in tasks.values()]),
            accuracy_paper_with_patience=_mean([it.accuracy_paper for it in paper]),
        ),
    )
    return AnalyzedRun(run, costs, metrics)


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
    costs: Mapping[Key, CostTotals],
    trajectories: list[TrajectoryRecord],
    seconds: float,
    asked: int | None,
) -> Summary:
    graded = [(t, run.grades.get(t.key)) for t in trajectories]
    keys = [t.key for t in trajectories]
    outcomes = [outcome(*pair) for pair in graded]
    outcomes_paper = [outcome_paper(*pair) for pair in graded]
    keyed = list(zip(keys, outcomes, strict=True))
    finished = [t for t in trajectories if not failed(t)]
    work = total(costs[t.key] for t in finished)
    counts = run.manifest.parameters
    spent = flops(work, counts, speculation_cost(run.manifest))
    return Summary(
        n=len(trajectories),
        problems=len({key[:2] for key in keys}),
        asked=asked,
        errors=len(trajectories) - len(finished),
        ungradable=outcomes.count(Outcome.UNGRADABLE),
        ungraded=outcomes.count(Outcome.UNGRADED),
        undecided=outcomes.count(Outcome.UNDECIDED),
        undecided_paper=outcomes_paper.count(Outcome.UNDECIDED),
        accuracy=share_right(keyed),
        ci95=_interval(keyed, run.config.decoding.samples),
        accuracy_without_errors=share_right(it for it in keyed if it[1] is not Outcome.FAILED),
        accuracy_paper=share_right(zip(keys, outcomes_paper, strict=True)),
        samples=sampled(run, trajectories),
        cut=cut_shares(finished),
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
        flops_per_problem=spent / len(finished),
        flops_ratio_vs_target_only=spent / reference_flops(work, counts),
        latency_s=Latency.of([t.seconds for t in finished if not disturbed(t)]),
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


def _interval(outcomes: list[tuple[Key, Outcome]], samples: int) -> Interval | None:
    """The interval of the accuracy, by problem; None if no outcome counts."""
    problems = verdicts_by_problem(outcomes)
    if not problems:
        return None
    if samples == 1:
        return wilson_interval(sum(map(sum, problems)), len(problems))
    shares, verdicts = [fmean(its) for its in problems], sum(map(len, problems))
    return clustered_interval(shares, [1] * len(shares), most=verdicts)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
