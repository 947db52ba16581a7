"""Replicas of a role without servers: who says what it serves, and answers with its name."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from rsd.backends import Replicas, ServerInfo
from rsd.errors import RsdError, ServerLostError

INFO = ServerInfo(("m",), "org/model", 4096)


class Server:
    """Says what it serves, unless it is down; keeps the requests that it got."""

    def __init__(self, name: str, info: ServerInfo = INFO) -> None:
        self.role = "draft"
        self.config = SimpleNamespace(served_name="m", endpoint=name)
        self.serves = info
        self.first_info: ServerInfo | None = None
        self.failure: RsdError | None = None
        self.asked = 0
        self.looks = 0

    async def info(self) -> ServerInfo:
        self.looks += 1
        await asyncio.sleep(0)
        if isinstance(self.failure, ServerLostError):
            raise self.failure
        return self.serves

    def forget(self) -> None:
        """It remembers nothing."""

    async def answer(self) -> str:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return str(self)

    def __str__(self) -> str:
        return str(self.config.endpoint)


class Role:
    """Replicas called a, b, c, ... of which each is asked for its name."""

    def __init__(self, count: int, *, cool_down_s: float = 3600.0) -> None:
        self.servers = [Server("abcdef"[n]) for n in range(count)]
        self.replicas = Replicas(self.servers, INFO, cool_down_s=cool_down_s)  # type: ignore[arg-type]

    async def ask(self) -> str:
        return await self.replicas.ask(lambda place: self.servers[place].answer())

    def lose(self, name: str, *, reached: bool = False) -> Server:
        (server,) = (server for server in self.servers if str(server) == name)
        server.failure = ServerLostError(f"{name} is down", reached=reached)
        return server
