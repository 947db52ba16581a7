"""The block of runs with several samples of each problem."""

from __future__ import annotations

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.samples import AGGREGATES
from rsd.analysis.statistics.several_samples import MOST_VOTES
from rsd.analysis.tables.block import Block, Column
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import labels


def by_samples(runs: list[AnalyzedRun]) -> list[Block]:
    """What k samples of each problem achieve, for k = 1, 2, 4, ... n; nothing for single ones."""
    rows: list[tuple[str, ...]] = []
    notes: list[str] = []
    for run, name in zip(runs, labels(runs), strict=True):
        it = run.metrics.overall.samples
        if it is None:
            continue
        best = it.best_of_k or {}
        for k in sorted({*(2**i for i in range(it.n.bit_length())), it.n}):
            one, vote = it.pass_at_k[k - 1], it.maj_at_k[k - 1] if it.maj_at_k else None
            rows.append(
                (
                    name,
                    str(k),
                    accuracy(one.value, one.ci95),
                    accuracy(vote.value, vote.ci95) if vote else UNKNOWN,
                    *(
                        percent(best[by][k - 1].value, 1) if by in best else UNKNOWN
                        for by in AGGREGATES
                    ),
                )
            )
        notes += _about_samples(name, run)
    if not rows:
        return []
    columns = (
        Column("strategy", "left"),
        Column("k"),
        Column("pass@k %\n[95% interval]", "left"),
        Column("maj@k %\n[95% interval]", "left"),
        *(Column(f"best-of-k\n{by}") for by in AGGREGATES),
    )
    notes.append(
        "pass@k: one of k samples is right. maj@k: the most frequent answer is. best-of-k: the one "
        "with the best reward is, the rewards of its steps made one by what stands below. All are "
        "means over all choices of k samples; intervals are by problem (docs/samples.md)."
    )
    return [Block("Several samples of a problem", columns, rows, tuple(notes))]


def _about_samples(name: str, run: AnalyzedRun) -> list[str]:
    it, notes = run.metrics.overall.samples, []
    assert it is not None
    problems = len({key[:2] for key in run.run.trajectories})
    if it.problems < problems:
        notes.append(
            f"{name}: over the {it.problems} of {problems} problems whose {it.n} samples are all "
            "decoded and graded."
        )
    if it.maj_at_k is None and it.n <= MOST_VOTES:
        notes.append(f"{name}: answers are not grouped, so there is no vote; rsd grade does it.")
    if it.best_of_k and it.unrewarded:
        notes.append(
            f"{name}: {it.unrewarded} of {it.n * it.problems} samples failed or have no kept step "
            "with a reward, and rank last in best-of-k."
        )
    return notes
