"""Run the gateway on a port until it is told to stop, and then let it finish."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import uvicorn

from rsd.errors import LaunchError
from rsd.gateway.app import create_app
from rsd.gateway.gateway import Gateway
from rsd.gateway.http.connection import LimitedConnection

log = logging.getLogger(__name__)

_BACKLOG = 512


async def serve(gateway: Gateway, host: str, port: int, announce: Callable[[str], None]) -> int:
    """Answer at `host` and `port` (0: a free one) until SIGTERM or SIGINT; returns that signal.

    `announce` is called with the URL when it answers. Work in progress then has
    `gateway.drain_s` to finish; a second signal ends it at once. Raises `LaunchError` if the
    port is taken.
    """
    loop = asyncio.get_running_loop()
    async with answering(gateway, host, port) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop, number)
        try:
            announce(server.url)
            await server.serving
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
    return server.stopped_by


@asynccontextmanager
async def answering(gateway: Gateway, host: str, port: int) -> AsyncIterator[GatewayServer]:
    """Answer at `host` and `port` (0: a free one) until the block ends, and then let what is in
    work finish within `gateway.drain_s`. Raises `LaunchError` if the port is taken."""
    with _bound(host, port) as listening:
        server = GatewayServer(gateway, host, listening)
        async with gateway.watching():
            try:
                yield server
            finally:
                server.should_exit = True
                await server.serving


class GatewayServer(uvicorn.Server):
    """Serves `gateway` as soon as it is created; the task `serving` ends when it has stopped."""

    def __init__(self, gateway: Gateway, host: str, listening: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(gateway),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                http=partial(LimitedConnection, policy=gateway.policy),  # type: ignore[arg-type]
                ws="none",
                backlog=_BACKLOG,
                timeout_graceful_shutdown=math.ceil(gateway.policy.drain_s),
            )
        )
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{listening.getsockname()[1]}"
        self.stopped_by = 0
        self._gateway = gateway
        self.serving = asyncio.create_task(self.serve(sockets=[listening]))

    def stop(self, number: int) -> None:
        """Refuse new connections and finish the work; the second time, drop it."""
        if self.should_exit:
            self.force_exit = True
            return
        log.info("draining: no new connections, %g s for the rest", self._gateway.policy.drain_s)
        self.stopped_by = number
        self._gateway.draining = True
        self.should_exit = True

    def capture_signals(self) -> Any:
        return nullcontext()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise LaunchError(
            f"{host}:{port}: {error.strerror}; stop what listens there or choose another --port"
        ) from error
