"""What the ids of models stand for: their limits, their thresholds, and the servers they need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cluster import Cluster
from gateway.running import Running, running


def with_gateway(
    cluster: Cluster, test: Callable[[Running], Awaitable[None]], *overrides: str
) -> None:
    async def main() -> None:
        async with running(cluster, *overrides) as gateway:
            await test(gateway)

    asyncio.run(main())


def test_a_judge_needs_no_third_server(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        assert set(gateway.gateway.health.up) == {"draft", "target"}

    with_gateway(cluster, test, "models.prm={kind: judge}")
