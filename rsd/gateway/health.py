"""Which roles are up, by their circuit breakers. One that is down is done without
(`gateway.on_prm_loss`, `.on_draft_loss`) until its server answers again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from rsd.backends import CircuitBreaker
from rsd.config import Config, GatewayConfig
from rsd.gateway.catalog import alone
from rsd.gateway.errors import GatewayError
from rsd.gateway.metrics import GatewayMetrics
from rsd.types import Role


class Health:
    """Probes every server from time to time, and at once where `suspect` is called."""

    def __init__(
        self, breakers: Mapping[Role, CircuitBreaker], metrics: GatewayMetrics, interval_s: float
    ) -> None:
        self._breakers = breakers
        self._metrics = metrics
        self._interval_s = interval_s
        self._suspected = asyncio.Event()
        self._export()

    @property
    def lost(self) -> set[Role]:
        """The roles whose server does not answer."""
        return {role for role, breaker in self._breakers.items() if breaker.is_open}

    @property
    def states(self) -> dict[str, str]:
        """By role: `up` or `down`."""
        return {role: "down" if it.is_open else "up" for role, it in self._breakers.items()}

    def suspect(self) -> None:
        """A request has failed: probe at once."""
        self._suspected.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Probe as long as the block lasts."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def probe(self) -> None:
        """Probe every server now."""
        await asyncio.gather(*(breaker.probe() for breaker in self._breakers.values()))
        self._export()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._suspected.wait()
            except TimeoutError:
                pass
            self._suspected.clear()
            await self.probe()

    def _export(self) -> None:
        for role, breaker in self._breakers.items():
            self._metrics.upstream_up.labels(role).set(not breaker.is_open)


def without(config: Config, lost: set[Role], policy: GatewayConfig) -> tuple[Config, Role | None]:
    """What answers in place of `config` while the servers of `lost` are down: its configuration,
    and the server that it does without, None if it needs none of them.

    A strategy of one model has no substitute. Raises `GatewayError` (503) where there is none.
    """
    missing = lost & set(config.roles)
    if not missing:
        return config, None
    mode: str = "error"
    role = next(role for role in ("target", "draft", "prm") if role in missing)
    if role != "target" and len(config.roles) > 1:
        mode = policy.on_draft_loss if role == "draft" else policy.on_prm_loss
    for choice in ("target", "draft"):
        if mode == choice and choice not in lost:
            return alone(config, choice), role
    raise GatewayError(
        503, f"the {role} server is down", code="upstream_down", headers={"Retry-After": "5"}
    )
