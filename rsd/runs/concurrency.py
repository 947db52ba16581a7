"""How many problems are in flight: a number, or `auto`, which follows the servers.

`auto` looks at the servers' own metrics every few seconds. It doubles the number of problems while
that makes the run faster, stops where it no longer does or where requests wait at a server, and
never lets in more than the smallest KV cache holds, so that every problem finds its prefix cached
when it comes back. No answer depends on it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from rsd.backends import ServerMetrics
from rsd.errors import RsdError
from rsd.types import Role, Step

log = logging.getLogger(__name__)

START = 32
"""Problems in flight to begin with, and throughout where a server does not tell its load."""

INTERVAL_S = 2.0
GAIN = 1.1  # of the speed, below which twice as many problems are not worth it
CACHE_SHARE = 0.9  # of the smallest KV cache that the problems in flight may fill
WINDOW = 3  # steps of each problem in flight over which the speed is taken


class Places:
    """Places for problems in flight: at most `limit` (>= 1) are taken, and `peak` ever were.

    It also counts what the problems do: `steps` decided, and how many tokens a problem holds in a
    KV cache.
    """

    def __init__(self, limit: int) -> None:
        self.taken = self.peak = self.steps = 0
        self._limit = limit
        self._tokens = 0.0
        self._candidates = 1
        self._changed = asyncio.Event()

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        """A lower limit takes no place away: who has one keeps it to the end."""
        self._limit = value
        self._changed.set()

    async def take(self) -> None:
        """Wait for a place. One caller at a time."""
        while self.taken >= self._limit:
            self._changed.clear()
            await self._changed.wait()
        self.taken += 1
        self.peak = max(self.peak, self.taken)

    def give_back(self) -> None:
        self.taken -= 1
        self._changed.set()

    def count(self, step: Step) -> None:
        """One more step is decided."""
        usage = step.completion.usage
        read = step.score.usage.prompt_tokens - step.score.extra_tokens if step.score else 0
        length = max(usage.prompt_tokens + usage.completion_tokens, read)
        self.steps += 1
        share = 1 / min(self.steps, 256)  # of the newest step in the mean: the last few hundred
        self._tokens += (length - self._tokens) * share
        self._candidates = max(self._candidates, step.candidate + 1)

    @property
    def requests_each(self) -> int:
        """Requests that a problem has at a server at the same time: one a candidate."""
        return self._candidates

    @property
    def tokens_each(self) -> float:
        """Tokens that a problem in flight holds: the mean length of prompt and response lately,
        as often as the strategy has candidates, who may share less than all of it."""
        return self._tokens * self._candidates


@dataclass(frozen=True, slots=True)
class Load:
    """How the `servers` of one role that are not lost are doing, together: requests that wait,
    preemptions since the start, and the tokens that their KV caches hold (None: unknown)."""

    waiting: int = 0
    preemptions: int = 0
    cache_tokens: int | None = None
    servers: int = 1

    @classmethod
    def of(cls, looks: Sequence[ServerMetrics]) -> Load:
        capacities = [look.cache_tokens for look in looks]
        known = [tokens for tokens in capacities if tokens is not None]
        return cls(
            waiting=sum(look.waiting for look in looks),
            preemptions=sum(look.preemptions for look in looks),
            cache_tokens=sum(known) if len(known) == len(capacities) else None,
            servers=len(looks),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """The run and its servers at a moment. `seconds` is a clock, `steps` a count since the start,
    `in_flight`, `tokens_each` and `requests_each` are of `Places`; one `Load` a role."""

    seconds: float
    steps: int
    in_flight: int
    tokens_each: float
    loads: Sequence[Load]
    requests_each: int = 1

    @property
    def waiting(self) -> int:
        """How many problems' worth of requests wait at the server where most do."""
        return max((load.waiting for load in self.loads), default=0) // self.requests_each


