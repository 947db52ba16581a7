"""Retries: the pause before one, and the retry statistics of a problem.

Every request may be repeated: it changes nothing at a server but its prefix cache, and a step is
decided only after its answer is read.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds: `first_s`, twice as long each time, at most `most_s`. Each is shortened
    by a random share up to `jitter`, so that what failed together does not return together."""

    first_s: float
    most_s: float
    jitter: float = 0.5

    def pause(self, number: int) -> float:
        """The pause before repetition `number`, from 0."""
        longest = min(self.most_s, self.first_s * 2.0 ** min(number, 64))
        return longest * (1 - self.jitter * random.random())  # noqa: S311 - no secret


@dataclass(slots=True)
class RetryStatistics:
    """The number of `retries` of a problem's requests, and the `seconds` spent in attempts without
    an answer and in waiting, summed over its requests."""

    retries: int = 0
    seconds: float = 0.0


_statistics: ContextVar[RetryStatistics | None] = ContextVar("retry_statistics", default=None)


@contextmanager
def counting_retries(statistics: RetryStatistics) -> Iterator[None]:
    """Add the retries of requests in the block, and in tasks started in it, to `statistics`."""
    token = _statistics.set(statistics)
    try:
        yield
    finally:
        _statistics.reset(token)


def note(*, retries: int = 0, seconds: float = 0.0) -> None:
    """Record a retry or lost time; no effect outside `counting_retries`."""
    statistics = _statistics.get()
    if statistics is not None:
        statistics.retries += retries
        statistics.seconds += seconds
