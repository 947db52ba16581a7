"""Discarded candidates: written, but never yielded, because decoding ended before the decision: a
reward was refused, a server failed, or the caller stopped reading.

Their tokens count. `Response` records each candidate that was written; the caller of `decode`
collects those that no yielded step accounts for:

    with recording() as log:
        async for step in strategy.decode(query):
            steps.append(step)
    steps += log.discarded(steps)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from rsd.types import Source, Step


class CandidateLog:
    """The candidates written for the steps of one solution."""

    def __init__(self) -> None:
        self._steps: dict[tuple[int, Source, int], Step] = {}

    def add(self, step: Step) -> None:
        """Add a candidate, a rejected step; it replaces an earlier record of the same one."""
        self._steps[_place(step)] = step

    def discarded(self, yielded: Iterable[Step]) -> list[Step]:
        """Those whose index, source and candidate number no `yielded` step has."""
        decided = list(yielded)
        places = {_place(step) for step in decided}
        kept = {(step.index, step.candidate) for step in decided if step.accepted}
        return [
            replace(step, continues=None) if (step.index - 1, step.continues) in kept else step
            for place, step in self._steps.items()
            if place not in places
        ]


_log: ContextVar[CandidateLog | None] = ContextVar("candidates", default=None)


@contextmanager
def recording() -> Iterator[CandidateLog]:
    """Record the candidates of the one solution decoded within the block and in its tasks."""
    log = CandidateLog()
    token = _log.set(log)
    try:
        yield log
    finally:
        _log.reset(token)


def record(step: Step) -> None:
    """Record a candidate as a rejected step; no-op outside `recording`."""
    log = _log.get()
    if log is not None:
        log.add(step)


def _place(step: Step) -> tuple[int, Source, int]:
    return step.index, step.source, step.candidate
