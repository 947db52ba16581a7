"""How a gateway answers clients that do not read, leave, speak HTTP/1.0, or say too much at once.

Each test waits for what must happen; without the limits these tests hang until they are ended.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import Any

import pytest
from cluster import Cluster
from gateway.raw import CHAT_PATH, STREAM, WHOLE, answers, connected, connections, request
from gateway.running import Running, until, with_gateway

from rsd.gateway.http import server as gateway_server
from rsd.gateway.openai import writers

SHORT = "gateway.header_timeout_s=0.3"


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
    bound, dumped = gateway_server._bound, writers.dumped

    def small(host: str, port: int) -> socket.socket:
        listening = bound(host, port)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        return listening

    def long(kind: type, /, **fields: Any) -> dict[str, Any]:
        return {**dumped(kind, **fields), "padding": "x" * 1_000_000}

    monkeypatch.setattr(gateway_server, "_bound", small)
    monkeypatch.setattr(writers, "dumped", long)


@pytest.mark.parametrize("limit", ["deadline_s=0.7", "send_timeout_s=0.7"])
@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("path", [CHAT_PATH, "/v1/completions"])
def test_a_client_that_does_not_read_is_dropped(
    path: str, leaves: bool, limit: str, unread: None, cluster: Cluster
) -> None:
    """Its task, its work at the servers and its connection end with it; with `leaves` its side is
    closed, which alone would not end them: what is unsent keeps a connection open."""
    prompt = json.dumps({"model": "target", "prompt": "Add 1 and 2.", "stream": True}).encode()
    body = STREAM if path == CHAT_PATH else prompt

    async def test(gateway: Running) -> None:
        async with connected(gateway.url, receive_buffer=4096) as client:
            await client.send(request(path, body))
            await client.status()
            if leaves:
                client.writer.write_eof()
            await until(lambda: connections(gateway) == 0)
            await gateway.settled()
            await answers(gateway)

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
