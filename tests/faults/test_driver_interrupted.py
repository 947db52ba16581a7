"""Ctrl-C, `kill` and `kill -9` of a real `rsd run` on the fake servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster
from fault_proxy import Schedule
from faults.conftest import Disturbed

from rsd.errors import StoreError
from rsd.records import GRADES, TRAJECTORIES, read_run
from rsd.runs.store import RunStore

pytestmark = pytest.mark.timeout(120)  # no hang

IN_FLIGHT = 3
RESUMES = "rsd: interrupted; finished solutions are kept; rerun the command to resume"


@contextmanager
def rsd_run(path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`rsd run` in a process group of its own, as a shell starts it."""
    concurrency = ("-o", f"run.concurrency={IN_FLIGHT}")
    command = [sys.executable, "-m", "rsd", "run", str(path), *concurrency, *arguments]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def lines(cluster: Cluster, name: str = TRAJECTORIES) -> int:
    path = cluster.config().directory / name
    return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def held_from_the_first_line(cluster: Cluster) -> Iterator[None]:
    """The draft answers nobody once a problem is stored, until the block ends: however slow the
    machine is, the run is then in its middle, with all its places taken."""
    faults = cluster.faults("draft")
    faults.held = lambda: lines(cluster) >= 1
    try:
        yield
    finally:
        faults.held = lambda: False


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """As a terminal does: Ctrl-C reaches all processes of the group, a `kill` only one."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def finishes(cluster: Cluster) -> None:
    """The same command brings the run to its end, each problem once and right."""
    with rsd_run(cluster.path) as process:
        _, told = process.communicate()
    assert process.returncode == 0, told
    run = read_run(cluster.config().directory)
    assert sum(grade.correct is True for grade in run.grades.values()) == PROBLEMS
    assert lines(cluster) == lines(cluster, GRADES) == PROBLEMS


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_once_finishes_what_is_in_flight(cluster: Cluster, sent: signal.Signals) -> None:
    with rsd_run(cluster.path) as process:
        with held_from_the_first_line(cluster):
            until(lambda: lines(cluster) >= 1, process)
            before = lines(cluster)
            interrupt(process, sent)
            assert process.stderr is not None
            first = process.stderr.readline().rstrip()
        _, told = process.communicate()
    assert process.returncode == 130
    assert first.startswith("rsd: interrupted: finishing the")
    assert first.endswith("solutions in flight; Ctrl-C again drops them")
    assert told.splitlines()[-1] == RESUMES
    assert before + IN_FLIGHT - 1 <= lines(cluster) < PROBLEMS
    assert lines(cluster) == lines(cluster, GRADES)
    (session,) = read_run(cluster.config().directory).manifest.sessions
    assert session.ended_at is not None
    finishes(cluster)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_twice_stops_now(cluster: Cluster, sent: signal.Signals) -> None:
    with rsd_run(cluster.path) as process, held_from_the_first_line(cluster):
        until(lambda: lines(cluster) >= 1, process)
        interrupt(process, sent)
        assert process.stderr is not None
        assert "finishing the" in process.stderr.readline()
        interrupt(process, sent)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told.splitlines() == [RESUMES]
    kept = lines(cluster)
    assert 1 <= kept < PROBLEMS
    finishes(cluster)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_once_ends_the_wait_for_a_lost_server(disturbed: Disturbed, sent: signal.Signals) -> None:
    with rsd_run(disturbed.cluster.path, *disturbed.arguments()) as process:
        with held_from_the_first_line(disturbed.cluster):
            until(lambda: lines(disturbed.cluster) >= 1, process)
            draft = disturbed.proxies["draft"]
            draft.down_s = 600
            draft.schedule = Schedule(seed=0, rate=1, kinds=["down"], most=1)
        assert process.stderr is not None
        assert "waiting for a server (Ctrl-C to stop): draft" in process.stderr.readline()
        interrupt(process, sent)
        _, told = process.communicate()
    assert process.returncode == 130
    assert told.splitlines()[-1] == RESUMES
    assert "finishing" not in told
    assert 1 <= lines(disturbed.cluster) < PROBLEMS
    finishes(disturbed.cluster)  # without the proxies


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_once_ends_a_pause_that_a_server_asks_for(
    disturbed: Disturbed, sent: signal.Signals
) -> None:
    def in_a_year(path: str, asked: bytes, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        if path != "/v1/completions" or lines(disturbed.cluster) < 1:
            return head, body
        return b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 31536000", b"{}"

    disturbed.proxies["draft"].change = in_a_year
    with rsd_run(disturbed.cluster.path, *disturbed.arguments()) as process:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told.startswith("rsd: waiting for a server (Ctrl-C to stop): draft server at http")
        assert told.endswith("it asks for a pause of 60 s\n")
        interrupt(process, sent)
        _, rest = process.communicate(timeout=30)  # half of the pause
    assert process.returncode == 130
    dropped, last = rest.splitlines()[-2:]
    assert dropped.startswith("rsd: interrupted: dropping the")
    assert "in flight, since one waits: draft server at http" in dropped
    assert last == RESUMES
    assert 1 <= lines(disturbed.cluster) < PROBLEMS
    finishes(disturbed.cluster)  # without the proxies


def test_before_the_first_problem_once_is_enough(cluster: Cluster) -> None:
    draft = cluster.faults("draft")
    draft.held = lambda: True
    with rsd_run(cluster.path) as process:
        until(lambda: bool(cluster.apps["draft"].state.requests), process)
        interrupt(process, signal.SIGTERM)
        _, told = process.communicate()
    draft.held = lambda: False
    assert (process.returncode, told.splitlines()[-1]) == (130, RESUMES)
    finishes(cluster)


def test_a_directory_is_free_again_when_its_run_was_killed(cluster: Cluster) -> None:
    config = cluster.config()
    with rsd_run(cluster.path) as process, held_from_the_first_line(cluster):
        until(lambda: lines(cluster) >= 1, process)
        with pytest.raises(StoreError, match="another rsd process is working on this run; wait"):
            RunStore(config, config.directory)
        with rsd_run(cluster.path) as other:
            _, told = other.communicate()
        assert other.returncode == 1
        assert told.count("\n") == 1
        process.kill()
    finishes(cluster)
