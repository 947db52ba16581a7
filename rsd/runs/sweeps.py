"""The points of a sweep, one run after the other; each is an ordinary run directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rsd.backends import StepStore
from rsd.config import Config, Sweep, SweepPoint
from rsd.errors import RsdError, StoreError
from rsd.runs.execute import Outcome, execute, owed


@dataclass(frozen=True, slots=True)
class PointOutcome:
    """What a point has come to: `failed` solutions, with the error that came `most_often`, or the
    `error` that stopped its run as a whole."""

    point: SweepPoint
    failed: int = 0
    most_often: str = ""
    error: str | None = None

    @property
    def ok(self) -> bool:
        return not self.failed and self.error is None


def debts(sweep: Sweep) -> list[tuple[SweepPoint, int | None]]:
    """How many solutions each point owes; None where its directory cannot be read.

    Raises `ConfigError` when a benchmark cannot be loaded. No server is asked.
    """
    return [(point, _debt(point)) for point in sweep.points]


def execute_sweep(
    sweep: Sweep, prepare: Callable[[Config], None], announce: Callable[[str], None]
) -> Iterator[PointOutcome]:
    """Run, or resume, the points one after the other; yield what each has come to.

    `prepare` is called with the configuration of a point that has something to decode, to see to
    its servers; what it raises of rsd's errors fails that point. A failed point does not stop the
    others; Ctrl-C does (`KeyboardInterrupt`). Raises, before the first request, `ConfigError` when
    a benchmark cannot be loaded, and `StoreError` for a damaged step cache.
    """
    points = debts(sweep)
    for file in {point.config.step_cache for point, debt in points if debt != 0}:
        if file is not None:
            StepStore(file).close()
    for number, (point, debt) in enumerate(points, start=1):
        where = f"[{number}/{len(points)}] {point.label}"
        announce(f"{where}: {'done' if debt == 0 else f'{debt} to solve'}")
        outcome = _execute(point, prepare if debt else _nothing)
        if outcome.error:
            announce(f"{where}: failed: {outcome.error}")
        yield outcome


def _debt(point: SweepPoint) -> int | None:
    try:
        return len(owed(point.config, point.directory))
    except StoreError:
        return None


def _execute(point: SweepPoint, prepare: Callable[[Config], None]) -> PointOutcome:
    try:
        outcome = _run(point, prepare)
    except RsdError as error:
        return PointOutcome(point, error=str(error))
    return PointOutcome(point, outcome.failed, outcome.most_often)


def _run(point: SweepPoint, prepare: Callable[[Config], None]) -> Outcome:
    prepare(point.config)
    try:
        outcome = asyncio.run(execute(point.config, point.directory))
    except ExceptionGroup as group:  # of a TaskGroup; anything but rsd's own is a defect
        ours, defects = group.split(RsdError)
        if ours is None or defects is not None:
            raise
        raise _first_leaf(ours) from group
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome


def _first_leaf(group: ExceptionGroup[RsdError]) -> RsdError:
    first = group.exceptions[0]
    return _first_leaf(first) if isinstance(first, ExceptionGroup) else first


def _nothing(config: Config) -> None:
    """No server is needed."""
