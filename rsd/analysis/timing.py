"""How long a run worked, and how much of that time each server was busy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from rsd.records import Session, TrajectoryRecord
from rsd.types import ROLES, Role

Span = tuple[float, float]
"""(start, end) in Unix time."""


def union_length(spans: Iterable[Span]) -> float:
    """Seconds covered by at least one of `spans`."""
    covered, reached = 0.0, -inf
    for start, end in sorted(spans):
        if end > reached:
            covered += end - max(start, reached)
            reached = end
    return covered


def session_seconds(sessions: Iterable[Session], trajectories: Iterable[TrajectoryRecord]) -> float:
    """Seconds of all sessions that worked on one of `trajectories`.

    A trajectory belongs to the latest session that had begun and not ended when it began. A killed
    session has no end; its last trajectory ends it. A session without work, as when a finished run
    is started again, does not count. Trajectories outside all sessions, as after a clock change,
    count with the time in which at least one of them was being decoded.
    """
    latest_first = sorted(sessions, key=lambda session: session.started_at, reverse=True)
    work: dict[int, list[Span]] = {}
    for span in _spans(trajectories):
        worked = (i for i, its in enumerate(latest_first) if _holds(its, span[0]))
        work.setdefault(next(worked, -1), []).append(span)
    seconds = union_length(work.pop(-1, ()))
    for i, spans in work.items():
        began, ended = latest_first[i].started_at, latest_first[i].ended_at
        seconds += (max(end for _, end in spans) if ended is None else ended) - began
    return seconds


def most_at_once(sessions: Iterable[Session]) -> int | None:
    """The most problems in flight at once; None if no session recorded it."""
    return max((it.in_flight for it in sessions if it.in_flight is not None), default=None)


def active_seconds(trajectories: Iterable[TrajectoryRecord]) -> float:
    """Seconds in which at least one of `trajectories` was being decoded."""
    return union_length(_spans(trajectories))


def busy_shares(
    trajectories: Iterable[TrajectoryRecord], seconds: float
) -> dict[Role, float | None]:
    """For each server, the share of `seconds` with at least one request, in [0, 1]; None for a
    server without requests."""
    spans: dict[Role, list[Span]] = {role: [] for role in ROLES}
    for trajectory in trajectories:
        for step in trajectory.steps:
            spans[step.source].append((step.started_at, step.started_at + step.seconds))
            if step.score_started_at is not None and step.score_seconds is not None:
                end = step.score_started_at + step.score_seconds
                spans[step.score_role].append((step.score_started_at, end))
            if step.likelihood_started_at is not None and step.likelihood_seconds is not None:
                end = step.likelihood_started_at + step.likelihood_seconds
                spans["target"].append((step.likelihood_started_at, end))
    return {
        role: min(1.0, union_length(of_role) / seconds) if of_role and seconds > 0 else None
        for role, of_role in spans.items()
    }


def step_cache_use(trajectories: Iterable[TrajectoryRecord]) -> tuple[int, int]:
    """How many of the models' answers in `trajectories` the step cache gave, and how many there
    are."""
    given = answers = 0
    for trajectory in trajectories:
        for step in trajectory.steps:
            answers += 1 + (step.score_started_at is not None) + (step.likelihood is not None)
            given += step.from_cache + step.score_from_cache + step.likelihood_from_cache
    return given, answers


def _holds(session: Session, moment: float) -> bool:
    ended_at = inf if session.ended_at is None else session.ended_at
    return session.started_at <= moment <= ended_at


def _spans(trajectories: Iterable[TrajectoryRecord]) -> Iterator[Span]:
    for trajectory in trajectories:
        yield trajectory.started_at, trajectory.started_at + trajectory.seconds
