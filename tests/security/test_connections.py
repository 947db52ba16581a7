"""A gateway on a port, and clients on bare sockets that never finish, never stop or never read.

Each test waits for what must happen; without the limits these tests hang until they are ended.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from cluster import Cluster
from gateway.raw import CHAT_PATH, STREAM, WHOLE, Raw, answers, connected, connections, request
from gateway.running import Running, until, with_gateway

SHORT = "gateway.header_timeout_s=0.3"
CHUNKED = request(CHAT_PATH, headers=[("Transfer-Encoding", "chunked")]).replace(b"GET", b"POST")


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
        await answers(gateway)

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
                await answers(gateway)
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
        await answers(gateway)

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
