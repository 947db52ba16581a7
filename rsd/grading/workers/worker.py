"""The worker process: reads jobs from its standard input, answers on its standard output.

A message is four bytes of length (big-endian) and that many bytes of JSON; `service` describes
jobs and answers. The process ends when its input ends, and the kernel ends it when one job takes
too long, so no worker outlives its parent.

Nothing here evaluates text: the parsers build trees, and sympy sees only screened LaTeX.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

MEMORY_BYTES = 1 << 30
JOB_SECONDS = 3.0
READY, LOADING, LOADED = "ready", "loading", "loaded"
_JOB_LIMIT = JOB_SECONDS + 2.0  # then SIGALRM, unhandled, ends the process
_LONGEST = 120.0
_MAX_MESSAGE = 64 << 20


def read_message(stream: BinaryIO) -> Any | None:
    """The next message, or None at the end of the stream."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    (length,) = struct.unpack(">I", header)
    body = stream.read(length) if length <= _MAX_MESSAGE else b""
    return json.loads(body) if len(body) == length else None


def pack(message: Any) -> bytes:
    body = json.dumps(message).encode("ascii")
    return struct.pack(">I", len(body)) + body


def _limit() -> None:
    """No more memory than a grader needs, no gmpy2 (it blocks signals), no keyboard interrupt."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(SYMPY_GROUND_TYPES="python", MPMATH_NOGMPY="1")
    for module in ("gmpy2", "flint"):
        sys.modules[module] = None  # type: ignore[assignment]
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Serve jobs until the input ends."""
    _limit()
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 0)
    os.dup2(silence, 1)

    def send(message: Any) -> None:
        answers.write(pack(message))
        answers.flush()

    def announce(message: str) -> None:
        signal.setitimer(signal.ITIMER_REAL, _LONGEST if message == LOADING else _JOB_LIMIT)
        send(message)

    from rsd.grading.compare import symbolic
    from rsd.grading.workers.service import serve_job

    symbolic.announce = announce
    send(READY)
    while (job := read_message(jobs)) is not None:
        signal.setitimer(signal.ITIMER_REAL, _JOB_LIMIT)
        reply = serve_job(job)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(reply)


if __name__ == "__main__":
    main()
