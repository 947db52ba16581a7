"""A proxy that breaks what passes through it, to see what rsd makes of it.

    proxy = FaultProxy("http://127.0.0.1:8001", Schedule(seed=7, rate=0.2))
    async with proxy.listening() as url: ...      # or: with proxy.in_thread() as url: ...

It stands before a fake or a real server, whose answers it passes on as they are but for the
requests that its schedule picks. `injected` counts what it did to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from rsd.testing.broken import (
    CONNECTION_FAULTS,
    Fault,
    broken_answer,
    refusal,
    renamed,
    suits,
)

_HOST = "127.0.0.1"


class Schedule:
    """Which of the requests for work (`POST`) are broken, and how: drawn by `seed`.

    Each is broken with probability `rate`, by one of `kinds` after the other in random order, but
    what has the same prompt at most `most` times.
    """

    def __init__(self, seed: int, rate: float, kinds: Sequence[Fault], most: int = 2) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._rate = rate
        self._kinds = tuple(kinds)
        self._most = most
        self._next: list[Fault] = []
        self._broken: Counter[str] = Counter()

    def draw(self, path: str, body: bytes) -> Fault | None:
        """What to do to the next request; None: nothing."""
        prompts = _prompts(body)
        spared = any(self._broken[prompt] >= self._most for prompt in prompts)
        if self._random.random() >= self._rate or spared:
            return None
        if not any(suits(fault, path) for fault in self._next):
            self._next += self._random.sample(self._kinds, len(self._kinds))
        fault = next((fault for fault in self._next if suits(fault, path)), None)
        if fault is None:
            return None
        self._next.remove(fault)
        self._broken.update(prompts)
        return fault


@dataclass(slots=True)
class _Message:
    """A request or an answer: its first line and headers, and its body."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode("ascii", "replace")

    @property
    def asks_for_work(self) -> bool:
        return self.head.startswith(b"POST ") and self.path != "/detokenize"


class FaultProxy:
    """Passes requests on to the server at `upstream`, one a connection, but breaks those that
    `schedule` picks; None: none. It may be set at any time, as may `model`, another model for
    the server to claim, and `latency_s`, which delays every answer.

    `down_s` is how long nothing listens at `port` after the fault `down`. `requests` counts those
    for work, `injected` the faults by kind.
    """

    def __init__(
        self, upstream: str, schedule: Schedule | None = None, *, down_s: float = 0.05
    ) -> None:
        parts = urlsplit(upstream)
        self.schedule = schedule
        self.model: str | None = None
        self.latency_s = 0.0
        self.requests = 0
        self.injected: Counter[Fault] = Counter()
        self._address = parts.hostname or _HOST, parts.port or 80
        self.down_s = down_s
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._reopening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[str]:
        """Serve in the running event loop; gives the URL. Port 0 takes a free one."""
        self.port = port
        await self.start()
        try:
            yield f"http://{_HOST}:{self.port}"
        finally:
            if self._reopening is not None:
                self._reopening.cancel()
            await self.stop()

    @contextmanager
    def in_thread(self, port: int = 0) -> Iterator[str]:
        """`listening` for code that is not async."""
        ready, loop_of = threading.Event(), []

        async def serve() -> None:
            ended = asyncio.Event()
            async with self.listening(port) as url:
                loop_of.append((asyncio.get_running_loop(), ended, url))
                ready.set()
                await ended.wait()

        with ThreadPoolExecutor(1, thread_name_prefix="fault-proxy") as executor:
            serving = executor.submit(lambda: asyncio.run(serve()))
            serving.add_done_callback(lambda _: ready.set())
            ready.wait()
            if not loop_of:
                serving.result()
            loop, ended, url = loop_of[0]
            try:
                yield url
            finally:
                loop.call_soon_threadsafe(ended.set)
                serving.result()

    async def start(self) -> None:
        """Listen (again)."""
        self._server = await asyncio.start_server(self._serve, _HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and break those that are open."""
        if self._server is not None:
            self._server.close()
        self._server = None
        for task, writer in self._open.items():
            _reset(writer)
            if task is not asyncio.current_task():
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(await _read(reader), reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio would print it
        finally:
            del self._open[task]
            writer.close()

    async def _answer(
        self, request: _Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        fault = None
        if request.asks_for_work:
            self.requests += 1
            if self.schedule is not None:
                fault = self.schedule.draw(request.path, request.body)
        if fault:
            self.injected[fault] += 1
        if fault == "down":
            await self.stop()
            self._reopening = asyncio.create_task(self._reopen())
        elif fault == "reset":
            _reset(writer)
        elif fault == "stall":
            await reader.read()
        elif fault in CONNECTION_FAULTS:
            pass  # closed without a word
        elif answer := await self._pass_on(request, reader, fault):
            await self._send(answer, fault, reader, writer)

    async def _pass_on(
        self, request: _Message, reader: asyncio.StreamReader, fault: Fault | None
    ) -> _Message | None:
        """The answer to give, perhaps broken; None if the client left meanwhile."""
        if fault and (refused := refusal(fault)):
            return _Message(*refused)
        asking, leaving = (
            asyncio.ensure_future(self._ask(request)),
            asyncio.ensure_future(reader.read()),
        )
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return None
            answer = asking.result()
        finally:
            asking.cancel()
            leaving.cancel()
            await asyncio.gather(asking, leaving, return_exceptions=True)
        if fault:
            return _Message(answer.head, broken_answer(fault, answer.body))
        if self.model is not None and request.path == "/v1/models":
            return _Message(answer.head, renamed(answer.body, self.model))
        return answer

    async def _ask(self, request: _Message) -> _Message:
        await asyncio.sleep(self.latency_s)
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(_with_length(request.head, len(request.body)) + request.body)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            return _Message(head, body)
        finally:
            writer.close()

    async def _send(
        self,
        answer: _Message,
        fault: Fault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        chunked = b"transfer-encoding: chunked" in answer.head.lower()
        head = answer.head + b"\r\n\r\n" if chunked else _with_length(answer.head, len(answer.body))
        half = len(answer.body) // 2
        if fault in ("torn", "stalled midway", "reset midway"):
            writer.write(head + answer.body[:half])
            await writer.drain()
            if fault == "stalled midway":
                await reader.read()
            elif fault == "reset midway":
                await asyncio.sleep(0.01)  # let the half arrive
                _reset(writer)
        elif fault == "trickle":
            writer.write(head)
            leaving = asyncio.ensure_future(reader.read())
            for byte in answer.body[:-1] + b" " * 10_000:
                writer.write(bytes([byte]))
                if (await asyncio.wait([leaving], timeout=0.02))[0]:
                    break
        else:
            writer.write(head + answer.body)
            await writer.drain()

    async def _reopen(self) -> None:
        await asyncio.sleep(self.down_s)
        await self.start()


def _prompts(body: bytes) -> list[str]:
    """What a request asks about: several things, if their scores go together."""
    asked = json.loads(body)
    prompt = asked.get("input", asked.get("prompt"))
    several = isinstance(prompt, list) and prompt and isinstance(prompt[0], list)
    return [json.dumps(each) for each in (prompt if several else [prompt])]


async def _read(reader: asyncio.StreamReader) -> _Message:
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    return _Message(head, await reader.readexactly(lengths[0]) if lengths else b"")


def _with_length(head: bytes, length: int) -> bytes:
    """`head` for a message of `length` bytes, the only one of its connection."""
    own = (b"content-length:", b"connection:")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(own)]
    more = [b"content-length: %d" % length, b"connection: close", b"", b""]
    return b"\r\n".join([*lines, *more])


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection: what comes next at the other end is an error, not its end."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
