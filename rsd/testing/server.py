"""Run an ASGI app on a real port of this machine, for as long as a block lasts.

A transport that calls the app directly buffers whole answers and never disconnects; streaming
and cancellation can only be tested against a server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal

from rsd.errors import LaunchError

_HOST = "127.0.0.1"


class _Uvicorn(uvicorn.Server):
    """Leaves the process's signals to whoever runs it."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def live(app: Any, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` in the running event loop; gives its URL, such as `http://127.0.0.1:41234`.

    Port 0 takes a free one. Requests still in work a second after the end of the block are
    cancelled. Raises `LaunchError` if the port is taken.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            raise LaunchError(
                f"port {port} of {_HOST}: {error.strerror}; stop what listens there or choose "
                f"another"
            ) from error
        listening.listen(2048)
        options: dict[str, Any] = {"log_config": None, "log_level": "critical", "lifespan": "off"}
        server = _Uvicorn(uvicorn.Config(app, timeout_graceful_shutdown=1, **options))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://{_HOST}:{listening.getsockname()[1]}"
        finally:
            # A server that is still starting ignores the request to exit.
            while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event
                await asyncio.sleep(0.001)
            server.should_exit = True
            await serving


@contextmanager
def live_in_thread(app: Any, port: int = 0) -> Iterator[str]:
    """`live` for code that is not async: serve `app` in a thread with its own event loop."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(live(app, port)) as url,
    ):
        yield url
