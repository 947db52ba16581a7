"""How many requests are worked on, how many may wait, and when to come back."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from rsd.gateway.errors import GatewayError
from rsd.gateway.metrics import GatewayMetrics

_LONGEST_RETRY_S = 60


class Admission:
    """`slots` requests at a time, `queue` more may wait, in order; any further is refused."""

    def __init__(self, slots: int, queue: int, metrics: GatewayMetrics) -> None:
        self._free = asyncio.Semaphore(slots)
        self._slots = slots
        self._queue = queue
        self._waiting = 0
        self._mean_s = 1.0  # of recent requests
        self._metrics = metrics

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot. Raises `GatewayError` (429, with `Retry-After`) when the queue is full."""
        if self._free.locked() and self._waiting >= self._queue:
            raise GatewayError(
                429,
                f"{self._slots} requests are in work and {self._waiting} wait; try again later",
                code="queue_full",
                headers={"Retry-After": str(self._retry_s())},
            )
        arrived = time.perf_counter()
        with self._wait():
            await self._free.acquire()
        begun = time.perf_counter()
        self._metrics.queue_seconds.observe(begun - arrived)
        self._metrics.running.inc()
        try:
            yield
        finally:
            self._metrics.running.dec()
            self._free.release()
            self._mean_s += 0.1 * (time.perf_counter() - begun - self._mean_s)

    @contextmanager
    def _wait(self) -> Iterator[None]:
        self._waiting += 1
        self._metrics.waiting.inc()
        try:
            yield
        finally:
            self._waiting -= 1
            self._metrics.waiting.dec()

    def _retry_s(self) -> int:
        """Whole seconds until a slot should be free for one who comes back."""
        seconds = self._mean_s * (self._waiting + 1) / self._slots
        return max(1, min(_LONGEST_RETRY_S, math.ceil(seconds)))
