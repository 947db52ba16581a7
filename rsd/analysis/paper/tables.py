"""Tables of the paper: runs beside published figures, and figures as the published program computes
them.
"""

from __future__ import annotations

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.paper.comparison import PaperComparison, SetComparison, compare_with_paper
from rsd.analysis.paper.published import AVERAGED, Published, why_none
from rsd.analysis.statistics.intervals import Interval, mean_interval
from rsd.analysis.tables.accuracy import accepted
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import accuracy, figure, percent, signed
from rsd.analysis.tables.labels import labels, run_name

TITLE = "Against the paper"
OURS = "paper's grader %\n[95% interval]"


def as_published(runs: list[AnalyzedRun]) -> list[Block]:
    """What the published program would report for runs of the profile `paper`, by task."""
    rows: list[dict[str, str]] = []
    for run, label in zip(runs, labels(runs), strict=True):
        for task, it in run.metrics.tasks.items():
            if it.paper is None:
                continue
            tokens, finished = it.paper.tokens, max(1, it.n - it.errors)
            rows.append(
                {
                    "task": task,
                    "strategy": label,
                    "cut by\npatience": f"{it.paper.cut} of {it.n}",
                    "paper's\ngrader": percent(it.accuracy_paper, 1),
                    "with\npatience": percent(it.paper.accuracy_paper, 1),
                    "draft tokens\naccepted": figure(tokens.draft_kept / finished),
                    "draft tokens\nrejected": figure(tokens.draft_rejected / finished),
                    "target\ntokens": figure(tokens.target / finished),
                    "acceptance\nrate": accepted(run, tokens.acceptance_rate),
                }
            )
        average = run.metrics.average
        if average.accuracy_paper_with_patience is not None and len(run.metrics.tasks) > 1:
            rows.append(
                {
                    "task": "average",
                    "strategy": label,
                    "paper's\ngrader": percent(average.accuracy_paper, 1),
                    "with\npatience": percent(average.accuracy_paper_with_patience, 1),
                }
            )
    notes = (
        "Profile paper (docs/paper-profile.md). Patience cuts all unfinished solutions of a task "
        "once no problem finishes within five steps. Tokens are per problem, with patience, each "
        "step encoded again; the acceptance rate is the share of draft tokens accepted.",
    )
    title = "Figures as the published program computes them"
    return [Block.of(title, rows, notes, left=("task", "strategy"))] if rows else []


def against_paper(runs: list[AnalyzedRun], published: Published) -> list[Block]:
    """A table for each run that has a published row, and one line for each that has none."""
    blocks, without = [], []
    for run in runs:
        comparison = compare_with_paper(run, published)
        if comparison is None:
            without.append(f"{run_name(run)}: {why_none(run.run.config, published)}.")
        else:
            blocks.append(_block(comparison))
    return [*blocks, Block(TITLE, (), (), tuple(without))] if without else blocks


def _block(it: PaperComparison) -> Block:
    rows = [
        {
            "set": one.task,
            "problems": f"{one.n} of {one.whole}",
            "default\ngrader": percent(one.accuracy_default, 1),
        }
        | _beside(one.accuracy, one.ci95, one.figure.accuracy)
        for one in it.sets
    ]
    averaged = [one for one in it.sets if one.task in AVERAGED]
    if averaged:
        rows.append(_average(averaged))
    title = f"{TITLE}: {run_name(it.run)}"
    return Block.of(title, rows, _notes(it, bool(averaged)), left=("set", OURS))


def _average(sets: list[SetComparison]) -> dict[str, str]:
    default = [one.accuracy_default for one in sets if one.accuracy_default is not None]
    n = len(sets)
    return {
        "set": "average",
        "problems": f"{n} of {len(AVERAGED)} sets",
        "default\ngrader": percent(sum(default) / n if len(default) == n else None, 1),
    } | _beside(
        sum(one.accuracy for one in sets) / n,
        mean_interval([(one.right, one.n) for one in sets]),
        sum(one.figure.accuracy for one in sets) / n,
    )


def _beside(ours: float, ci95: Interval, theirs: float) -> dict[str, str]:
    low, high = ci95
    return {
        OURS: accuracy(ours, ci95),
        "published": percent(theirs, 1),
        "difference,\npoints": signed(ours - theirs),
        "published\nin interval": "yes" if low <= theirs <= high else "no",
    }


def _notes(it: PaperComparison, averaged: bool) -> list[str]:
    config, figures = it.run.run.config, [one.figure for one in it.sets]
    overall, decoding = it.run.metrics.overall, config.decoding
    sources = dict.fromkeys([*(f"arXiv {f.arxiv}" for f in figures), *(f.table for f in figures)])
    roles = it.run.run.manifest.models
    models = ", ".join(f"{role} {config.models.role(role).model}" for role in roles)
    notes = [
        f"Published ({', '.join(sources)}): {it.row.way}, models {it.row.models} as "
        f"family/target/draft/PRM. This run: {models}.",
        "The difference is this run, by the paper's grader, minus the published figure. The "
        "interval covers only the sampling of this run's problems; the published figure comes from "
        "one run over the same set and has an error of its own. A figure inside the interval is no "
        "proof of equality.",
    ]
    if averaged:
        notes.append(
            "The average is the unweighted mean of the listed sets that are among the paper's six; "
            "the published average is over the same sets. Its interval treats the sets as "
            "independent."
        )
    if any(one.is_partial for one in it.sets):
        notes.append(
            "n of N problems: only a part of the set was decoded and graded, so the figure is not "
            "that of the set. Run rsd grade to grade the rest."
        )
    if overall.errors:
        notes.append(
            f"{overall.errors} solutions failed. The paper's grader counts them as wrong; the "
            "default grader does so where the gold answer is gradable."
        )
    if overall.undecided_paper:
        notes.append(
            f"The paper's grader timed out or crashed on {overall.undecided_paper} solutions; they "
            "count as wrong until rsd grade has retried them."
        )
    if it.absent:
        notes.append(f"Published, but not in this run: {', '.join(it.absent)}.")
    if decoding.profile != "paper":
        notes.append(
            "Decoded with the default profile, not the published program's "
            "(decoding.profile: paper; docs/paper-profile.md)."
        )
    if it.cut is not None:
        notes.append(f"Solutions cut by the paper's patience: {it.cut}.")
    if decoding.samples > 1:
        notes.append(
            "Samples of one problem count as independent here: the intervals are too narrow."
        )
    temperature = max(decoding.sampled(source).temperature for source in decoding.writers)
    if it.row.method in ("rsd", "single") and temperature > 0:
        notes.append(f"Sampled at temperature {temperature:g}; the paper decodes greedily.")
    return notes
