"""The parent's side of a worker process: start, ask with a time limit, kill.

Plain `subprocess` on purpose: it also works inside daemonic `multiprocessing` children, which
may not have children of that module's making, and in any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rsd.errors import GradingError
from rsd.grading.workers.worker import JOB_SECONDS, LOADED, LOADING, READY, pack

JOBS_PER_WORKER = 500
START_SECONDS = 60.0
_ROOT = str(Path(__file__).resolve().parents[3])
# The packages are entered without running their __init__ files, and Python without its site
# packages' start-up hooks: a worker starts in a tenth of a second and imports no asyncio.
_START = """
import sys
from types import ModuleType
sys.path[:] = sys.argv[2:] + sys.path
for name, part in (("rsd", "/rsd"), ("rsd.grading", "/rsd/grading")):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [sys.argv[1] + part]
from rsd.grading.workers.worker import main
main()
"""
Job = dict[str, list[Any]]
"""Questions to a worker by verdict (`rsd.grading.workers.service`)."""
_KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")


class WorkerTimeout(Exception):
    """The worker did not answer in time, and was killed."""


class WorkerCrash(Exception):
    """The worker ended by itself: out of memory, or too deep a recursion."""


class Worker:
    """One worker process. Used by one thread at a time."""

    def __init__(self) -> None:
        paths = [_ROOT, *(path for path in sys.path if path)]
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        environment |= {"SYMPY_GROUND_TYPES": "python", "MPMATH_NOGMPY": "1"}
        self.jobs = 0
        self._ready = False
        self._buffer = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603 (a fixed command)
                [sys.executable, "-I", "-S", "-c", _START, *paths],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            raise GradingError(f"no grading worker: {sys.executable}: {error}") from error

    def wait_ready(self, deadline: float) -> bool:
        """Whether the process serves by `deadline` (monotonic seconds)."""
        if not self._ready:
            try:
                self._ready = self._receive(deadline) == READY
            except TimeoutError:
                return False
        return True

    def ask(self, job: Job, latest: float) -> dict[str, Any]:
        """The answer to one job, given `JOB_SECONDS` and at most until `latest`.

        Time that the worker spends on importing a library does not count as the job's. Raises
        WorkerTimeout or WorkerCrash; then the worker is gone.
        """
        self.jobs += 1
        deadline = min(latest, time.monotonic() + JOB_SECONDS)
        try:
            self._send(pack(job), deadline)
            answer = self._receive(deadline)
            while answer in (LOADING, LOADED):
                more = START_SECONDS if answer == LOADING else JOB_SECONDS
                answer = self._receive(min(latest, time.monotonic() + more))
        except TimeoutError as error:
            self.kill()
            raise WorkerTimeout from error
        except (OSError, ValueError, WorkerCrash) as error:
            self.kill()
            raise WorkerCrash from error
        assert isinstance(answer, dict)
        return answer

    def _send(self, data: bytes, deadline: float) -> None:
        assert self._process.stdin is not None
        fd = self._process.stdin.fileno()
        view = memoryview(data)
        while view:
            _wait(fd, select.POLLOUT, deadline)
            view = view[os.write(fd, view[: select.PIPE_BUF]) :]

    def _receive(self, deadline: float) -> Any:
        while True:
            if len(self._buffer) >= 4:
                (length,) = struct.unpack(">I", self._buffer[:4])
                if len(self._buffer) >= 4 + length:
                    body = self._buffer[4 : 4 + length]
                    self._buffer = self._buffer[4 + length :]
                    return json.loads(body)
            assert self._process.stdout is not None
            fd = self._process.stdout.fileno()
            _wait(fd, select.POLLIN, deadline)
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                raise WorkerCrash
            self._buffer += chunk

    def kill(self) -> None:
        """End the process at once and reap it."""
        self._process.kill()
        self._process.wait()
        self.forget()

    def disown(self) -> None:
        """In a forked child: let go of a worker that belongs to the parent."""
        self._process.returncode = 0
        self.forget()

    def forget(self) -> None:
        """Close this process's ends of the pipes; the worker then ends by itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    @property
    def worn(self) -> bool:
        """Whether it has done so many jobs that a fresh one should take its place."""
        return self.jobs >= JOBS_PER_WORKER


def _wait(fd: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(fd, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError
