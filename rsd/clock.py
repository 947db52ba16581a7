"""Unix time that no step of the system clock bends while a process lives."""

from __future__ import annotations

import time

_OFFSET = time.time() - time.perf_counter()


def unix_time() -> float:
    """Seconds since 1970, as the system clock had them when the process began: it goes on evenly
    when that clock is set, so that starts and durations fit each other."""
    return _OFFSET + time.perf_counter()
