"""What keeps a run from being whole, or its figures from being what they seem, in words."""

from __future__ import annotations

from collections.abc import Iterable

from rsd.analysis.outcomes import failed
from rsd.analysis.summary import Summary
from rsd.analysis.tables.cells import percent
from rsd.analysis.tables.labels import in_words
from rsd.records import RunRecord

UNCOUNTED = (
    "Not counted, because no server reports them: tokens of requests that were cancelled, "
    "interrupted, retried or answered unusably."
)


def labelled(run: RunRecord) -> str:
    """The strategy in words, and what keeps the run from being whole: `RSD δ=0.7 (150 of 200, 3
    failed)`."""
    lacking = shortfall(run)
    words = in_words(run.config, run.manifest.models)
    return f"{words} ({', '.join(lacking)})" if lacking else words


def shortfall(run: RunRecord) -> list[str]:
    """What keeps a run from being whole: problems still owed, failed ones, and those on which a
    grader came to no verdict."""
    n, asked = len(run.trajectories), sum(run.manifest.asked.values())
    errors = sum(map(failed, run.trajectories.values()))
    undecided = {
        grade.key
        for grade in (*run.grades.values(), *run.cut_grades.values())
        if grade.undecided or grade.undecided_paper
    }
    owing = [f"{n} of {asked}"] if n < asked else []
    counts = ((errors, "failed"), (len(undecided), "undecided"))
    return owing + [f"{count} {what}" for count, what in counts if count]


def failures(it: Summary) -> str:
    """How many solutions failed, which count as wrong, and the accuracy of the others."""
    return f"{it.errors} ({percent(it.accuracy_without_errors, 1)})" if it.errors else "0"


def left_out(summary: Summary, label: str) -> list[str]:
    """One note on the problems that did not go the usual way, if there are any."""
    parts = []
    if summary.errors:
        without = summary.accuracy_without_errors
        apart = "" if without is None else f"; {percent(without, 1)} right without them"
        unless = " unless ungradable" if summary.ungradable else ""
        parts.append(f"{summary.errors} failed (counted as wrong{unless}{apart})")
    for count, by in (
        (summary.undecided, ""),
        (summary.undecided_paper, " by the paper's grader"),
    ):
        if count:
            parts.append(
                f"{count} undecided{by}: grading timed out or crashed (counted as wrong; rsd grade "
                f"tries again)"
            )
    if summary.ungradable:
        parts.append(f"{summary.ungradable} with an ungradable gold answer (left out)")
    if summary.ungraded:
        parts.append(f"{summary.ungraded} not graded (left out; see rsd grade)")
    if summary.asked is not None and summary.n < summary.asked:
        owed = summary.asked - summary.n
        parts.append(f"{owed} of {summary.asked} still owed (the same command solves them)")
    return [f"{label}: {', '.join(parts)}."] if parts else []


def disturbance(summary: Summary, label: str) -> list[str]:
    """One note on what latency leaves out, and throughput does not, if there is anything."""
    if not summary.disturbed:
        return []
    return [
        f"{label}: servers delayed {summary.disturbed} problems, by {summary.retries} requests "
        f"that were asked again or by waiting. Latency leaves these problems out; problems and "
        f"tokens per s do not."
    ]


def void_speed(summaries: Iterable[Summary]) -> list[str]:
    """Why some of several runs have no figures of speed; nothing if all have them."""
    voids = [summary.speed_void is not None for summary in summaries]
    why = "the step cache gave answers that no server was asked for (run.cache)"
    return [f"Speed is void in {sum(voids)} of {len(voids)} runs: {why}."] if any(voids) else []
