"""Unix timestamps unaffected by clock changes."""

from __future__ import annotations

import time

_OFFSET = time.time() - time.perf_counter()


def unix_time() -> float:
    """Seconds since 1970 by the system clock at the start of the process, monotonic from then on,
    so that start times and durations stay consistent when the clock is set."""
    return _OFFSET + time.perf_counter()
