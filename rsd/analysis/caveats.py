"""What keeps a run from being whole, or its figures from being what they seem, in words."""

from __future__ import annotations

from collections.abc import Iterable

from rsd.analysis.metrics import Summary


def shortfall(summary: Summary) -> list[str]:
    """What keeps a run, or a task of it, from being whole: problems still owed, and failed ones."""
    parts = []
    if summary.asked is not None and summary.n < summary.asked:
        parts.append(f"{summary.n} of {summary.asked}")
    if summary.errors:
        parts.append(f"{summary.errors} failed")
    return parts


def left_out(summary: Summary, label: str) -> list[str]:
    """One note on the problems that did not go the usual way, if there are any."""
    parts = []
    if summary.errors:
        without = summary.accuracy_without_errors
        apart = "" if without is None else f"; {without:.1%} right without them"
        parts.append(f"{summary.errors} failed (counted as wrong{apart})")
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
