"""Servers by their sockets: answers that are endless, slow, torn, or of an old version."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import pytest

from rsd.backends import Backoff, Server
from rsd.config import ModelConfig
from rsd.errors import RsdError, ServerLostError, UnusableAnswerError

pytestmark = pytest.mark.timeout(120)  # no hang

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
PIECE = b"10000\r\n" + b" " * 65536 + b"\r\n"


@asynccontextmanager
async def socket_server(serve: Serve, **limits: float) -> AsyncIterator[Server]:
    """A client of a server that answers each request by `serve`."""
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
                await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
        values = {"model": "m", "served_name": "m", "endpoint": url, **limits}
        server = Server("draft", ModelConfig.model_validate(values))
        try:
            yield server
        finally:
            await server.aclose()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


def asked(serve: Serve, timeout_s: float = 60, *, stream: bool = False) -> object:
    """What a POST gives where `serve` answers each request; with `stream` its last event."""

    async def main() -> object:
        async with socket_server(serve, timeout_s=timeout_s) as server:
            if not stream:
                return (await server.post("/x", {})).value
            found: object = None
            async with aclosing(server.stream("/x", {})) as events:
                async for event in events:
                    found = event.value
            return found

    return asyncio.run(main())


def endless(head: bytes, piece: bytes, pause_s: float = 0.0) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return serve


def once(content: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return serve


ENDLESS = {
    "a body": (CHUNKED, PIECE),
    "a body without a length": (OK + b"connection: close\r\n\r\n", b" " * 65536),
    "a refusal": (CHUNKED.replace(b"200 OK", b"500 Down"), PIECE),
    "headers": (OK, b"x-more: 1\r\n" * 100),
    "a header": (OK + b"x-more: ", b"1" * 65536),
    "informational answers": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_has_no_end_is_bounded_by_its_size_or_time(name: str) -> None:
    with pytest.raises((UnusableAnswerError, ServerLostError), match="draft server at http"):
        asked(endless(*ENDLESS[name]), timeout_s=3 if name.startswith("info") else 60)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x"])
def test_what_is_compressed_is_refused_unread(coding: str, stream: bool) -> None:
    head = OK + f"content-encoding: {coding}\r\nconnection: close\r\n\r\n".encode()
    with pytest.raises(UnusableAnswerError, match="it is compressed, which was not asked for"):
        asked(once(head + zlib.compress(bytes(10**7))), stream=stream)


@pytest.mark.parametrize(
    "piece", [b"data: {}\n\n" * 5000, b": nothing\n" * 5000, b"data: " + b"x" * 65536]
)
def test_a_stream_without_an_end_is_bounded_by_its_size(
    piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsd.backends.http._LONGEST_LINE", 2**16)
    monkeypatch.setattr("rsd.backends.http._LONGEST_STREAM", 2**18)
    head = OK + b"connection: close\r\n\r\n"
    with pytest.raises(UnusableAnswerError, match="is longer than|is too long|expected"):
        asked(endless(head, piece), stream=True)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("head", [OK + b"x: ", OK + b"\r\n"], ids=["headers", "body"])
def test_a_byte_at_a_time_is_bounded_by_time(head: bytes, stream: bool) -> None:
    with pytest.raises(ServerLostError, match=r"no answer within 0\.4 s"):
        asked(endless(head, b" ", 0.05), timeout_s=0.4, stream=stream)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_answer_that_ends_with_its_connection_is_read(version: bytes) -> None:
    assert asked(once(version + b" 200 OK\r\n\r\n" + b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 204 None\r\n\r\n",
        b"HTTP/1.1 " + b"9" * 400 + b" OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n{}",
        b"\x16\x03\x01\x00",
        OK + b"no colon\r\n\r\n{}",
        OK + b"content-length: 0\r\n\r\n",
        OK + b"content-length: 9\r\n\r\n",
        OK + b"content-length: -1\r\n\r\n{}",
        OK + b"content-length: " + b"9" * 5000 + b"\r\n\r\n{}",
        CHUNKED + b"zz\r\n{}",
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_server(content: bytes) -> None:
    with pytest.raises((UnusableAnswerError, ServerLostError), match="^draft server at http"):
        asked(once(content))


def test_a_get_is_bounded_by_a_minute_however_long_work_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rsd.backends.server._LOOK_S", 0.2)
    monkeypatch.setattr(Server, "backoff", Backoff(0, 0))

    async def main() -> None:
        async with socket_server(endless(b"", b"")) as server:
            with pytest.raises(RsdError, match=r"no answer within 0\.2 s"):
                await server.info()

    asyncio.run(main())


def test_a_step_of_the_system_clock_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the limit of a request nor its pauses follow the clock of the system."""
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert asked(once(OK + b"content-length: 2\r\n\r\n{}")) == {}
