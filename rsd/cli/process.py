"""What every command sets in its own process: event loop, open files, garbage collection."""

from __future__ import annotations

import asyncio
import gc
import resource

# A problem in flight is thousands of small objects and next to no cycle. By Python's defaults the
# collector walks over all of them, and all that was imported, in a quarter of a busy driver's time.
_GC_THRESHOLDS = (50_000, 20, 100)


def prepare_process() -> None:
    """Let `asyncio.run` take uvloop, where it is installed (`pip install 'rsd[fast]'`), let the
    process open as many connections as the system allows, since a problem in flight needs one,
    and collect garbage less often."""
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
