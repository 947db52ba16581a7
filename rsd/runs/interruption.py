"""What Ctrl-C does to a run: once, no further problem begins; twice, those in flight end too."""

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

_LOOK_S = 0.2


class Interruption:
    """The problems in flight, and how Ctrl-C ends them.

    The first Ctrl-C ends the task that begins them, and those in flight finish; unless some
    wait for a server, as `waiting_for` tells then or later: nobody knows for how long, and all are
    dropped. The second cancels them, and their requests
    with them. Further ones act as they would without it.
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
        """Listen to Ctrl-C (SIGINT) while the block lasts; does nothing outside the main thread,
        which alone hears it."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(before):
            yield
            return
        loop = asyncio.get_running_loop()

        def hear(number: int, frame: FrameType | None) -> None:
            if self.happened:
                signal.signal(number, before)
                loop.call_soon_threadsafe(self._drop)
            else:
                self.happened = True
                loop.call_soon_threadsafe(self._finish)

        signal.signal(signal.SIGINT, hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _finish(self) -> None:
        if self._beginning is not None:
            self._beginning.cancel()
        if self._in_flight and not self._waiting_for():
            log.warning("interrupted: finishing %s; Ctrl-C again drops them", self._solutions())
        self._look()

    def _look(self) -> None:
        """Drop all when one waits for a server, now or later."""
        if not self._in_flight:
            return
        if reason := self._waiting_for():
            log.warning("interrupted: dropping %s, since one waits: %s", self._solutions(), reason)
            self._drop()
        else:
            asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _solutions(self) -> str:
        count = len(self._in_flight)
        return f"the {count} solutions in flight" if count > 1 else "the solution in flight"

    def _drop(self) -> None:
        self.has_dropped = True
        for task in self._in_flight:
            task.cancel()
