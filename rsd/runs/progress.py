"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from rsd.records import GradeRecord, TrajectoryRecord
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.shares import rounded_percent

_PLAIN_INTERVAL_S = 15.0


class Progress:
    """Counts finished problems; shows accuracy, the target's share of the steps, response tokens
    per second, and how many problems are in flight.

    With several `samples` of each problem it counts samples, not problems.

    `done` are the results of earlier sessions; they count for all but the speed. No speed is shown
    if the step cache answered.
    """

    def __init__(
        self,
        total: int,
        done: Iterable[tuple[TrajectoryRecord, GradeRecord]],
        limiter: ConcurrencyLimiter,
        *,
        label: str,
        samples: int = 1,
    ) -> None:
        self._graded = self._right = self._errors = 0
        self._steps = self._by_target = self._tokens = 0
        self._from_cache = False
        self._start = self._last_line = time.monotonic()
        self._label = label
        self._unit = "sample" if samples > 1 else "problem"
        self._limiter = limiter
        self._terminal = sys.stderr.isatty()
        self._redirected = ExitStack()
        with suppress(Exception):  # a display error ends no run
            for trajectory, grade in done:
                self._count(trajectory, grade)
        self._tokens = 0
        self._from_cache = False
        self._total = total
        self._bar = tqdm(
            total=total,
            initial=self._graded,
            desc=label,
            unit=self._unit,
            disable=not self._terminal,
            dynamic_ncols=True,
        )

    def __call__(self, trajectory: TrajectoryRecord, grade: GradeRecord) -> None:
        """One more problem is finished and graded."""
        self._count(trajectory, grade)
        self._bar.set_postfix_str(self._summary(), refresh=False)
        self._bar.update()
        finished = self._graded == self._total
        if not self._terminal and (finished or self._line_is_due()):
            self._last_line = time.monotonic()
            print(
                f"{self._label}: {self._graded}/{self._total} {self._unit}s, {self._summary()}",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> Self:
        if self._terminal:  # warnings go above the bar, not into it
            self._redirected.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(Exception):  # such as a closed terminal
            self._bar.close()
            self._redirected.close()

    def _count(self, trajectory: TrajectoryRecord, grade: GradeRecord) -> None:
        self._graded += 1
        self._right += grade.correct is True
        self._errors += trajectory.error is not None
        for step in trajectory.steps:
            self._from_cache |= step.from_cache
            if step.accepted:
                self._steps += 1
                self._by_target += step.source == "target"
                self._tokens += step.tokens

    def _without_failures(self) -> str:
        finished = self._graded - self._errors
        share = rounded_percent(self._right / finished, 1) if finished else None
        return f" ({share}% right without them)" if share else ""

    def _summary(self) -> str:
        parts = [f"accuracy {rounded_percent(self._right / self._graded, 1)}%"]
        if self._steps:
            parts.append(f"{rounded_percent(self._by_target / self._steps, 1)}% of steps by target")
        if not self._from_cache:
            seconds = time.monotonic() - self._start
            parts.append(f"{self._tokens / max(seconds, 1e-9):,.0f} tokens/s")
        if self._limiter.in_flight:
            parts.append(f"{self._limiter.in_flight} in flight")
        if self._errors:
            parts.append(f"{self._errors} failed{self._without_failures()}")
        return ", ".join(parts)

    def _line_is_due(self) -> bool:
        return time.monotonic() - self._last_line >= _PLAIN_INTERVAL_S
