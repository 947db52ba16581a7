"""A gateway on a port, and clients on bare sockets that never finish, never stop or never read.

Each test waits for what must happen; without the limits these tests hang until they are ended.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from cluster import Cluster
from gateway.raw import PATIENCE_S, Raw, connected, request
from gateway.running import CHAT, Running, running

from rsd.gateway import server as gateway_server
from rsd.gateway.answers import Writer

SHORT = "gateway.header_timeout_s=0.3"
STREAM = json.dumps({"model": "target", "messages": CHAT, "stream": True}).encode()
WHOLE = json.dumps({"model": "target", "messages": CHAT}).encode()
CHAT_PATH = "/v1/chat/completions"
CHUNKED = request(CHAT_PATH, headers=[("Transfer-Encoding", "chunked")]).replace(b"GET", b"POST")


def with_gateway(
    cluster: Cluster, test: Callable[[Running], Awaitable[None]], *overrides: str
) -> None:
    async def main() -> None:
        async with running(cluster, *overrides) as gateway:
            await test(gateway)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def alive(gateway: Running) -> None:
    """An ordinary client on a new connection is answered."""
    async with connected(gateway.url) as client:
        await client.send(request())
        assert await client.status() == 200


def connections(gateway: Running) -> int:
    return len(gateway.server.server_state.connections)


ENDLESS = {
    "a method": (b"", b"G" * 4096),
    "a path": (b"GET /", b"a" * 4096),
    "a query": (b"GET /?", b"a" * 4096),
    "a name": (b"GET / HTTP/1.1\r\n", b"a" * 4096),
    "a value": (b"GET / HTTP/1.1\r\na: ", b"a" * 4096),
    "small headers": (b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 700),
    "empty lines": (b"", b"\r\n" * 2048),
    "an extension": (CHUNKED + b"1;", b"a" * 4096),
    "a chunk's length": (CHUNKED, b"0" * 4096),
    "a trailer": (CHUNKED + b"0\r\na: ", b"a" * 4096),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 700),
    "a body": (CHUNKED, b"1000\r\n" + b" " * 4096 + b"\r\n"),
    "a body in small chunks": (CHUNKED, b"1\r\n \r\n" * 700),
    "a refused body": (
        request("/v1/nothing", b" ")[:-1].replace(b": 1\r", b": 9999999999\r"),
        b" ",
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_is_cut_off(kind: str, cluster: Cluster) -> None:
    begin, more = ENDLESS[kind]

    async def test(gateway: Running) -> None:
        async with connected(gateway.url) as client:
            await client.send(begin)
            assert await client.pour(itertools.repeat(more))
        await until(lambda: connections(gateway) == 0)
        await alive(gateway)

    with_gateway(cluster, test, SHORT)


UNFINISHED = {
    "nothing": b"",
    "a word": b"GE",
    "a line": b"GET / HTTP/1.1\r\n",
    "headers": request()[:-2],
    "a second request": request() + b"GET /",
    "a line after an answer": request() + b"\r\n",
    "a body": request(CHAT_PATH, WHOLE)[:-1],
    "a chunk": CHUNKED + b"5\r\nab",
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\na: b\r\n",
    "a body that nobody reads": request("/health/live", WHOLE)[:-1],
    "a body refused": request("/v1/chat/completions", b"a" * 9)[:-1].replace(b": 9", b": 9999999"),
}


@pytest.mark.parametrize("kind", UNFINISHED)
def test_a_request_that_is_never_finished_is_ended(kind: str, cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with connected(gateway.url) as client:
            await client.send(UNFINISHED[kind])
            said = await client.rest()
            assert b"HTTP/1.1 500" not in said
        await until(lambda: connections(gateway) == 0)
        assert gateway.in_work() == 0

    with_gateway(cluster, test, SHORT, "gateway.body_timeout_s=0.3")


LENGTHS = {
    "9" * 5000: 400,
    "0" * 5000 + "1": 400,
    "9" * 19: 400,
    "-1": 400,
    "+1": 400,
    "1_0": 400,
    "0x10": 400,
    "1e3": 400,
    "1.0": 400,
    "": 400,
    "ten": 400,
    "1, 2": 400,
    "\u00b2": 400,
    "2000000": 413,
}


@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: ascii(length)[:12])
def test_a_length_that_is_none_is_refused(length: str, cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        head = request(CHAT_PATH, b"{}")[:-2].replace(
            b"Content-Length: 2", b"Content-Length: " + length.encode("latin-1")
        )
        async with connected(gateway.url) as client:
            await client.send(head)
            assert await client.status() == LENGTHS[length]

    with_gateway(cluster, test, SHORT)


@asynccontextmanager
async def crowd(gateway: Running, number: int, data: bytes) -> AsyncIterator[list[Raw]]:
    """`number` connections that have sent `data` and wait."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(number):
            client = await stack.enter_async_context(connected(gateway.url))
            await client.pour([data] if data else [])
            clients.append(client)
        yield clients


