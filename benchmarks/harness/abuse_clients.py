"""Clients that abuse a gateway on this machine, all kinds at once, for a bounded time.

    python benchmarks/harness/abuse_clients.py URL SECONDS

`gateway_abuse.py` runs this as a process of its own, so that the clients' work is not the
gateway's. Prints, for each kind, how its connections ended: by which status, or closed. A URL that
is not of this machine's loopback interface is refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

CHAT_PATH = "/v1/chat/completions"
MIB = 1 << 20
LONGEST_S = 3600.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Kind:
    """One way to abuse: what a connection of it does, giving how that ended; how many do so at the
    same time; and the seconds that each waits before the next connection."""

    act: Callable[[Streams], Awaitable[str]]
    clients: int
    pause_s: float


def post(body: bytes, *, version: str = "1.1", length: str | None = None) -> bytes:
    """A request for a chat, whose `Content-Length` may be a lie."""
    head = f"POST {CHAT_PATH} HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body


def chat(**changes: object) -> bytes:
    turns = [{"role": "user", "content": "What is 12 * 13?"}]
    return json.dumps({"model": "rsd", "messages": turns, "stream": True} | changes).encode()


async def poured(streams: Streams, pieces: Iterable[bytes]) -> str:
    """Send `pieces` until the gateway ends it or all are sent; then how it was ended."""
    reader, writer = streams
    with suppress(OSError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
    return await ending(reader)


async def trickled(streams: Streams, begin: bytes, byte: bytes) -> str:
    """Send `begin`, and then a byte a second until the gateway ends it."""
    reader, writer = streams
    answered = asyncio.create_task(ending(reader))
    with suppress(OSError):
        writer.write(begin)
        while not answered.done():
            await asyncio.wait([answered], timeout=1)
            writer.write(byte)
    return await answered


async def ending(reader: asyncio.StreamReader) -> str:
    """The status of the answer, once the gateway has closed the connection or answered."""
    try:
        line = await reader.readline()
    except OSError:
        return "closed"
    return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "closed"


async def unread(streams: Streams, request: bytes, *, leaves: bool) -> str:
    """Ask for streams and read none. The connection ends when the gateway drops it, which shows in
    that a byte more can no longer be sent."""
    _, writer = streams
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    with suppress(OSError):
        writer.write(request)
        if leaves:
            writer.write_eof()
            await asyncio.sleep(2)
            return "half-closed"
        while True:
            await asyncio.sleep(1)
            writer.write(b"\r\n")
            await writer.drain()
    return "dropped"


async def hung_up(streams: Streams) -> str:
    streams[1].write(post(chat()))
    await asyncio.sleep(random.random() * 0.1)
    return "left"


def many(item: str) -> bytes:
    """A body of a mebibyte of small items."""
    items = ",".join([item] * ((MIB - 100) // (len(item) + 1)))
    return f'{{"model":"rsd","messages":[{items}]}}'.encode()


_CHUNKED = post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
_STREAMS = post(chat(n=8, rsd={"include_steps": True}))
_CHUNK = b"4000\r\n" + b" " * 16384 + b"\r\n"
_GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
_ITEMS = [many(item) for item in ("0", "[]", "{}", '""', '{"role":"user","content":""}')]

KINDS = {
    "a mebibyte of small items": Kind(lambda s: poured(s, [post(random.choice(_ITEMS))]), 3, 0.3),
    "endless header": Kind(
        lambda s: poured(s, itertools.chain([_GET[:-2] + b"a: "], itertools.repeat(b"a" * 65536))),
        2, 0.3,
    ),
    "endless headers": Kind(
        lambda s: poured(s, itertools.chain([_GET[:-2]], itertools.repeat(b"a: b\r\n" * 10_000))),
        2, 0.3,
    ),
    "unfinished headers": Kind(lambda s: trickled(s, _GET[:-2], b"a"), 700, 1.0),
    "nothing sent": Kind(lambda s: ending(s[0]), 100, 1.0),
    "slow body": Kind(lambda s: trickled(s, post(b"{", length="1000000"), b" "), 100, 1.0),
    "slow large body": Kind(
        lambda s: trickled(s, post(b" " * 900_000, length="1000000"), b" "), 40, 1.0
    ),
    "body in small chunks": Kind(lambda s: poured(s, [_CHUNKED, b"1\r\n \r\n" * MIB]), 1, 0.5),
    "endless body": Kind(
        lambda s: poured(s, itertools.chain([_CHUNKED], itertools.repeat(_CHUNK))), 2, 0.3
    ),
    "length of 5,000 digits": Kind(lambda s: poured(s, [post(b"{}", length="9" * 5000)]), 2, 0.2),
    "stream never read": Kind(lambda s: unread(s, _STREAMS, leaves=False), 4, 1.0),
    "half-closed, never read": Kind(lambda s: unread(s, _STREAMS, leaves=True), 4, 1.0),
    "10,000 requests at once": Kind(lambda s: poured(s, [_GET * 10_000]), 2, 0.5),
    "HTTP/1.0 stream": Kind(lambda s: poured(s, [post(chat(), version="1.0")]), 2, 0.5),
    "hung up": Kind(hung_up, 2, 0.5),
}  # fmt: skip
"""All kinds. Their rates are bounded: on two cores the abusers must leave the gateway one."""


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[Streams]:
    """A connection with a small receive buffer, reset at the end."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        streams = await asyncio.open_connection(sock=sock, limit=4096)
    except OSError:
        sock.close()
        raise
    try:
        yield streams
    finally:
        streams[1].transport.abort()


async def abuse(url: str, seconds: float) -> dict[str, Counter[str]]:
    """How the connections of each kind ended, in `seconds`."""
    ended: dict[str, Counter[str]] = {name: Counter() for name in KINDS}
    until = time.monotonic() + min(seconds, LONGEST_S)

    async def client(name: str, kind: Kind) -> None:
        await asyncio.sleep(random.random() * kind.pause_s)
        while time.monotonic() < until:
            try:
                async with connection(urlsplit(url).port or 80) as streams:
                    ended[name][await kind.act(streams)] += 1
            except OSError as error:
                ended[name][type(error).__name__] += 1
            await asyncio.sleep(kind.pause_s * (0.5 + random.random()))

    tasks = [
        asyncio.create_task(client(name, kind))
        for name, kind in KINDS.items()
        for _ in range(kind.clients)
    ]
    await asyncio.wait(tasks, timeout=max(0.0, until - time.monotonic()))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return ended


def main() -> int:
    url, seconds = sys.argv[1], float(sys.argv[2])
    if urlsplit(url).hostname != "127.0.0.1":
        sys.exit(f"{url}: only a gateway on 127.0.0.1 is abused")
    print(json.dumps({name: dict(each) for name, each in asyncio.run(abuse(url, seconds)).items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
