"""Token-level speculative decoding inside the target's server, counted over a session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from rsd.backends import Backends, Server, read_speculation
from rsd.records import Speculation

log = logging.getLogger(__name__)

_PATIENCE_S = 5.0  # a server that hangs must not hold up the end of a run


Counts = Sequence[Speculation | None]
"""Of each of the target's servers since its start; None where one does not decode speculatively,
or does not say."""


async def counted(backends: Backends) -> Counts:
    """The counts now; none without a target."""
    return await asyncio.gather(*map(_read, backends.workers.get("target", ())))


def between(before: Counts, after: Counts) -> Speculation | None:
    """What was added; None without a target, if a count is unknown, or if one of its servers was
    restarted in between."""
    if len(before) != len(after):
        return None
    drafts = drafted = accepted = 0
    for then, now in zip(before, after, strict=True):
        if then is None or now is None:
            return None
        added = (
            now.drafts - then.drafts,
            now.drafted - then.drafted,
            now.accepted - then.accepted,
        )
        if min(added) < 0:
            return None
        drafts, drafted, accepted = drafts + added[0], drafted + added[1], accepted + added[2]
    return Speculation(drafts=drafts, drafted=drafted, accepted=accepted) if before else None


async def _read(server: Server) -> Speculation | None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await read_speculation(server)
    except Exception:  # what is only counted ends no run
        log.debug("%s: its speculative decoding cannot be counted", server, exc_info=True)
        return None
