"""Run an ASGI app on a real port of this machine, for as long as a block lasts.

A transport that calls the app directly buffers whole answers and never disconnects; streaming
and cancellation can only be tested against a server.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import Any

import uvicorn

from rsd.errors import LaunchError

_HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """Calls `ready` when it listens, and leaves the process's signals to whoever runs it."""

    def __init__(self, app: Any, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def live(app: Any, port: int = 0) -> AsyncIterator[str]:
    """Serve `app` in the running event loop; gives its URL, such as `http://127.0.0.1:41234`.

    Port 0 takes a free one. Requests still in work a second after the end of the block are
    cancelled. Raises `LaunchError` if the port is taken.
    """
    ready = asyncio.Event()
    with _bound(port) as listening:
        server = _Server(app, ready.set)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        serving.add_done_callback(lambda _: ready.set())
        await ready.wait()
        try:
            yield f"http://{_HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@contextmanager
def live_in_thread(app: Any, port: int = 0) -> Iterator[str]:
    """`live` for code that is not async: serve `app` in a thread with its own event loop."""
    ready = threading.Event()
    with _bound(port) as listening:
        server = _Server(app, ready.set)
        url = f"http://{_HOST}:{listening.getsockname()[1]}"
        with ThreadPoolExecutor(1, thread_name_prefix="fake-server") as executor:
            serving = executor.submit(lambda: asyncio.run(server.serve(sockets=[listening])))
            serving.add_done_callback(lambda _: ready.set())
            ready.wait()
            try:
                yield url
            finally:
                server.should_exit = True
                serving.result()


@contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    """A socket bound to `port` of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, port))
        except OSError as error:
            raise LaunchError(
                f"port {port} of {_HOST}: {error.strerror}; stop what listens there or choose "
                f"another"
            ) from error
        yield listening
