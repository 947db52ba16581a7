"""An event loop whose clock jumps: what sleeps for an hour is done at once, in the right order.

    run(main())   as `asyncio.run`, and `asyncio.get_running_loop().time()` is the virtual time

Time passes only while every task waits for a timer, so that a simulation takes as long as its
Python and gives the same figures each time. Only timers and tasks are simulated: a thread or a
socket that a task waits for does not hold the clock.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` from time 0. Raises `RuntimeError` when all tasks wait for each other."""
    with asyncio.Runner(loop_factory=_VirtualTimeLoop) as runner:
        return runner.run(main)


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._selector = _Jumping()
        super().__init__(self._selector)

    def time(self) -> float:
        return self._selector.now


class _Jumping(selectors.SelectSelector):
    """Where the loop would wait for the next timer, its time has come instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing is left that could wake a task: they wait for each other")
        self.now += max(0.0, timeout)
        return super().select(0)
