"""Which servers answer. A role of which no replica does is done without (`gateway.on_prm_loss`,
`.on_draft_loss`) until one answers again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from rsd.backends import Replicas, Server
from rsd.config import Config, GatewayConfig
from rsd.errors import RsdError
from rsd.gateway.catalog import alone
from rsd.gateway.errors import GatewayError
from rsd.gateway.metrics import GatewayMetrics
from rsd.types import Role

log = logging.getLogger(__name__)

_PROBE_S = 5.0


class Health:
    """Asks the servers' `/health` from time to time, and at once where `suspect` is called. `up`
    tells of each role's servers whether they answered."""

    def __init__(
        self, servers: Mapping[Role, Replicas], metrics: GatewayMetrics, interval_s: float
    ) -> None:
        self.up = {
            role: [server in replicas.present for server in replicas.servers]
            for role, replicas in servers.items()
        }
        self._servers = {role: replicas.servers for role, replicas in servers.items()}
        self._metrics = metrics
        self._interval_s = interval_s
        self._suspected = asyncio.Event()
        for role in servers:
            self._tell(role)

    @property
    def lost(self) -> set[Role]:
        """The roles of which no server answers."""
        return {role for role, up in self.up.items() if not any(up)}

    @property
    def states(self) -> dict[str, str]:
        """By role: `up` or `down`."""
        return {role: _state(role not in self.lost) for role in self.up}

    @property
    def replicas(self) -> dict[str, list[str]]:
        """By role: `up` or `down` for each endpoint in the order of the configuration. Where they
        are is not told: anyone may ask."""
        return {role: [_state(each) for each in up] for role, up in self.up.items()}

    def suspect(self) -> None:
        """A request has failed: look at once."""
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
        """AnswerRequest every server now."""
        await asyncio.gather(
            *(
                self._probe(role, place, server)
                for role, servers in self._servers.items()
                for place, server in enumerate(servers)
            )
        )

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._suspected.wait()
            except TimeoutError:
                pass
            self._suspected.clear()
            await self.probe()

    async def _probe(self, role: Role, place: int, server: Server) -> None:
        was_up, reason = self.up[role][place], ""
        try:
            async with asyncio.timeout(_PROBE_S):
                await server.get_text("/health")
        except (RsdError, TimeoutError) as error:
            reason = str(error) or f"{server}: no answer within {_PROBE_S:g} s"
        self.up[role][place] = not reason
        if was_up and reason:
            log.warning("down: %s", reason)
        if not was_up and not reason:
            log.warning("%s is up again", server)
        self._tell(role)

    def _tell(self, role: Role) -> None:
        up = sum(self.up[role])
        self._metrics.upstream_up.labels(role).set(up > 0)
        self._metrics.upstream_replicas_up.labels(role).set(up)


def _state(up: bool) -> str:
    return "up" if up else "down"


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
