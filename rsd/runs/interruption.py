"""Ctrl-C during a run: the first starts no further problem, the second drops those in flight."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)

_CHECK_S = 0.2


class Interruption:
    """The problems in flight, and how Ctrl-C ends them.

    After the first Ctrl-C no further problem starts, and those in flight finish; if one waits for
    a server, then or later, as `waiting_for` reports, all are dropped. The second Ctrl-C cancels
    them and their requests. Further ones have their normal effect.
    """

    def __init__(self, waiting_for: Callable[[], str | None] = lambda: None) -> None:
        self.happened = False
        self.has_dropped = False
        self._waiting_for = waiting_for
        self._beginning: asyncio.Task[None] | None = None
        self._in_flight: set[asyncio.Task[None]] = set()

    def begin_in(self, group: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`, which starts all problems with `add_to`."""
        self._beginning = group.create_task(work)
        if self.happened:
            self._beginning.cancel()

    def add_to(self, group: asyncio.TaskGroup, problem: Coroutine[Any, Any, None]) -> None:
        """Start one problem."""
        task = group.create_task(problem)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    @contextmanager
    def by_signal(self) -> Iterator[None]:
        """Handle Ctrl-C (SIGINT) while the block lasts. Does nothing outside the main thread, which
        alone receives signals."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            yield
            return
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:
            if self.happened:
                signal.signal(number, before)
                loop.call_soon_threadsafe(self._drop)
            else:
                self.happened = True
                loop.call_soon_threadsafe(self._finish)

        signal.signal(signal.SIGINT, handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _finish(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        if self._in_flight and not self._waiting_for():
            log.warning("interrupted: finishing %s; Ctrl-C again drops them", self._solutions())
        self._drop_if_waiting()

    def _drop_if_waiting(self) -> None:
        """Drop all problems if one waits for a server; otherwise check again later."""
        if not self._in_flight:
            return
        if reason := self._waiting_for():
            log.warning("interrupted: dropping %s, since one waits: %s", self._solutions(), reason)
            self._drop()
        else:
            asyncio.get_running_loop().call_later(_CHECK_S, self._drop_if_waiting)

    def _solutions(self) -> str:
        count = len(self._in_flight)
        return f"the {count} solutions in flight" if count > 1 else "the solution in flight"

    def _drop(self) -> None:
        self.has_dropped = True
        for task in self._in_flight:
            task.cancel()
