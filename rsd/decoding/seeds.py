"""Seeds of requests, derived from their purpose and not from the time or order of sending, so that
runs are repeatable and a resumed run equals an uninterrupted one."""

from __future__ import annotations

from hashlib import blake2s


def derive(*parts: object) -> int:
    """A seed in [0, 2^31) from `parts`, the same in every process."""
    digest = blake2s("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
