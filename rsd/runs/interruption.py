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

    The first Ctrl-C ends the task that begins them, and those in flight finish; unless they wait
    for a server, as `is_waiting` tells then or later. The second cancels them, and their requests
    with them. Further ones act as they would without it.
    """

    def __init__(self, is_waiting: Callable[[], bool] = lambda: False) -> None:
        self.happened = False
        self._is_waiting = is_waiting
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
        if self._in_flight and not self._is_waiting():
            count = len(self._in_flight)
            what = f"the {count} solutions" if count > 1 else "the solution"
            log.warning("interrupted: finishing %s in flight; Ctrl-C again drops them", what)
        self._look()

    def _look(self) -> None:
        """Drop what waits for a server, now or later: nobody knows when it is back."""
        if self._is_waiting():
            self._drop()
        elif self._in_flight:
            asyncio.get_running_loop().call_later(_LOOK_S, self._look)

    def _drop(self) -> None:
        for task in self._in_flight:
            task.cancel()
