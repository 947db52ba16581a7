"""Workers: usable from anywhere, limited, killed, renewed, never left behind."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from rsd.grading import GraderPool, Verdict, grade, is_correct
from rsd.grading.verdict import Options
from rsd.grading.workers import client
from rsd.grading.workers.client import Worker, WorkerCrash, WorkerTimeout
from rsd.grading.workers.pool import Workers, verdict_on

JOB = {
    "default": [r"\frac12x", "x/2", "math", {}],
    "paper": [r"\boxed{\frac12x}", "x/2", "math"],
}
PATIENCE = 60.0  # seconds; a loaded machine starts a process slowly


def later() -> float:
    return time.monotonic() + PATIENCE


def needs_worker() -> Verdict:
    return verdict_on(r"\boxed{\frac12x}", "x/2", "math", None, Options(), seconds=PATIENCE)


def test_plain_answers_need_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "run", None)
    assert is_correct(r"\boxed{42}", "42", "gsm8k")
    assert not is_correct(r"\boxed{42}", "41", "gsm8k")
    assert is_correct("The answer is (B).", "B", "mmlu_stem")
    assert grade(r"\boxed{42}", "42.0", "gsm8k") == Verdict("42", True, True, "box/number")
    assert grade(r"\boxed{42}", "", "gsm8k") == Verdict("42", None, True, "ungradable")
    assert grade("I give up on this one", "42", "gsm8k") == Verdict(None, False, False, "no-answer")


def test_both_verdicts_from_a_worker() -> None:
    assert needs_worker() == Verdict(r"\frac12x", True, True, "box/expression")


def test_many_at_once_in_an_event_loop() -> None:
    async def run() -> list[Verdict]:
        async with GraderPool(2) as pool:
            jobs = (pool.grade(rf"\boxed{{{i}x+x}}", "4x", "math") for i in range(8))
            return await asyncio.gather(*jobs)

    assert [v.correct for v in asyncio.run(run())] == [i == 3 for i in range(8)]


def test_in_threads() -> None:
    verdicts: list[bool | None] = []
    threads = [
        threading.Thread(target=lambda: verdicts.append(needs_worker().correct)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [True] * 4


def _in_child(pipe: Connection) -> None:
    pipe.send(needs_worker().correct)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_in_a_daemonic_child(method: str) -> None:
    assert needs_worker().correct  # the parent has a worker, which a fork must not share
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=_in_child, args=(there,), daemon=True)
    child.start()
    there.close()
    assert here.poll(PATIENCE)
    assert here.recv() is True
    child.join()
    assert needs_worker().correct


def test_a_job_without_end_is_killed_and_the_worker_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = Workers(1)
    assert workers.run(JOB, later())["default"][0] is True
    stuck = workers._idle[0]
    os.kill(stuck.pid, signal.SIGSTOP)
    monkeypatch.setattr(client, "JOB_SECONDS", 0.2)
    with pytest.raises(WorkerTimeout):
        workers.run(JOB, later())
    assert stuck.gone
    monkeypatch.setattr(client, "JOB_SECONDS", PATIENCE)
    assert workers.run(JOB, later())["default"][0] is True
    workers.close()


def test_a_worker_that_dies_at_work_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: Worker, deadline: float) -> bool:
        os.kill(self.pid, signal.SIGKILL)
        return True

    workers = Workers(1)
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "wait_ready", die)
        with pytest.raises(WorkerCrash):
            workers.run(JOB, later())
    assert workers.run(JOB, later())["default"][0] is True
    workers.close()


def test_a_worker_that_died_idle_costs_no_answer() -> None:
    workers = Workers(1)
    workers.run(JOB, later())
    pid = workers._idle[0].pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert workers.run(JOB, later())["default"][0] is True
    assert [worker.pid for worker in workers._all] != [pid]
    workers.close()


def test_workers_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "JOBS_PER_WORKER", 2)
    workers = Workers(1)
    pids = []
    for _ in range(3):
        workers.run(JOB, later())
        pids.append(workers._idle[0].pid)
    assert pids[0] != pids[1] == pids[2]
    workers.close()


def test_the_failure_is_in_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck(self: Workers, job: client.Job, latest: float) -> dict[str, object]:
        raise WorkerTimeout

    monkeypatch.setattr(Workers, "run", stuck)
    assert grade(r"\boxed{2x}", "x", "math") == Verdict("2x", False, False, "timeout", "timeout")


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="needs Linux's /proc")
def test_memory_is_limited() -> None:
    worker = Worker()
    assert worker.wait_ready(later())
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    line = next(row for row in limits.splitlines() if row.startswith("Max address space"))
    assert line.split()[3] == str(1 << 30)
    worker.kill()


_PARENT = """
import time
from rsd.grading.workers.client import Worker
worker = Worker()
worker.wait_ready(time.monotonic() + 60)
print(worker.pid, flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    end = later()
    while _is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
