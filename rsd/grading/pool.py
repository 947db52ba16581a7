"""Grading in worker processes: one pool for the whole process, and pools of one's own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from rsd.grading.client import START_SECONDS, Worker, WorkerCrash, WorkerTimeout
from rsd.grading.direct import decide_directly
from rsd.grading.extract import MAX_SCANNED
from rsd.grading.verdict import Options, Verdict
from rsd.kinds import AnswerKind, kind_of

CALL_SECONDS = 4.3  # the longest synchronous call, the start of a worker included
_RUNNING = max(2, min(8, os.cpu_count() or 2))


class Workers:
    """Idle workers in a stack; at most `running` are at work at a time. Thread-safe.

    Inside `alone` only jobs of that block are at work.
    """

    def __init__(self, running: int) -> None:
        self.running = running
        self._reset()
        _EVERY.add(self)

    def _reset(self) -> None:
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.running)
        self._one_alone = threading.Lock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no job is at work; inside, `run_alone` may be called by this thread."""
        with self._one_alone, ExitStack() as slots:
            for _ in range(self.running):
                slots.enter_context(self._slots)
            yield

    def run(self, job: list[Any], latest: float) -> dict[str, Any]:
        """One job on some worker, done by `latest`. Raises WorkerTimeout or WorkerCrash."""
        if not self._slots.acquire(timeout=max(0.0, latest - time.monotonic())):
            raise WorkerTimeout
        try:
            return self.run_alone(job, latest)
        finally:
            self._slots.release()

    def run_alone(self, job: list[Any], latest: float) -> dict[str, Any]:
        """`run` for a caller inside `alone`."""
        worker = self._take()
        try:
            if not worker.wait_ready(latest):
                raise WorkerTimeout
            return worker.ask(job, latest)
        finally:
            self._give_back(worker)

    def _take(self) -> Worker:
        """An idle worker; a new one where none is, or the system has killed those that were."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if not worker.gone:
                    return worker
                worker.forget()
                self._all.discard(worker)
            return self._started()

    def _started(self) -> Worker:
        worker = Worker()
        self._all.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        """Keep the worker; replace one that is gone or worn, so that its successor starts now."""
        with self._lock:
            closed = worker not in self._all
            if worker.worn or closed:
                worker.kill()
            if worker.gone:
                self._all.discard(worker)
                if closed or self._idle:
                    return
                worker = self._started()
            self._idle.append(worker)

    def close(self) -> None:
        """End every worker; a later job starts new ones."""
        with self._lock:
            for worker in self._all:
                worker.kill()
            self._all.clear()
            self._idle.clear()

    def disown(self) -> None:
        """After a fork, in the child: workers and locks belong to the parent."""
        for worker in self._all:
            worker.disown()
        self._reset()


_EVERY: weakref.WeakSet[Workers] = weakref.WeakSet()
_SHARED = Workers(_RUNNING)


@atexit.register
def _close_all() -> None:
    for workers in list(_EVERY):
        workers.close()


def _disown_all() -> None:
    for workers in list(_EVERY):
        workers.disown()


os.register_at_fork(after_in_child=_disown_all)


def verdict_on(
    response: str,
    gold: str,
    task: str,
    kind: AnswerKind | None,
    options: Options,
    *,
    workers: Workers = _SHARED,
    seconds: float = CALL_SECONDS,
    with_paper: bool = True,
    again: bool = False,
) -> Verdict:
    """The verdict on one response; a worker is asked for what cannot be decided without one.

    An answer of the worker may take `seconds`, its start included. With `again`, verdicts that did
    not come are asked for once more, each by itself, while no other job of `workers` runs: what was
    late on a busy machine is then in time, and one hard verdict does not cost the other.
    """
    kind = kind or kind_of(task)
    response = response[-MAX_SCANNED:]
    decision = decide_directly(response, gold, task, kind, options, with_paper)
    job = [response, gold, task, kind.value, asdict(options)]
    failure = ""

    def ask(run: Callable[[list[Any], float], dict[str, Any]], wanted: list[str]) -> None:
        nonlocal decision, failure
        try:
            decision = decision.joined(run([*job, wanted], time.monotonic() + seconds))
        except WorkerTimeout:
            failure = "timeout"
        except WorkerCrash:
            failure = "crash"

    if decision.undecided:
        ask(workers.run, decision.undecided)
    if decision.undecided and again:
        with workers.alone():
            for name in decision.undecided:
                ask(workers.run_alone, [name])
    return decision.verdict(failure)


class GraderPool:
    """Grades many responses at once, on `workers` processes that start when first needed.

    A job that takes 3 s is killed with its process, and repeated once while nothing else is at
    work. A verdict that is not reached then either is False, and `how` or `how_paper` says
    `timeout` or `crash`. Use it as an asynchronous or a plain context manager, or call `close`.
    """

    def __init__(self, workers: int = 2) -> None:
        self._workers = Workers(workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="grader")

    async def grade(
        self,
        response: str,
        gold: str,
        task: str,
        *,
        kind: AnswerKind | None = None,
        options: Options | None = None,
    ) -> Verdict:
        """Both verdicts on one response. Never raises for bad text; waits for a free worker."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._grade, response, gold, task, kind, options or Options()
        )

    def _grade(
        self, response: str, gold: str, task: str, kind: AnswerKind | None, options: Options
    ) -> Verdict:
        return verdict_on(
            response,
            gold,
            task,
            kind,
            options,
            workers=self._workers,
            seconds=START_SECONDS,
            again=True,
        )

    def close(self) -> None:
        """Wait for the jobs at work, drop those that wait, end the processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._workers.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
