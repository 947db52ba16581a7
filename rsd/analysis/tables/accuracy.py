"""Results as titled blocks of text cells, the common source of the terminal table and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsd.analysis.compare import Comparison, compare, is_target_alone, target_only
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import failed
from rsd.analysis.summary import Conventions, Summary
from rsd.analysis.tables.cells import (
    UNKNOWN,
    accuracy,
    figure,
    fixed,
    operations,
    p_value,
    percent,
    points,
)
from rsd.analysis.tables.labels import JUDGING
from rsd.analysis.tables.settings import settings_in_doubt
from rsd.analysis.tables.warnings import UNCOUNTED, disturbance, labelled, left_out, void_speed
from rsd.costs import total

TASKS_PER_BLOCK = 6
EACH_SAMPLE = (
    "Where a run has several samples of a problem, each counts as a problem of its own here."
)


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, of one or two lines, and how the cells below it are aligned."""

    heading: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, slots=True)
class Block:
    """A small table: each row has a cell for each column. `notes` go below it."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def run_name(run: AnalyzedRun) -> str:
    """The name of the run's directory."""
    return run.run.directory.resolve().name


def strategy(run: AnalyzedRun) -> str:
    """The strategy in words, with the threshold where there is one, and what the run lacks."""
    return labelled(run.run)


def has_rewards(run: AnalyzedRun) -> bool:
    """Whether drafts were judged, so that a share of them was kept by decision."""
    return run.run.config.decoding.strategy in JUDGING


def drafts_kept(run: AnalyzedRun, rate: float | None) -> str:
    """`rate`, the share of drafts that was kept, if it tells of verdicts: of a strategy that
    judges drafts, or of one of the user's own, which may."""
    own = ":" in run.run.config.decoding.strategy
    return percent(rate) if own or has_rewards(run) else UNKNOWN


def sampled(runs: list[AnalyzedRun]) -> bool:
    """Whether one of `runs` has several samples of a problem."""
    return any(run.run.config.decoding.samples > 1 for run in runs)


def labels(runs: list[AnalyzedRun]) -> list[str]:
    """A short name for each run: its strategy, and if several share that, the end of the
    directory's name, which is the digest where nobody chose another."""
    names = [strategy(run) for run in runs]
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({run_name(run)[-10:]})"
        for name, run in zip(names, runs, strict=True)
    ]


def accuracy_and_cost(runs: list[AnalyzedRun]) -> Block:
    """The headline: how often each run is right, and what it spends relative to the target."""
    rows, notes = [], []
    estimated = False
    for run, label in zip(runs, labels(runs), strict=True):
        overall = run.metrics.overall
        reference = target_only(run, runs)
        ratio = overall.flops_ratio_vs_target_only
        if reference is not None:
            ratio = Conventions.of(compare(run, reference).flops_ratio)
        mark = "*" if reference is None and ratio.prm_once is not None else ""
        estimated = estimated or bool(mark)
        rows.append(
            (
                run_name(run),
                strategy(run),
                str(overall.n),
                accuracy(overall.accuracy, overall.ci95),
                percent(overall.target_step_share),
                drafts_kept(run, overall.acceptance_rate),
                fixed(ratio.prm_once) + mark,
                fixed(ratio.prm_per_step) + mark,
            )
        )
        notes += left_out(overall, label)
        samples = run.run.config.decoding.samples
        if samples > 1:
            notes.append(f"{label}: {samples} samples of each problem; the interval is by problem.")
        notes += settings_in_doubt(run, label)
        notes += hindsight(overall, label)
    notes.append(
        "Steps by target: share of the solutions' steps. Drafts kept: share of draft steps."
    )
    notes.append(
        "FLOPs ratio: 2 x parameters x tokens processed, all models, over the target alone on the "
        "same problems; the PRM reads a prefix once (cached) or again at every step." + _unit(runs)
    )
    if estimated:
        notes.append(
            "* over the target writing the same responses, as no run of the target alone is given."
        )
    return Block(
        "Accuracy and cost",
        (
            Column("run", "left"),
            Column("strategy", "left"),
            Column("problems"),
            Column("accuracy %\n[95% interval]", "left"),
            Column("steps by\ntarget"),
            Column("drafts\nkept"),
            Column("FLOPs ratio\nPRM once"),
            Column("FLOPs ratio\nper step"),
        ),
        rows,
        tuple(notes),
    )


def _unit(runs: list[AnalyzedRun]) -> str:
    """What the ratio 1.00 is, where one run of the target alone is what all are set against."""
    alone = [run for run in runs if is_target_alone(run)]
    if len(alone) != 1:
        return ""
    cost = alone[0].metrics.overall.flops_per_problem.prm_once
    return "" if cost is None else f" 1.00 is {operations(cost)} a problem."


def hindsight(overall: Summary, label: str) -> list[str]:
    """How often a decision was wrong by the rewards of both models' steps, where both are known."""
    found = [
        f"{percent(share)} of {what}"
        for share, what in (
            (overall.mistaken_acceptances, "the draft's kept steps were worse than the target's"),
            (
                overall.wasted_regenerations,
                "the target's kept steps were no better than the draft's",
            ),
        )
        if share is not None
    ]
    if not found:
        return []
    return [f"{label}: by the rewards of both models' steps, {', and '.join(found)}."]


