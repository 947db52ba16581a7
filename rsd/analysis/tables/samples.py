"""The tables of runs with several samples per problem."""

from __future__ import annotations

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.samples import AGGREGATES, AtK, Samples
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import labels
from rsd.analysis.tables.warnings import about_rewards, about_samples

AVERAGE, PASS, MAJORITY = (f"{name}@k %\n[95% interval]" for name in ("avg", "pass", "maj"))
LEFT = ("strategy", "task", AVERAGE, PASS, MAJORITY)


def by_samples(runs: list[AnalyzedRun]) -> list[Block]:
    """What all samples of a problem achieve, by task, and what k of them do for k = 1, 2, 4, ... n;
    no tables for single samples."""
    named = [
        (run, label, run.metrics.overall.samples)
        for run, label in zip(runs, labels(runs), strict=True)
    ]
    known = [(run, label, it) for run, label, it in named if it is not None]
    if not known:
        return []
    all_samples = [row for run, label, _ in known for row in _by_task(run, label)]
    about = [note for run, label, it in known for note in about_samples(run, it, label)]
    notes = [
        *about,
        "pass@k: at least one of k samples is right. maj@k: the most frequent answer of k samples "
        "is right. Intervals are clustered by problem (docs/samples.md).",
    ]
    ranked = [by for by in AGGREGATES if any(by in (it.best_of_k or {}) for _, _, it in known)]
    fewer = [row for _, label, it in known for row in _by_k(it, label, ranked)]
    about_fewer = ["Means over all choices of k samples."]
    if ranked:
        about_fewer = [note for _, label, it in known for note in about_rewards(it, label)]
        about_fewer.append(
            "Means over all choices of k samples. best-of-k: the sample with the highest reward is "
            "right; the heading names how the rewards of its steps are aggregated."
        )
    return [
        Block.of("Several samples of a problem", all_samples, notes, left=LEFT),
        Block.of("What k of the samples achieve", fewer, about_fewer, left=LEFT),
    ]


def _by_task(run: AnalyzedRun, label: str) -> list[dict[str, str]]:
    tasks = {task: summary.samples for task, summary in run.metrics.tasks.items()}
    if len(tasks) > 1:
        tasks["all"] = run.metrics.overall.samples
    return [
        {
            "strategy": label,
            "task": task,
            "problems": str(it.problems),
            "k": str(it.n),
            AVERAGE: _cell(it.avg_at_k),
            PASS: _cell(it.pass_at_k[-1]),
            MAJORITY: _cell(it.maj_at_k[-1] if it.maj_at_k else None),
        }
        for task, it in tasks.items()
        if it is not None
    ]


def _by_k(it: Samples, label: str, ranked: list[str]) -> list[dict[str, str]]:
    best = it.best_of_k or {}
    return [
        {
            "strategy": label,
            "k": str(k),
            PASS: _cell(it.pass_at_k[k - 1]),
            MAJORITY: _cell(it.maj_at_k[k - 1] if it.maj_at_k else None),
        }
        | {
            f"best-of-k\n{by}": percent(best[by][k - 1].value, 1) if by in best else UNKNOWN
            for by in ranked
        }
        for k in sorted({*(2**i for i in range(it.n.bit_length())), it.n})
    ]


def _cell(it: AtK | None) -> str:
    return UNKNOWN if it is None else accuracy(it.value, it.ci95)
