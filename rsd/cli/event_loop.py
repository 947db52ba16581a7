"""The event loop of all commands, and the number of connections that it may hold."""

from __future__ import annotations

import asyncio
import resource


def choose_event_loop() -> None:
    """Let `asyncio.run` take uvloop, where it is installed (`pip install 'rsd[fast]'`), and let
    the process open as many connections as the system allows: one problem in flight needs one."""
    try:
        import uvloop
    except ImportError:
        pass
    else:
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
