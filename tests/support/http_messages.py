"""HTTP messages as the proxy of `fault_proxy` passes them on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass


@dataclass(slots=True)
class Message:
    """A request or an answer: its first line and headers, and its body."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode("ascii", "replace")

    @property
    def asks_for_work(self) -> bool:
        return self.head.startswith(b"POST ") and self.path != "/detokenize"


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next request of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return Message(head, await reader.readexactly(lengths[0]) if lengths else b"")


def with_length(head: bytes, length: int) -> bytes:
    """`head` for a message of `length` bytes, the only one of its connection."""
    own = (b"content-length:", b"connection:")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(own)]
    more = [b"content-length: %d" % length, b"connection: close", b"", b""]
    return b"\r\n".join([*lines, *more])


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection: what comes next at the other end is an error, not its end."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
