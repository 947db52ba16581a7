"""Seeds: every request of a run has its own, derived from what it is for and not from when it
is sent, so that a run can be repeated and a resumed run is the same run."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2s

from rsd.protocols import Sampling
from rsd.types import Source


def derive(*parts: object) -> int:
    """A seed in [0, 2^31) from the given parts, the same in every process."""
    digest = blake2s("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def seeded(sampling: Sampling, seed: int | None, index: int, source: Source) -> Sampling:
    """`sampling` with the seed of step `index` by `source`. Unseeded if `seed` is None or the
    sampling is greedy, where a seed only costs the server time."""
    if seed is None or sampling.temperature == 0:
        return replace(sampling, seed=None)
    return replace(sampling, seed=derive(seed, index, source))
