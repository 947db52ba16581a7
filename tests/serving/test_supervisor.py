from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from serving.helpers import HERE, PATIENCE_S, alive, all_gone, fake, pids, wait_until

from rsd.errors import LaunchError
from rsd.serving import running


def die(port: int) -> None:
    """Tell a fake server to end at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/die")
        connection.getresponse()
    connection.close()


def test_servers_answer_inside_the_block_and_are_gone_after_it(
    tmp_path: Path, ports: list[int]
) -> None:
    told: list[str] = []
    commands = [fake("draft", ports[0]), fake("target", ports[1])]
    with running(commands, log_dir=tmp_path, announce=told.append) as supervisor:
        assert all(server.answers() for server in supervisor.servers)
        assert all(alive(pid) for pid in pids(tmp_path))
        assert len(pids(tmp_path)) == 4
    assert all_gone(tmp_path)
    assert any(line.startswith("draft: ready after") for line in told)


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path, ports: list[int]) -> None:
    commands = [fake("draft", ports[0], "--ignore-sigterm")]
    with running(commands, log_dir=tmp_path, grace_s=0.2):
        pass
    assert all_gone(tmp_path)


def test_an_early_death_is_an_error_with_the_log_and_stops_the_others(
    tmp_path: Path, ports: list[int]
) -> None:
    commands = [
        fake("draft", ports[0]),
        fake("target", ports[1], "--die", "torch.OutOfMemoryError: CUDA out of memory."),
    ]
    with (
        pytest.raises(LaunchError, match=r"target: .*before it answered.*memory_share") as caught,
        running(commands, log_dir=tmp_path),
    ):
        pytest.fail("was ready")
    assert "CUDA out of memory" in caught.value.__notes__[0]
    assert all_gone(tmp_path)


def test_a_death_while_serving_stops_the_others(tmp_path: Path, ports: list[int]) -> None:
    commands = [fake("draft", ports[0]), fake("target", ports[1])]
    with running(commands, log_dir=tmp_path) as supervisor:
        die(ports[0])
        with pytest.raises(LaunchError, match=r"draft: .*while it served \(exit code 3\).*to die"):
            supervisor.watch()
    assert all_gone(tmp_path)


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, ports: list[int]) -> None:
    with (
        pytest.raises(LaunchError, match=r"draft: does not answer .*--timeout"),
        running([fake("draft", ports[0], "--hang")], log_dir=tmp_path, timeout_s=5),
    ):
        pytest.fail("was ready")
    assert not any(alive(pid) for pid in pids(tmp_path))


def test_a_command_that_does_not_exist_is_an_error(tmp_path: Path, ports: list[int]) -> None:
    command = fake("draft", ports[0])
    broken = type(command)("draft", ("/no/such/program",), {}, command.host, command.port)
    with pytest.raises(LaunchError, match="FileNotFoundError"), running([broken], log_dir=tmp_path):
        pytest.fail("was ready")


def test_servers_that_share_a_gpu_start_one_after_the_other(
    tmp_path: Path, ports: list[int]
) -> None:
    told: list[str] = []
    gpu = frozenset("0")
    commands = [
        fake("draft", ports[0], gpus=gpu),
        fake("target", ports[1], gpus=frozenset("1")),
        fake("prm", ports[2], gpus=gpu),
    ]
    with running(commands, log_dir=tmp_path, announce=told.append):
        pass
    events = [" ".join(line.split()[:2]) for line in told]
    assert events.index("draft: ready") < events.index("prm: starting")
    assert events.index("target: starting") < events.index("draft: ready")


def test_a_killed_guard_leaves_no_server(tmp_path: Path, ports: list[int]) -> None:
    with running([fake("draft", ports[0])], log_dir=tmp_path) as supervisor:
        supervisor.servers[0].guard.kill()
        with pytest.raises(LaunchError, match=r"draft: .*\(exit code 137\)"):
            supervisor.watch()
    worker, server = pids(tmp_path)
    wait_until(lambda: not alive(server))
    # The fake's worker left the process group, which no process of vLLM does: end it here.
    os.kill(worker, signal.SIGKILL)


@contextmanager
def launched(log_dir: Path, ports: list[int]) -> Iterator[subprocess.Popen[str]]:
    """A launcher in a process of its own, whose fakes all answer."""
    arguments = [sys.executable, str(HERE / "launcher.py"), str(log_dir), *map(str, ports)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as launcher:
        watchdog = threading.Timer(PATIENCE_S, launcher.kill)
        watchdog.start()
        try:
            assert launcher.stdout is not None
            assert launcher.stdout.readline() == "ready\n"
            assert all(alive(pid) for pid in pids(log_dir))
            yield launcher
        finally:
            watchdog.cancel()
            launcher.kill()


def test_nothing_outlives_a_launcher_that_is_killed(tmp_path: Path, ports: list[int]) -> None:
    with launched(tmp_path, ports) as launcher:
        assert len(pids(tmp_path)) == 6
        launcher.send_signal(signal.SIGKILL)
        launcher.wait()
        wait_until(lambda: all_gone(tmp_path))