class Controller:
    """From looks to the number of problems in flight: `limit`, in [1, most].

    `observe` depends on the looks alone. What the caches hold bounds the number at every look.
    The rest is decided at the end of a window, in which each problem in flight has done some
    steps; the first of them do not count, since the problems just let in are at their beginning.

    - A server preempted a request: a quarter fewer, and never more again.
    - Some problems' requests waited at every look: as many fewer problems, at most half, and never
      more again. They can as well wait here, unless it is slower then: back, and no fewer again.
    - It is not faster than the last window, before the number was doubled: back to that, and never
      more again.
    - Otherwise: twice as many.
    """

    def __init__(self, most: int, start: int = START) -> None:
        self.limit = self._wanted = max(1, min(start, most))
        self._most = most
        self._settled = False
        self._lowered: tuple[int, float] | None = None  # as `_before`, for a queue
        self._low_enough = False
        self._before: tuple[int, float] | None = None  # the last number, and its steps a second
        self._last_count: tuple[int, int] | None = None  # of servers, and of their preemptions
        self._window: list[Look] = []

    def observe(self, look: Look) -> int:
        """The number of problems from now on."""
        if self._has_preempted(look):
            self._settle(min(self._wanted, self.limit) * 3 // 4)
        elif look.in_flight < self.limit:  # it ends, or has only begun: no measure of the limit
            self._window.clear()
        else:
            self._watch(look)
        self.limit = max(1, min(self._wanted, _held(look)))
        return self.limit

    def _has_preempted(self, look: Look) -> bool:
        """Whether a server did since the last look. A replica that is back brings old counts."""
        servers = sum(load.servers for load in look.loads)
        preemptions = sum(load.preemptions for load in look.loads)
        before, self._last_count = self._last_count, (servers, preemptions)
        return before is not None and before[0] == servers and before[1] < preemptions

    def _watch(self, look: Look) -> None:
        self._window.append(look)
        first = self._window[0]
        done = [it for it in self._window if it.steps - first.steps >= self.limit]
        if not done or look.steps - done[0].steps < WINDOW * self.limit:
            return
        if first.in_flight > self.limit:  # who was in flight before it was lowered still is
            self._window.clear()
            return
        queue = min(it.waiting for it in self._window)
        speed = (look.steps - done[0].steps) / (look.seconds - done[0].seconds)
        self._window.clear()
        if self._lowered is not None and GAIN * speed < self._lowered[1]:
            self._settle(self._lowered[0])
            self._lowered, self._low_enough = None, True
        elif queue and not self._low_enough:
            self._lowered = (self.limit, speed)
            self._settle(max(self.limit - queue, self.limit // 2))
        elif self._settled or self.limit < self._wanted:
            return
        elif self._before is not None and speed < GAIN * self._before[1]:
            self._settle(self._before[0])
        else:
            self._before = (self.limit, speed)
            self._wanted = min(2 * self.limit, self._most)

    def _settle(self, number: int) -> None:
        self._wanted, self._settled = max(1, number), True
        self._window.clear()


def _held(look: Look) -> int:
    """How many problems the smallest KV cache holds."""
    capacities = [load.cache_tokens for load in look.loads if load.cache_tokens is not None]
    if not capacities or look.tokens_each < 1:
        return 1 << 30
    return int(CACHE_SHARE * min(capacities) / look.tokens_each)


@asynccontextmanager
async def places(
    concurrency: Literal["auto"] | int,
    most: int,
    read: Callable[[], Awaitable[Mapping[Role, Sequence[ServerMetrics]] | None]],
) -> AsyncIterator[Places]:
    """Places for `concurrency` problems; with `auto` their number follows the servers while the
    block lasts, up to `most`.

    `read` looks at the servers of each role, and gives None where one of them does not tell its
    load; what it raises of rsd's errors costs a look. The number stays at `START` until it tells.
    """
    if concurrency != "auto":
        yield Places(concurrency)
        return
    controller = Controller(most)
    taken = Places(controller.limit)
    steering = asyncio.create_task(_steer(taken, controller, read))
    try:
        yield taken
    finally:
        steering.cancel()
        with suppress(asyncio.CancelledError):
            await steering


async def _steer(
    taken: Places,
    controller: Controller,
    read: Callable[[], Awaitable[Mapping[Role, Sequence[ServerMetrics]] | None]],
) -> None:
    while True:
        await asyncio.sleep(INTERVAL_S)
        try:
            looks = await read()
            if looks is None:
                return
            taken.limit = controller.observe(_look(taken, looks))
        except RsdError:
            pass
        except Exception:  # what only counts ends no run
            log.debug("a look at the servers failed", exc_info=True)


def _look(taken: Places, looks: Mapping[Role, Sequence[ServerMetrics]]) -> Look:
    return Look(
        seconds=time.monotonic(),
        steps=taken.steps,
        in_flight=taken.taken,
        tokens_each=taken.tokens_each,
        loads=[Load.of(servers) for servers in looks.values()],
        requests_each=taken.requests_each,
    )
