"""Starts the servers, waits until they answer, watches them, and stops them.

Each server runs under a guard (`rsd/serving/guard.py`), a small process that ends the server and
all it started as soon as the launcher closes a pipe, or is gone.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rsd.errors import LaunchError
from rsd.serving import diagnose, preflight
from rsd.serving.command import ServerCommand

log = logging.getLogger(__name__)

DEFAULT_LOG_DIR = Path("runs/servers")
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_GRACE_S = 20.0
_POLL_S = 0.25
_ANNOUNCE_S = 10.0
_GUARD = Path(__file__).with_name("guard.py")

# What a vLLM server is doing, by the newest of these texts in its log.
_STAGES = (
    ("Starting vLLM server on", "opening the port"),
    ("KV cache size", "warming up"),
    ("Loading weights took", "preparing the KV cache"),
    ("Starting to load model", "loading weights"),
    ("Initializing a V1 LLM engine", "starting the engine"),
)


@dataclass(slots=True)
class ServerProcess:
    """A server that was started. `guard` is the process above it, `log_path` its output."""

    command: ServerCommand
    guard: subprocess.Popen[bytes]
    log_path: Path
    started_at: float
    seconds_to_ready: float | None = None

    def answers(self) -> bool:
        """Whether GET /health gives 200."""
        connection = http.client.HTTPConnection(self.command.host, self.command.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stage(self) -> str:
        """What it is doing, as its log tells."""
        text = "\n".join(diagnose.read_log(self.log_path))
        return next((stage for mark, stage in _STAGES if mark in text), "importing vLLM")


class Supervisor:
    """The servers of one launcher. Use `running`, which also stops them.

    `announce` gets one line for each thing that a person waits for.
    """

    def __init__(self, log_dir: Path, announce: Callable[[str], None], grace_s: float) -> None:
        self.servers: list[ServerProcess] = []
        self._log_dir = log_dir
        self._announce = announce
        self._grace_s = grace_s

    def start(self, commands: Sequence[ServerCommand], timeout_s: float) -> None:
        """Start all and wait until all answer.

        Servers that share a GPU start one after the other: each measures the free memory while
        it loads. Raises `LaunchError` when one dies, or does not answer `timeout_s` seconds
        after its start.
        """
        waiting = list(commands)
        next_report = time.monotonic() + _ANNOUNCE_S
        while waiting or any(s.seconds_to_ready is None for s in self.servers):
            loading = [s for s in self.servers if s.seconds_to_ready is None]
            for command in waiting.copy():
                if not any(command.gpus & s.command.gpus for s in loading):
                    loading.append(self._launch(command, timeout_s))
                    waiting.remove(command)
            time.sleep(_POLL_S)
            for _, death in self._deaths("before it answered"):
                raise death
            for server in loading:
                self._look_at(server, timeout_s)
            if time.monotonic() >= next_report:
                self._report(waiting)
                next_report = time.monotonic() + _ANNOUNCE_S

    def watch(self) -> None:
        """Wait until a role's only server, its router or the last of its replicas has ended by
        itself, which is a `LaunchError`; never returns. A replica that others outlive is
        announced."""
        while True:
            for server, death in self._deaths("while it served"):
                self.stop([server])
                role, name = server.command.role, server.command.name
                left = [
                    other
                    for other in self.servers
                    if other.command.role == role and not other.command.is_router
                ]
                if not left or server.command.is_router:
                    raise death
                self._announce(f"{death}; {role} goes on without it, --only {name} starts it again")
            time.sleep(_POLL_S)

    def have(self, commands: Sequence[ServerCommand], timeout_s: float) -> None:
        """Have `commands` answer: start what is missing, end first what serves one of their roles
        by another command, or has died. Servers of other roles are left as they are.

        Raises `ConfigError` or `LaunchError`; then none that did not answer is left.
        """
        roles = {command.role for command in commands}
        dead = [server for server in self.servers if server.guard.poll() is not None]
        for server in dead:
            self._announce(f"{server.command.name}: died (log: {server.log_path})")
        changed = [
            server
            for server in self.servers
            if server not in dead
            and server.command.role in roles
            and server.command not in commands
        ]
        for server in changed:
            self._announce(f"{server.command.name}: stopping, another is needed now")
        self.stop([*dead, *changed])
        there = [server.command for server in self.servers]
        missing = [command for command in commands if command not in there]
        preflight.check_ports(missing)
        preflight.check_gpus([*there, *missing])
        try:
            self.start(missing, timeout_s)
        except BaseException:
            self.stop([server for server in self.servers if server.seconds_to_ready is None])
            raise

    def stop(self, servers: Sequence[ServerProcess] | None = None) -> None:
        """End every server, or only `servers`, and all that they started; idempotent."""
        ending = self.servers if servers is None else servers
        running = [server for server in ending if server.guard.poll() is None]
        for server in ending:
            assert server.guard.stdin is not None
            server.guard.stdin.close()
        for server in running:
            try:
                server.guard.wait(self._grace_s + 40)
            except subprocess.TimeoutExpired:
                log.warning("%s: its guard does not end; killing it", server.command.name)
                server.guard.kill()
                server.guard.wait()
        for server in ending:
            self._kill_group_of(server)
        if servers is not None:
            self.servers = [server for server in self.servers if server not in servers]

    def _launch(self, command: ServerCommand, timeout_s: float) -> ServerProcess:
        path = self._log_dir / f"{command.name}.log"
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(self._grace_s)]
        # vLLM's API server gives up on its own engine after 600 s unless told otherwise.
        patience = {"VLLM_ENGINE_READY_TIMEOUT_S": str(math.ceil(timeout_s))}
        with self._open(path) as output:
            process = subprocess.Popen(  # noqa: S603 - the configured server
                [*guard, *command.argv],
                env={**patience, **os.environ, **command.env},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = ServerProcess(command, process, path, time.monotonic())
        self.servers.append(server)
        self._announce(f"{command.name}: starting on {command.address} (log: {path})")
        return server

    @staticmethod
    def _open(path: Path) -> BinaryIO:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")
        except OSError as error:
            raise LaunchError(
                f"{path}: cannot be written: {error.strerror}; name a writable place with --log-dir"
            ) from error

    def _look_at(self, server: ServerProcess, timeout_s: float) -> None:
        elapsed = time.monotonic() - server.started_at
        if server.answers():
            server.seconds_to_ready = elapsed
            self._announce(f"{server.command.name}: ready after {elapsed:.0f} s")
        elif elapsed > timeout_s:
            raise LaunchError(
                f"{server.command.name}: does not answer {timeout_s:.0f} s after its start "
                f"({server.stage()}); give it longer with --timeout (log: {server.log_path})"
            )

    def _report(self, waiting: Sequence[ServerCommand]) -> None:
        now = time.monotonic()
        loading = [
            f"{s.command.name}: {s.stage()} ({now - s.started_at:.0f} s)"
            for s in self.servers
            if s.seconds_to_ready is None
        ]
        queued = [f"{command.name}: waits for its GPU" for command in waiting]
        if loading or queued:
            self._announce(", ".join(loading + queued))

    def _deaths(self, when: str) -> Iterator[tuple[ServerProcess, LaunchError]]:
        """The servers that have ended by themselves, and what each died of."""
        for server in tuple(self.servers):
            code = server.guard.poll()
            if code is not None:
                self._kill_group_of(server)
                code = code if code >= 0 else 128 - code
                yield server, diagnose.death(server.command, code, server.log_path, when)

    @staticmethod
    def _kill_group_of(server: ServerProcess) -> None:
        """End what a guard left behind that was itself killed; an orderly one leaves nothing."""
        code = server.guard.poll()
        if code is not None and code < 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(server.guard.pid, signal.SIGKILL)


@contextlib.contextmanager
def running(
    commands: Sequence[ServerCommand],
    *,
    log_dir: Path = DEFAULT_LOG_DIR,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    grace_s: float = DEFAULT_GRACE_S,
    announce: Callable[[str], None] = log.info,
) -> Iterator[Supervisor]:
    """Servers that answer, for as long as the block runs.

    `grace_s` is how long a server may take to end by itself before it is killed. Raises
    `ConfigError` or `LaunchError`; whatever ends the block, the servers are stopped.
    """
    preflight.check_router(commands)
    preflight.check_ports(commands)
    preflight.check_gpus(commands)
    supervisor = Supervisor(log_dir, announce, grace_s)
    try:
        supervisor.start(commands, timeout_s)
        yield supervisor
    finally:
        supervisor.stop()
