"""How the command line sets up its process: event loop, open files, garbage collection, imports
and signals."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from rsd.backends import leave_torch_out

INTERRUPTED = "interrupted; finished solutions are kept; rerun the command to resume"

# A problem in flight has thousands of small objects and hardly a cycle. With Python's defaults,
# garbage collection takes a quarter of a busy driver's time.
_GC_THRESHOLDS = (50_000, 20, 100)

_is_ours = False


def prepare_process() -> None:
    """Use uvloop where it is installed (`pip install -e '.[fast]'`), raise the limit of open files
    to what the system allows, since each problem in flight needs a connection, collect garbage
    less often, and silence the advice of transformers to install torch, which tokenizers do not
    need."""
    global _is_ours
    _is_ours = True
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        import uvloop
    except ImportError:
        pass
    else:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.set_threshold(*_GC_THRESHOLDS)


def without_torch(strategies: Iterable[str]) -> None:
    """Keep torch from being imported, unless one of `strategies` is the user's own class, which may
    need it. Does nothing in a process that `prepare_process` did not set up."""
    if _is_ours and not any(":" in name for name in strategies):
        leave_torch_out()


@contextmanager
def resumable() -> Iterator[None]:
    """On Ctrl-C, print that rerunning the command resumes it, and exit with 130; Typer alone would
    print nothing. SIGTERM counts as Ctrl-C. Ctrl-C also works in a shell's background job, which
    starts with SIGINT ignored."""
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, _interrupt),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"rsd: {INTERRUPTED}", err=True)
        raise typer.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
