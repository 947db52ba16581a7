"""Admission control: how many requests are in work, and how many may wait."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rsd.gateway.errors import GatewayError
from rsd.gateway.metrics import GatewayMetrics

_LONGEST_RETRY_S = 60


class Admission:
    """Admits `slots` requests at a time; `queue` more wait in order, and others are refused."""

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
        self._waiting += 1
        try:
            with self._metrics.waiting.track_inprogress():
                await self._free.acquire()
        finally:
            self._waiting -= 1
        begun = time.perf_counter()
        self._metrics.queue_seconds.observe(begun - arrived)
        try:
            with self._metrics.running.track_inprogress():
                yield
        finally:
            self._free.release()
            self._mean_s += 0.1 * (time.perf_counter() - begun - self._mean_s)

    def _retry_s(self) -> int:
        """Seconds until a slot should be free for a client that comes back."""
        seconds = self._mean_s * (self._waiting + 1) / self._slots
        return max(1, min(_LONGEST_RETRY_S, math.ceil(seconds)))
