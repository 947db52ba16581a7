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
    """The metrics of all servers but the lost, by role; None where one has none that are vLLM's.

    Raises `BackendError` or `ScorerError` for a server that does not answer.
    """
    servers = [
        (role, server) for role, replicas in backends.servers.items() for server in replicas.present
    ]
    found = await asyncio.gather(*(_read(server) for _, server in servers))
    looks: dict[Role, list[ServerMetrics]] = {}
    for (role, _), metrics in zip(servers, found, strict=True):
        if metrics is None:
            return None
        looks.setdefault(role, []).append(metrics)
    return looks


async def counted(backends: Backends) -> Metrics | None:
    """As `look`; None also where that fails: what is only counted ends no run."""
    if any(replicas.present != replicas.servers for replicas in backends.servers.values()):
        return None
    try:
        return await look(backends)
    except Exception:
        log.debug("the servers' tokens cannot be counted", exc_info=True)
        return None


def between(before: Metrics | None, after: Metrics | None) -> dict[Role, ServedTokens]:
    """What the servers of each role did meanwhile; nothing of a role one of whose servers was
    restarted, and nothing at all where a look failed."""
    if before is None or after is None:
        return {}
    added: dict[Role, ServedTokens] = {}
    for role, then in before.items():
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
