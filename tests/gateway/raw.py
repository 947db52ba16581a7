"""Clients that speak to a gateway by bare sockets, and not as they should."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.running import CHAT, Running

CHAT_PATH = "/v1/chat/completions"
STREAM = json.dumps({"model": "target", "messages": CHAT, "stream": True}).encode()
WHOLE = json.dumps({"model": "target", "messages": CHAT}).encode()
PATIENCE_S = 60.0
"""Nothing here should take that long: it is to end a test that hangs."""


@dataclass(frozen=True)
class Raw:
    """A connection of a client to a gateway."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def pour(self, pieces: Iterable[bytes]) -> bool:
        """Send `pieces` until the gateway closes the connection; False if it took all of them."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                for piece in pieces:
                    await self.send(piece)
                    await asyncio.sleep(0)
        except TimeoutError:  # also an OSError
            return False
        except OSError:
            return True
        return False

    async def rest(self) -> bytes:
        """All that comes until the gateway closes the connection."""
        got = b""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(OSError):
                while data := await self.reader.read(65536):
                    got += data
        return got

    async def status(self) -> int:
        """The status of the next answer; its head is read, its body not."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1])

    async def closed(self) -> bool:
        """Whether the gateway has closed the connection or does so within the patience."""
        await self.rest()
        return True


@asynccontextmanager
async def connected(url: str, *, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
    """A connection to the gateway at `url`, reset at the end. `receive_buffer` bounds what the
    system takes for a client that does not read, in bytes."""
    sock = socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    parts = urlsplit(url)
    await asyncio.get_running_loop().sock_connect(sock, (parts.hostname, parts.port))
    limit = 1024 if receive_buffer is not None else 1 << 20
    reader, writer = await asyncio.open_connection(sock=sock, limit=limit)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


def request(
    path: str = "/health/live",
    body: bytes = b"",
    *,
    version: str = "1.1",
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The bytes of a request to localhost; with a body it is a POST of JSON."""
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/{version}", "Host: localhost"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def answers(gateway: Running) -> None:
    """Raise unless an ordinary client on a new connection is answered."""
    async with connected(gateway.url) as client:
        await client.send(request())
        assert await client.status() == 200


def connections(gateway: Running) -> int:
    """How many are open at the gateway."""
    return len(gateway.server.server_state.connections)