@pytest.mark.parametrize("sent", ["nothing", "a word", "headers", "a body", "a chunk"])
def test_those_that_wait_make_room_for_those_that_ask(sent: str, cluster: Cluster) -> None:
    """Those in work are spared, and so are, before the others, those that were answered."""

    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 0.2
        async with connected(gateway.url) as known, connected(gateway.url) as busy:
            await known.send(request())
            assert await known.status() == 200
            await busy.send(request(CHAT_PATH, STREAM))
            await until(lambda: gateway.in_work() == 1)
            async with crowd(gateway, 40, UNFINISHED[sent]):
                await until(lambda: connections(gateway) <= 10)
                await alive(gateway)
                answer = await busy.reader.readuntil(b"[DONE]")
                assert b"finish_reason" in answer
                await known.send(request())
                assert b"HTTP/1.1 200" in await known.reader.readuntil(b"\r\n\r\n")

    with_gateway(cluster, test, "gateway.max_connections=10")


def test_when_all_are_in_work_a_further_one_is_told_so(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 30
        async with crowd(gateway, 3, request(CHAT_PATH, WHOLE)):
            await until(lambda: gateway.in_work() == 3)
            async with connected(gateway.url) as client:
                assert await client.status() == 503
                assert await client.closed()
        await gateway.settled()
        await alive(gateway)

    with_gateway(cluster, test, "gateway.max_connections=3")


def test_large_bodies_arrive_a_few_at_a_time_and_small_ones_pass(cluster: Cluster) -> None:
    large = request(CHAT_PATH, b" " * 100_000 + WHOLE)

    async def test(gateway: Running) -> None:
        async with crowd(gateway, 2, large[:-1]) as slow, connected(gateway.url) as third:
            await asyncio.sleep(0.1)
            await third.pour([large])
            assert await third.status() == 503
            async with connected(gateway.url) as small:
                await small.send(request(CHAT_PATH, WHOLE))
                assert await small.status() == 200
            for client in slow:
                await client.send(large[-1:])
                assert await client.status() == 200
            async with connected(gateway.url) as again:
                await again.send(large)
                assert await again.status() == 200

    with_gateway(cluster, test, "gateway.max_large_bodies=2")


@pytest.mark.parametrize(
    "more", [request(), request() * 10_000, b"no HTTP\r\n\r\n", b"\x00" * 99_999]
)
@pytest.mark.parametrize("body", [STREAM, WHOLE])
def test_what_comes_before_the_answer_is_not_read(
    body: bytes, more: bytes, cluster: Cluster
) -> None:
    """The answer comes whole, the connection closes after it, and whoever leaves is noticed."""

    async def test(gateway: Running) -> None:
        async with connected(gateway.url) as client:
            await client.pour([request(CHAT_PATH, body) + more])
            answer = await client.rest()
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200"]
        assert b"[DONE]" in answer or answer.endswith(b"}")
        cluster.faults("target").latency_s = 60
        async with connected(gateway.url) as client:
            await client.pour([request(CHAT_PATH, body) + more])
            await until(lambda: gateway.in_work() == 1)
        await gateway.settled()
        assert connections(gateway) == 0

    with_gateway(cluster, test)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of megabytes, and a system that keeps next to nothing of what is not read."""
    bound, chunk = gateway_server._bound, Writer.step_chunk

    def small(host: str, port: int) -> socket.socket:
        listening = bound(host, port)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listening

    def long(self: Writer, *arguments: Any) -> dict[str, Any]:
        return {**(chunk(self, *arguments) or {}), "padding": "x" * 1_000_000}

    monkeypatch.setattr(gateway_server, "_bound", small)
    monkeypatch.setattr(Writer, "step_chunk", long)


@pytest.mark.parametrize("limit", ["deadline_s=0.7", "send_timeout_s=0.7"])
@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("path", [CHAT_PATH, "/v1/completions"])
def test_a_client_that_does_not_read_is_dropped(
    path: str, leaves: bool, limit: str, unread: None, cluster: Cluster
) -> None:
    """Its task, its work at the servers and its connection end with it; with `leaves` its side is
    closed, which alone would not end them: what is unsent keeps a connection open."""
    body = STREAM if path == CHAT_PATH else STREAM.replace(b"messages", b"prompt")
    if path != CHAT_PATH:
        body = json.dumps({"model": "target", "prompt": "Add 1 and 2.", "stream": True}).encode()

    async def test(gateway: Running) -> None:
        async with connected(gateway.url, receive_buffer=4096) as client:
            await client.send(request(path, body))
            await client.status()
            if leaves:
                client.writer.write_eof()
            await until(lambda: connections(gateway) == 0)
            await gateway.settled()
            await alive(gateway)

    with_gateway(cluster, test, f"gateway.{limit}")


def test_a_client_that_reads_slowly_gets_all(unread: None, cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with connected(gateway.url, receive_buffer=65536) as client:
            await client.send(request(CHAT_PATH, STREAM, headers=[("Connection", "close")]))
            got = 0
            while data := await client.reader.read(50_000):
                got += len(data)
                await asyncio.sleep(0.02)
            assert got > 2_000_000

    with_gateway(cluster, test, "gateway.send_timeout_s=1")


@pytest.mark.parametrize("body", [STREAM, WHOLE])
def test_http_1_0_gets_no_chunks(body: bytes, cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with connected(gateway.url) as client:
            await client.send(request(CHAT_PATH, body, version="1.0"))
            head, _, answer = (await client.rest()).partition(b"\r\n\r\n")
        lowered = head.lower()
        assert lowered.split(b"\r\n")[0].endswith(b" 200 ok")
        assert b"transfer-encoding" not in lowered
        assert b"content-length: %d\r\n" % len(answer) in lowered + b"\r\n"
        if body is WHOLE:
            assert json.loads(answer)["choices"]
        else:
            assert answer.startswith(b"data: {")
            assert answer.endswith(b"data: [DONE]\n\n")

    with_gateway(cluster, test)


@pytest.mark.parametrize("body", [STREAM, WHOLE])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_whoever_closes_his_side_is_gone(body: bytes, version: str, cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 60
        async with connected(gateway.url) as client:
            await client.send(request(CHAT_PATH, body, version=version))
            await until(lambda: gateway.in_work() == 1)
            client.writer.write_eof()
            assert await client.closed()
            await gateway.settled()

    with_gateway(cluster, test)


def test_upgrades_and_tunnels_are_not_taken(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                   ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
                   ("Sec-WebSocket-Version", "13")]  # fmt: skip
        async with connected(gateway.url) as client:
            await client.send(request(headers=upgrade))
            assert await client.status() == 200
        async with connected(gateway.url) as client:
            await client.send(b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await client.status() in (400, 404, 405)

    with_gateway(cluster, test, SHORT)
