"""Tables of accuracy: with cost, by task, and as differences between runs."""

from __future__ import annotations

from rsd.analysis.compare import compare, compare_all, is_target_alone, target_only
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.summary import Summary
from rsd.analysis.tables.block import Block, Column
from rsd.analysis.tables.cells import (
    UNKNOWN,
    accuracy,
    fixed,
    operations,
    p_value,
    percent,
    points,
)
from rsd.analysis.tables.labels import (
    has_samples,
    judges_drafts,
    labelled,
    labels,
    measure,
    problem_count,
    run_name,
    solution_of,
)
from rsd.analysis.tables.warnings import UNDECIDED, about_mean, about_run, failures

TASKS_PER_BLOCK = 6


def accuracy_and_cost(runs: list[AnalyzedRun]) -> Block:
    """How often each run is right, and its cost relative to the target alone."""
    rows: list[dict[str, str]] = []
    warnings = about_mean(runs)
    heading = _heading(runs)
    estimated = False
    for run, label in zip(runs, labels(runs), strict=True):
        overall = run.metrics.overall
        reference = target_only(run, runs)
        ratio, mark = overall.flops_ratio_vs_target_only, ""
        if reference is not None:
            ratio = compare(run, reference).flops_ratio
        elif ratio.prm_once is not None:
            estimated, mark = True, "*"
        rows.append(
            {
                "run": run_name(run),
                "strategy": labelled(run.run),
                "problems": problem_count(overall, run.run.config.decoding.samples),
                heading: accuracy(overall.accuracy, overall.ci95),
                "steps by\ntarget": percent(overall.target_step_share),
                "accept.\nrate": accepted(run, overall.acceptance_rate),
                "FLOPs ratio\nPRM once": fixed(ratio.prm_once) + mark,
                "FLOPs ratio\nper step": fixed(ratio.prm_per_step) + mark,
            }
        )
        warnings += about_run(run, label)
    notes = [
        *warnings,
        "Steps by target: share of the solutions' steps. Acceptance rate: share of draft steps "
        "accepted.",
        "FLOPs ratio: 2 x parameters x tokens processed, summed over the models, relative to the "
        "target alone on the same problems; the PRM reads a prefix once (cached) or again at every "
        "step." + _unit(runs),
    ]
    if estimated:
        notes.append(
            "* Relative to the target writing the same responses, because no run of the target "
            "alone is given."
        )
    return Block.of("Accuracy and cost", rows, notes, left=("run", "strategy", heading))


def _heading(runs: list[AnalyzedRun]) -> str:
    return f"{measure(runs)} %\n[95% interval]"


def accepted(run: AnalyzedRun, rate: float | None) -> str:
    """The acceptance `rate`, for strategies that judge drafts. A user's own strategy may do so."""
    own = ":" in run.run.config.decoding.strategy
    return percent(rate) if own or judges_drafts(run) else UNKNOWN


def _unit(runs: list[AnalyzedRun]) -> str:
    """What the ratio 1.00 is, if a single run of the target alone is the reference of all."""
    alone = [run for run in runs if is_target_alone(run)]
    cost = alone[0].metrics.overall.flops_per_problem.prm_once if len(alone) == 1 else None
    return "" if cost is None else f" 1.00 is {operations(cost)} per {solution_of(runs)}."


def accuracy_by_task(runs: list[AnalyzedRun]) -> list[Block]:
    """Accuracy per task, and the unweighted average of each run that has all tasks; no table for a
    single task."""
    tasks = list(dict.fromkeys(name for run in runs for name in run.metrics.tasks))
    blocks = []
    for start in range(0, len(tasks) if len(tasks) > 1 else 0, TASKS_PER_BLOCK):
        shown = tasks[start : start + TASKS_PER_BLOCK]
        last = start + TASKS_PER_BLOCK >= len(tasks)
        columns = [Column("strategy", "left"), *map(Column, shown)]
        columns += [Column("average")] if last else []
        rows = []
        for run, label in zip(runs, labels(runs), strict=True):
            known = run.metrics.tasks
            cells = [_with_and_without(known[task]) if task in known else UNKNOWN for task in shown]
            if last:
                whole = all(task in known and known[task].accuracy is not None for task in tasks)
                cells.append(percent(run.metrics.average.accuracy if whole else None, 1))
            rows.append((label, *cells))
        title = "Accuracy by task" if start == 0 else "Accuracy by task, continued"
        blocks.append(Block(title, tuple(columns), rows))
    return blocks


