"""Sentences that the captions of several plots share."""

from __future__ import annotations

from collections.abc import Sequence

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import data
from rsd.analysis.tables.labels import has_samples

INTERVALS = "Bars are 95% intervals, by problem"


def count(values: Sequence[int]) -> str:
    """`200`, or `150 to 200` where they differ."""
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def concurrency(runs: list[AnalyzedRun]) -> str:
    """How many problems were in flight at a time."""
    sessions = [session for run in runs for session in run.run.manifest.sessions]
    counts = [it.in_flight for it in sessions if it.in_flight is not None]
    return count(counts) if counts else "an unknown number of"


def shown(shown: int, known: int, what: str = "runs") -> str:
    """A sentence if not all are shown."""
    return "" if shown == known else f"{shown} of {known} {what} are shown."


def each_sample(runs: list[AnalyzedRun]) -> str:
    """How several samples of a problem count."""
    if not has_samples(runs):
        return ""
    return (
        "With several samples per problem, accuracy is their mean (avg@k), and tokens, FLOPs and "
        "seconds are of one sample."
    )


def untimed(runs: list[AnalyzedRun]) -> str:
    """Sentences on the runs and solutions that a plot of latency leaves out."""
    cached = sum(not data.timed(run) for run in runs)
    delayed = sum(len(data.finished(run)) - len(data.undelayed(run)) for run in runs)
    notes = []
    if cached:
        notes.append(f"Left out for answers from the step cache: {cached} of {len(runs)} runs.")
    if delayed:
        notes.append(f"Left out as servers delayed them: {delayed} solutions.")
    return " ".join([*notes, each_sample(runs)]).strip()
