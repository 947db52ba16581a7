"""The concurrency limiter: how many problems are in flight at a time.

`run.concurrency` is a number, or `auto`, which follows what the servers report at /metrics: no
more problems than the smallest KV cache holds, so that each finds its prefix cached when it comes
back, and no more than the servers work on without a queue. No answer depends on the number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from rsd.backends import ServerMetrics
from rsd.errors import RsdError
from rsd.types import Role, Step

log = logging.getLogger(__name__)

START = 32
"""The limit to begin with, and throughout where the servers do not report their load."""

INTERVAL_S = 2.0
CACHE_SHARE = 0.9  # of the smallest KV cache that the problems in flight may fill
STEPS_EACH = 3  # steps that each problem in flight decides before the limit is raised

ReadMetrics = Callable[[], Awaitable[Mapping[Role, Sequence[ServerMetrics]] | None]]


class ConcurrencyLimiter:
    """Lets at most `limit` (>= 1) problems be in flight; `peak` is the most that ever were.

    It also counts the `steps` that the problems decide, and estimates how much of a server one
    problem uses.
    """

    def __init__(self, limit: int) -> None:
        self.in_flight = self.peak = self.steps = 0
        self._limit = limit
        self._mean_tokens = 0.0
        self._candidates = 1
        self._changed = asyncio.Event()

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        """Problems already in flight continue when the limit falls below their number."""
        self._limit = value
        self._changed.set()

    async def acquire(self) -> None:
        """Wait until another problem may begin. One caller at a time."""
        while self.in_flight >= self._limit:
            self._changed.clear()
            await self._changed.wait()
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)

    def release(self) -> None:
        self.in_flight -= 1
        self._changed.set()

    def count(self, step: Step) -> None:
        """Count one decided step."""
        usage = step.completion.usage
        scored = step.score.usage.prompt_tokens - step.score.extra_tokens if step.score else 0
        length = max(usage.prompt_tokens + usage.completion_tokens, scored)
        self.steps += 1
        share = 1 / min(self.steps, 256)  # the mean covers the last few hundred steps
        self._mean_tokens += (length - self._mean_tokens) * share
        self._candidates = max(self._candidates, step.candidate + 1)

    @property
    def requests_each(self) -> int:
        """Requests that one problem sends to a server at the same time: one per candidate."""
        return self._candidates

    @property
    def tokens_each(self) -> float:
        """Tokens that one problem holds in a KV cache: the recent mean length of prompt and
        response, times the number of candidates, which may share less than all of it."""
        return self._mean_tokens * self._candidates


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """The run and its servers at one moment. Of the run: problems `in_flight`, `steps` decided
    since its start, and what each problem uses. Of the servers: problems whose requests are
    `queued` at the busiest one, the tokens that the smallest KV cache holds (None: unknown), and
    `preemptions` since each of the `servers` started."""

    in_flight: int
    steps: int = 0
    tokens_each: float = 0.0
    queued: int = 0
    cache_tokens: int | None = None
    servers: int = 1
    preemptions: int = 0

    @classmethod
    def of(
        cls, limiter: ConcurrencyLimiter, metrics: Mapping[Role, Sequence[ServerMetrics]]
    ) -> LoadSnapshot:
        everyone = [server for servers in metrics.values() for server in servers]
        waiting = [sum(server.waiting for server in servers) for servers in metrics.values()]
        caches = [
            sum(server.cache_tokens or 0 for server in servers)
            for servers in metrics.values()
            if all(server.cache_tokens is not None for server in servers)
        ]
        return cls(
            in_flight=limiter.in_flight,
            steps=limiter.steps,
            tokens_each=limiter.tokens_each,
            queued=max(waiting, default=0) // limiter.requests_each,
            cache_tokens=min(caches, default=None),
            servers=len(everyone),
            preemptions=sum(server.preemptions for server in everyone),
        )


class AutoLimit:
    """Computes the limit, in [1, `most`], from load snapshots and nothing else.

    The limit never exceeds what the smallest KV cache holds. It doubles when each problem in
    flight has decided some steps and no request was queued throughout. If requests were queued
    throughout, it falls by as many problems, but not below `START`: they can wait here as well.
    If a server preempted a request, it falls by a quarter. After falling it never rises again
    above where it fell to.
    """

    def __init__(self, most: int) -> None:
        self.limit = self._wanted = max(1, min(START, most))
        self._ceiling = most
        self._last: LoadSnapshot | None = None
        self._window: list[LoadSnapshot] = []

    def observe(self, load: LoadSnapshot) -> int:
        """Return the limit from now on."""
        if self._has_preempted(load):
            self._lower(self.limit * 3 // 4)
        elif load.in_flight != self.limit:  # the run begins or ends, or the limit has just fallen
            self._window.clear()
        else:
            self._window.append(load)
            if load.steps - self._window[0].steps >= STEPS_EACH * self.limit:
                self._adjust(min(each.queued for each in self._window))
        self._last = load
        self.limit = max(1, min(self._wanted, self._ceiling, _cache_bound(load)))
        return self.limit

    def _has_preempted(self, load: LoadSnapshot) -> bool:
        """Whether a server did so since the last snapshot. A server that is back after a loss
        brings its old count with it."""
        last = self._last
        return (
            last is not None
            and last.servers == load.servers
            and last.preemptions < load.preemptions
        )

    def _adjust(self, queued: int) -> None:
        if queued:
            self._lower(max(self.limit - queued, min(START, self.limit)))
        else:
            self._wanted = min(2 * self.limit, self._ceiling)
        self._window.clear()

    def _lower(self, limit: int) -> None:
        self._wanted = self._ceiling = max(1, limit)
        self._window.clear()


def _cache_bound(load: LoadSnapshot) -> int:
    """How many problems the smallest KV cache holds."""
    if load.cache_tokens is None or load.tokens_each < 1:
        return 1 << 30
    return int(CACHE_SHARE * load.cache_tokens / load.tokens_each)


@asynccontextmanager
async def concurrency_limiter(
    concurrency: Literal["auto"] | int, most: int, read_metrics: ReadMetrics
) -> AsyncIterator[ConcurrencyLimiter]:
    """A limiter of `concurrency` problems; with `auto`, of up to `most`, adjusted to the servers
    while the block lasts.

    `read_metrics` returns the metrics of each role's servers, or None if one does not report
    them; the limit then stays at `START`. If it raises an `RsdError`, that reading is skipped.
    """
    if concurrency != "auto":
        yield ConcurrencyLimiter(concurrency)
        return
    auto = AutoLimit(most)
    limiter = ConcurrencyLimiter(auto.limit)
    adjusting = asyncio.create_task(_adjust(limiter, auto, read_metrics))
    try:
        yield limiter
    finally:
        adjusting.cancel()
        with suppress(asyncio.CancelledError):
            await adjusting


async def _adjust(limiter: ConcurrencyLimiter, auto: AutoLimit, read_metrics: ReadMetrics) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        try:
            metrics = await read_metrics()
            if metrics is None:
                return
            limiter.limit = auto.observe(LoadSnapshot.of(limiter, metrics))
        except RsdError:
            pass
        except Exception:  # a failed measurement ends no run
            log.debug("the servers' load cannot be read", exc_info=True)
