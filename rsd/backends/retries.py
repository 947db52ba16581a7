"""Asking again: how long to wait before it, and what it has cost a problem.

Every request of rsd may be repeated. A server keeps nothing of it but its prefix cache, and a step
is decided only after its answer is read: what was never read has decided nothing.
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
class Setbacks:
    """What servers have cost a problem: requests that were asked again, and the seconds that
    went into attempts without an answer and into waiting, summed over its requests."""

    retries: int = 0
    seconds: float = 0.0


_noted: ContextVar[Setbacks | None] = ContextVar("setbacks", default=None)


@contextmanager
def noting(setbacks: Setbacks) -> Iterator[None]:
    """Add to `setbacks` those of what is asked within the block, by tasks begun in it too."""
    token = _noted.set(setbacks)
    try:
        yield
    finally:
        _noted.reset(token)


def note(*, retries: int = 0, seconds: float = 0.0) -> None:
    """Tell of a request that is asked again, or of lost time. Of no effect outside `noting`."""
    setbacks = _noted.get()
    if setbacks is not None:
        setbacks.retries += retries
        setbacks.seconds += seconds
