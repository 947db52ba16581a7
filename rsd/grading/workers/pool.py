"""Grading in worker processes: a pool shared by the whole process, and pools of a run's own."""

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
from functools import partial
from typing import Any, Self

from rsd.grading.decision import decide
from rsd.grading.reply.extract import MAX_SCANNED
from rsd.grading.verdict import Options, Verdict
from rsd.grading.workers.client import START_SECONDS, Job, Worker, WorkerCrash, WorkerTimeout
from rsd.kinds import AnswerKind, kind_of

CALL_SECONDS = 4.3  # the longest synchronous call, the start of a worker included
_RUNNING = max(2, min(8, os.cpu_count() or 2))


class Workers:
    """Worker processes, at most `running` of them at work at a time. Thread-safe."""

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
        """Wait until no job runs; inside the block only this thread's `run_alone` runs jobs."""
        with self._one_alone, ExitStack() as slots:
            for _ in range(self.running):
                slots.enter_context(self._slots)
            yield

    def run(self, job: Job, latest: float) -> dict[str, Any]:
        """Do one job by `latest` (monotonic seconds). Raises WorkerTimeout or WorkerCrash."""
        if not self._slots.acquire(timeout=max(0.0, latest - time.monotonic())):
            raise WorkerTimeout
        try:
            return self.run_alone(job, latest)
        finally:
            self._slots.release()

    def run_alone(self, job: Job, latest: float) -> dict[str, Any]:
        """`run` for a caller inside `alone`."""
        worker = self._take()
        try:
            if not worker.wait_ready(latest):
                raise WorkerTimeout
            return worker.ask(job, latest)
        finally:
            self._give_back(worker)

    def _take(self) -> Worker:
        """An idle worker that is still alive, or a new one."""
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
        """Keep the worker, or start the successor of one that is dead or worn out."""
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
    """The verdict on one response; a worker answers what cannot be decided without one.

    The worker has `seconds` for it, its start included. With `again`, a question that got no
    answer is asked once more, by itself, while no other job of `workers` runs: a busy machine or
    another hard question can then no longer delay it.
    """
    decision = decide(
        response[-MAX_SCANNED:], gold, task, kind or kind_of(task), options, with_paper
    )
    failure = ""

    def ask(run: Callable[[Job, float], dict[str, Any]], questions: Job) -> None:
        nonlocal failure
        try:
            decision.add(run(questions, time.monotonic() + seconds))
        except WorkerTimeout:
            failure = "timeout"
        except WorkerCrash:
            failure = "crash"

    if decision.questions:
        ask(workers.run, decision.questions)
    if decision.questions and again:
        with workers.alone():
            for name, arguments in list(decision.questions.items()):
                ask(workers.run_alone, {name: arguments})
    return decision.verdict(failure)


class GraderPool:
    """Grades many responses at once, on `workers` processes that start when first needed.

    A job that takes 3 s is killed with its process, and repeated once while no other job runs. If
    that fails too, the verdict is False, and `how` or `how_paper` says `timeout` or `crash`. Use it
    as an asynchronous or a plain context manager, or call `close`.
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
        graded = partial(
            verdict_on,
            response,
            gold,
            task,
            kind,
            options or Options(),
            workers=self._workers,
            seconds=START_SECONDS,
            again=True,
        )
        return await asyncio.get_running_loop().run_in_executor(self._threads, graded)

    def close(self) -> None:
        """Wait for the running jobs, drop the waiting ones, end the processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._workers.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
