"""What the commands set in a process of their own: event loop, open files, garbage collection, and
whether torch is imported."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import Iterable

from rsd.backends import leave_torch_out

# A problem in flight is thousands of small objects and next to no cycle. By Python's defaults the
# collector walks over all of them, and all that was imported, in a quarter of a busy driver's time.
_GC_THRESHOLDS = (50_000, 20, 100)

_is_ours = False


def prepare_process() -> None:
    """Let `asyncio.run` take uvloop, where it is installed (`pip install -e '.[fast]'`), let the
    process open as many connections as the system allows, since a problem in flight needs one,
    collect garbage less often, and keep transformers from advising to install torch, which none
    of its tokenizers needs."""
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
    """Leave torch out of a process of our own that is about to decode by `strategies`, unless one
    is a class of the user's, which may want it."""
    if _is_ours and not any(":" in name for name in strategies):
        leave_torch_out()
