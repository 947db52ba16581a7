"""`rsd gateway` is stopped and started again while clients ask, stream, wait and do not read."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from cluster import Cluster
from gateway.raw import CHAT_PATH, STREAM, WHOLE, connected, request

LOAD = (
    request(CHAT_PATH, WHOLE),
    request(CHAT_PATH, STREAM),
    request(CHAT_PATH, STREAM, version="1.0"),
    request(CHAT_PATH, STREAM)[:-1],
    request()[:-2],
    b"",
)


@contextmanager
def gateway_process(cluster: Cluster, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`rsd gateway` in a process of its own, and its URL."""
    options = ["--port", str(port), "-o", "gateway.drain_s=1"]
    command = [sys.executable, "-m", "rsd", "gateway", str(cluster.path), *options]
    environment = {k: v for k, v in os.environ.items() if k != "RSD_GATEWAY_KEYS"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[2].removesuffix("/v1")
        finally:
            process.kill()


@pytest.fixture
def with_template(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer" / "tokenizer_config.json"
    tokenizer = json.loads(path.read_text())
    path.write_text(json.dumps(tokenizer | {"chat_template": "{{ messages[-1]['content'] }}\n\n"}))


def test_a_restart_under_load(cluster: Cluster, tmp_path: Path, with_template: None) -> None:
    """It ends although clients wait, stream and do not read, leaves nothing at the servers, and
    its port is free for the next."""

    def in_work() -> int:
        return sum(app.state.engine.counters.running for app in cluster.apps.values())

    async def loaded(process: subprocess.Popen[str], url: str) -> None:
        cluster.faults("target").latency_s = 60
        async with AsyncExitStack() as stack:
            for data in LOAD * 4:
                client = await stack.enter_async_context(connected(url, receive_buffer=4096))
                await client.send(data)
            while in_work() < 12:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 60) == 0
            while in_work():
                await asyncio.sleep(0.01)
        cluster.faults("target").latency_s = 0

    port = 0
    for _ in range(2):
        with gateway_process(cluster, port) as (process, url):
            port = int(url.rpartition(":")[2])
            asyncio.run(loaded(process, url))
    with gateway_process(cluster, port) as (process, url):
        assert httpx.post(url + CHAT_PATH, json=json.loads(WHOLE), timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
