"""Runs the points of a sweep one after the other; each is an ordinary run directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsd.backends import StepStore
from rsd.config import Config, Sweep, SweepPoint
from rsd.errors import RsdError, StoreError, first_error
from rsd.runs.execute import execute, pending


@dataclass(frozen=True, slots=True)
class PointOutcome:
    """The result of a point: how many solutions `failed`, with their `most_frequent_error`, or the
    `error` that stopped its run as a whole."""

    point: SweepPoint
    failed: int = 0
    most_frequent_error: str = ""
    error: str | None = None

    @property
    def ok(self) -> bool:
        return not self.failed and self.error is None


def pending_by_point(sweep: Sweep) -> list[tuple[SweepPoint, int | None]]:
    """How many solutions are pending for each point; None if its directory cannot be read.

    Raises `ConfigError` when a benchmark cannot be loaded. No server is asked.
    """
    return [(point, _pending(point)) for point in sweep.points]


def execute_sweep(
    sweep: Sweep, prepare: Callable[[Config], None], announce: Callable[[str], None]
) -> Iterator[PointOutcome]:
    """Run, or resume, the points one after the other; yield the outcome of each.

    `prepare` is called with the configuration of each point that has something to decode, to start
    its servers; an `RsdError` that it raises fails that point. A failed point does not stop the
    others; Ctrl-C does (`KeyboardInterrupt`). Raises, before the first request, `ConfigError` when
    a benchmark cannot be loaded, and `StoreError` for a damaged step cache.
    """
    points = pending_by_point(sweep)
    for file in {point.config.step_cache for point, count in points if count != 0}:
        if file is not None:
            StepStore(file).close()
    for number, (point, count) in enumerate(points, start=1):
        where = f"[{number}/{len(points)}] {point.label}"
        state = {0: "done", None: "cannot be read"}.get(count, f"{count} to solve")
        announce(f"{where}: {state}")
        outcome = _execute(point, prepare if count else None)
        if outcome.error:
            announce(f"{where}: failed: {outcome.error}")
        yield outcome


def _pending(point: SweepPoint) -> int | None:
    try:
        return len(pending(point.config, point.directory))
    except StoreError:
        return None


def _execute(point: SweepPoint, prepare: Callable[[Config], None] | None) -> PointOutcome:
    try:
        if prepare is not None:
            prepare(point.config)
        outcome = asyncio.run(execute(point.config, point.directory))
    except RsdError as error:
        return PointOutcome(point, error=str(error))
    except ExceptionGroup as group:
        return PointOutcome(point, error=str(first_error(group)))
    if outcome.interrupted:
        raise KeyboardInterrupt
    return PointOutcome(point, outcome.failed, outcome.most_frequent_error)