def tokens_and_speed(runs: list[AnalyzedRun]) -> Block:
    """Mean tokens of a problem by model, throughput and latency."""
    rows = []
    ahead = any(run.metrics.overall.tokens["draft"].wasted for run in runs)
    for run in runs:
        overall = run.metrics.overall
        finished = [key for key, t in run.run.trajectories.items() if not failed(t)]
        work, n = total(run.folds[key] for key in finished), len(finished)
        drafted = work.draft_tokens_kept + work.draft_tokens_rejected
        latency = overall.latency_s
        rows.append(
            (
                run_name(run),
                strategy(run),
                _mean(drafted, n),
                *([_mean(work.wasted_tokens, n)] if ahead else []),
                _mean(work.target_tokens_generated, n),
                _mean(work.processed_prm_once, n),
                figure(overall.problems_per_s),
                figure(overall.tokens_per_s),
                figure(latency.p50 if latency else None),
                figure(latency.p95 if latency else None),
            )
        )
    return Block(
        "Tokens per problem and speed",
        (
            Column("run", "left"),
            Column("strategy", "left"),
            Column("draft\nwrote"),
            *([Column("ahead,\nin vain")] if ahead else []),
            Column("target\nwrote"),
            Column("PRM\nread"),
            Column("problems\nper s"),
            Column("tokens\nper s"),
            Column("latency\np50 s"),
            Column("latency\np95 s"),
        ),
        rows,
        (
            "Tokens per s count the responses only. Latency is of one problem among those run "
            "concurrently.",
            UNCOUNTED,
            *([EACH_SAMPLE] if sampled(runs) else []),
            *(["In vain: drafted ahead and then discarded."] if ahead else []),
            *speed_notes(runs),
        ),
    )


def speed_notes(runs: list[AnalyzedRun]) -> list[str]:
    """What the figures of speed leave out."""
    overall = [run.metrics.overall for run in runs]
    notes = [
        note for pair in zip(overall, labels(runs), strict=True) for note in disturbance(*pair)
    ]
    return [*notes, *void_speed(overall)]


def accuracy_by_task(runs: list[AnalyzedRun]) -> list[Block]:
    """Accuracy of each task and their unweighted average, for runs that have all of them; nothing
    for a single task."""
    tasks = list(dict.fromkeys(name for run in runs for name in run.metrics.tasks))
    if len(tasks) < 2:
        return []
    blocks = []
    for start in range(0, len(tasks), TASKS_PER_BLOCK):
        part = tasks[start : start + TASKS_PER_BLOCK]
        last = start + TASKS_PER_BLOCK >= len(tasks)
        columns = [Column("strategy", "left"), *(Column(name) for name in part)]
        columns += [Column("average")] if last else []
        rows = []
        for run, label in zip(runs, labels(runs), strict=True):
            known = run.metrics.tasks
            cells = [_with_and_without(known[t]) if t in known else UNKNOWN for t in part]
            whole = all(t in known and known[t].accuracy is not None for t in tasks)
            mean = run.metrics.average.accuracy if whole else None
            average = [percent(mean, 1)] if last else []
            rows.append((label, *cells, *average))
        title = "Accuracy by task" if start == 0 else "Accuracy by task, continued"
        blocks.append(Block(title, tuple(columns), rows))
    return blocks


def _with_and_without(it: Summary) -> str:
    """The accuracy, and in brackets that without failures, if there are any."""
    without = f" ({percent(it.accuracy_without_errors, 1)} without failed)" if it.errors else ""
    return percent(it.accuracy, 1) + without


def compare_all(runs: list[AnalyzedRun]) -> list[Comparison]:
    """Every run against the target-only run, or against the first where there is none."""
    alone = [run for run in runs if is_target_alone(run)]
    baseline = (alone or runs)[0]
    return [compare(run, baseline) for run in runs if run is not baseline]


def paired(comparisons: list[Comparison], runs: list[AnalyzedRun]) -> Block:
    """The differences in accuracy over common problems, with their significance."""
    names = {id(run): label for run, label in zip(runs, labels(runs), strict=True)}
    rows = []
    for it in comparisons:
        rows.append(
            (
                f"{names[id(it.first)]} − {names[id(it.second)]}",
                points(it.difference, it.ci95),
                f"{it.first_better} / {it.second_better}",
                UNKNOWN if it.p_value is None else p_value(it.p_value),
                str(it.pairs),
                str(it.unpaired),
            )
        )
    often = "more often" if sampled(runs) else "only"
    several = ("Where a run has several samples, their mean stands for a problem.",)
    return Block(
        "Differences on the same problems",
        (
            Column("pair", "left"),
            Column("accuracy, points\n[95% interval]", "left"),
            Column(f"right {often} in\nfirst / second"),
            Column("p"),
            Column("pairs"),
            Column("unpaired"),
        ),
        rows,
        (
            "p is the chance of a difference at least this large between two equally good methods; "
            "it is below 0.05 where the interval leaves out 0.",
            *(several if sampled(runs) else ()),
        ),
    )


def _mean(tokens: int, n: int) -> str:
    return f"{tokens / n:,.0f}" if n else UNKNOWN