def _with_and_without(it: Summary) -> str:
    """The accuracy, and in brackets that without failures, if there are any."""
    without = f" ({percent(it.accuracy_without_errors, 1)} without failed)" if it.errors else ""
    return percent(it.accuracy, 1) + without


def per_task(runs: list[AnalyzedRun]) -> Block:
    """One row per task and run, and the average of each run that has several tasks."""
    rows: list[dict[str, str]] = []
    overall = [run.metrics.overall for run in runs]
    undecided = any(it.undecided or it.undecided_paper for it in overall)
    named = list(zip(runs, labels(runs), strict=True))
    heading = _heading(runs)
    for task in dict.fromkeys(name for run in runs for name in run.metrics.tasks):
        for run, label in named:
            it = run.metrics.tasks.get(task)
            if it is None:
                continue
            row = {
                "task": task,
                "strategy": label,
                "problems": _problems(run, it),
                heading: accuracy(it.accuracy, it.ci95),
                "paper's\ngrader": percent(it.accuracy_paper, 1),
                "steps by\ntarget": percent(it.target_step_share),
                "draft steps\naccepted": accepted(run, it.acceptance_rate),
                "draft tokens\naccepted": accepted(run, it.acceptance_rate_tokens),
                "failed (accuracy\nwithout them)": failures(it),
                "ungradable": str(it.ungradable),
            }
            if undecided:
                row["undecided by\ndefault / paper's"] = f"{it.undecided} / {it.undecided_paper}"
            rows.append(row)
    several = [(run, label) for run, label in named if len(run.metrics.tasks) > 1]
    rows += [
        {
            "task": "average",
            "strategy": label,
            "problems": f"{len(run.metrics.tasks)} tasks",
            heading: percent(run.metrics.average.accuracy, 1),
            "paper's\ngrader": percent(run.metrics.average.accuracy_paper, 1),
        }
        for run, label in several
    ]
    notes = ["The average is the unweighted mean over the tasks."] if several else []
    notes += [UNDECIDED] if undecided else []
    return Block.of("By task", rows, notes, left=("task", "strategy", heading))


def _problems(run: AnalyzedRun, it: Summary) -> str:
    samples = run.run.config.decoding.samples
    if samples > 1 or it.asked in (None, it.n):
        return problem_count(it, samples)
    return f"{it.n} of {it.asked}"


def differences(runs: list[AnalyzedRun]) -> list[Block]:
    """Differences in accuracy over common problems, with their significance; no table for a single
    run."""
    if len(runs) < 2:
        return []
    names = {id(run): label for run, label in zip(runs, labels(runs), strict=True)}
    often = "more often" if has_samples(runs) else "only"
    difference = "accuracy, points\n[95% interval]"
    rows = [
        {
            "pair": f"{names[id(it.first)]} − {names[id(it.second)]}",
            difference: points(it.difference, it.ci95),
            f"right {often} in\nfirst / second": f"{it.first_better} / {it.second_better}",
            "p": UNKNOWN if it.p_value is None else p_value(it.p_value),
            "pairs": str(it.pairs),
            "unpaired": str(it.unpaired),
        }
        for it in compare_all(runs)
    ]
    notes = [
        "p is the probability of a difference at least this large between two equally good "
        "methods; it is below 0.05 where the interval excludes 0."
    ]
    if has_samples(runs):
        notes.append("A pair is a problem: of several samples per problem, the mean is compared.")
    title = "Differences on the same problems"
    return [Block.of(title, rows, notes, left=("pair", difference))]
