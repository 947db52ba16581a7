"""The tokens that each role's servers read and wrote over a session, by their own counters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from rsd.backends import Backends, Server, ServerMetrics, read_metrics
from rsd.records import ServedTokens
from rsd.types import Role

log = logging.getLogger(__name__)

_PATIENCE_S = 5.0  # a server that hangs must not hold up a run

Metrics = Mapping[Role, Sequence[ServerMetrics]]


async def look(backends: Backends) -> Metrics | None:
    """The metrics of the servers of each role, without replicas that do not answer; None where a
    server has none that are vLLM's.

    Raises `BackendError` or `ScorerError` for a role of which no server answers.
    """
    looks: dict[Role, list[ServerMetrics]] = {}
    for role, workers in backends.workers.items():
        found = await asyncio.gather(*map(_read, workers), return_exceptions=True)
        if None in found:
            return None
        looks[role] = [each for each in found if isinstance(each, ServerMetrics)]
        if not looks[role]:
            raise next(error for error in found if isinstance(error, BaseException))
    return looks


async def counted(backends: Backends) -> Metrics | None:
    """As `look`; None also where that fails: what is only counted ends no run."""
    try:
        return await look(backends)
    except Exception:
        log.debug("the servers' tokens cannot be counted", exc_info=True)
        return None


def between(before: Metrics | None, after: Metrics | None) -> dict[Role, ServedTokens]:
    """Counter deltas for each role. Roles with a restarted or lost server are left out; nothing
    is known where a look failed."""
    if before is None or after is None:
        return {}
    added: dict[Role, ServedTokens] = {}
    for role, then in before.items():
        if len(then) != len(after[role]):
            continue
        pairs = list(zip(then, after[role], strict=True))
        counts = [
            (
                new.prompt_tokens - old.prompt_tokens,
                new.cached_tokens - old.cached_tokens,
                new.generated_tokens - old.generated_tokens,
            )
            for old, new in pairs
        ]
        if min(min(each) for each in counts) >= 0:
            read, cached, generated = map(sum, zip(*counts, strict=True))
            added[role] = ServedTokens(read=read, cached=cached, generated=generated)
    return added


async def _read(server: Server) -> ServerMetrics | None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await read_metrics(server)
    except TimeoutError:
        raise server.error(f"no metrics within {_PATIENCE_S:g} s") from None
