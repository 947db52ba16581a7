"""The table of runs with several samples per problem."""

from __future__ import annotations

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.samples import AGGREGATES
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import labels
from rsd.analysis.tables.warnings import about_samples

PASS, MAJORITY = "pass@k %\n[95% interval]", "maj@k %\n[95% interval]"


def by_samples(runs: list[AnalyzedRun]) -> list[Block]:
    """What k samples per problem achieve, for k = 1, 2, 4, ... n; no table for single samples."""
    rows: list[dict[str, str]] = []
    notes: list[str] = []
    for run, label in zip(runs, labels(runs), strict=True):
        it = run.metrics.overall.samples
        if it is None:
            continue
        best = it.best_of_k or {}
        for k in sorted({*(2**i for i in range(it.n.bit_length())), it.n}):
            one, vote = it.pass_at_k[k - 1], it.maj_at_k[k - 1] if it.maj_at_k else None
            row = {
                "strategy": label,
                "k": str(k),
                PASS: accuracy(one.value, one.ci95),
                MAJORITY: accuracy(vote.value, vote.ci95) if vote else UNKNOWN,
            }
            for by in AGGREGATES:
                value = percent(best[by][k - 1].value, 1) if by in best else UNKNOWN
                row[f"best-of-k\n{by}"] = value
            rows.append(row)
        notes += about_samples(run, it, label)
    notes.append(
        "pass@k: at least one of k samples is right. maj@k: the most frequent answer is right. "
        "best-of-k: the sample with the highest reward is right; the heading names how the rewards "
        "of its steps are aggregated. All are means over all choices of k samples; intervals are "
        "by problem (docs/samples.md)."
    )
    title = "Several samples of a problem"
    return [Block.of(title, rows, notes, left=("strategy", PASS, MAJORITY))] if rows else []
