"""Runs one server and lets nothing of it outlive the launcher.

A program of its own, started by path: `python -I -S guard.py LAUNCHER_PID GRACE_S COMMAND...`,
in a session of its own, its standard input a pipe whose other end only the launcher holds. It
starts COMMAND in its own process group and ends when COMMAND ends, with its exit code (128 + N
for signal N). When the pipe closes, the launcher is gone, or SIGTERM arrives, it stops COMMAND:
SIGTERM, up to GRACE_S seconds, then SIGKILL. Either way it kills every process that COMMAND left
behind before it ends. The launcher stops a server by closing the pipe, so that an orderly stop
and the launcher's death by SIGKILL take the same way.

vLLM needs this: when its API server dies alone, engine and workers live on and ignore SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.1


class Guard:
    """One command and the wish to stop it."""

    def __init__(self, launcher: int, grace_s: float, command: list[str]) -> None:
        self.launcher = launcher
        self.grace_s = grace_s
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        libc = ctypes.CDLL(None)
        # Descendants whose parent dies then become children of the guard, never of init.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.server = subprocess.Popen(  # noqa: S603 - the launcher's own command line
            command,
            stdin=subprocess.DEVNULL,
            # Should the guard itself be killed, the server is told to stop by the kernel.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),
        )

    def run(self) -> int:
        """Wait for the command's end or the launcher's; the exit code."""
        while not self._has_ended() and not self._is_unwanted():
            pass
        if not self._has_ended():
            self.server.terminate()
            deadline = time.monotonic() + self.grace_s
            while not self._has_ended() and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        while remaining := descendants(os.getpid()):
            for pid in remaining:
                _kill(pid)
            self._reap_adopted()
            time.sleep(_POLL_S / 10)
        code = self.server.wait()
        return code if code >= 0 else 128 - code

    def _has_ended(self) -> bool:
        return self.server.poll() is not None

    def _is_unwanted(self) -> bool:
        readable, _, _ = select.select([0], [], [], _POLL_S)
        closed = bool(readable) and not os.read(0, 1)
        # A fork of the launcher may hold the pipe open after its death: look at the parent too.
        return self.stopping or closed or os.getppid() != self.launcher

    def _reap_adopted(self) -> None:
        self.server.poll()
        for pid in children(os.getpid()):
            if pid != self.server.pid:
                os.waitpid(pid, os.WNOHANG)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True


def children(parent: int) -> list[int]:
    """The process ids of the children of `parent`, zombies included."""
    return _parents().get(parent, [])


def descendants(root: int) -> list[int]:
    """The process ids of all that `root` started, directly or not, zombies included."""
    parents = _parents()
    found: list[int] = []
    pending = [root]
    while pending:
        started = parents.get(pending.pop(), [])
        found += started
        pending += started
    return found


def _parents() -> dict[int, list[int]]:
    """Children by parent, of all processes, from /proc."""
    table: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - this program avoids slow imports
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                # "pid (command) state ppid ...", and the command may hold any byte.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        table.setdefault(int(fields[1]), []).append(int(name))
    return table


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile
        os.kill(pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    """The program. 127: COMMAND cannot be started."""
    try:
        guard = Guard(int(arguments[0]), float(arguments[1]), arguments[2:])
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 127
    return guard.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
