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
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

from broken import (
    CONNECTION_FAULTS,
    Fault,
    broken_answer,
    refusal,
    renamed,
    suits,
)
from http_messages import Message, read_message, reset, with_length

Change = Callable[[str, bytes, bytes, bytes], tuple[bytes, bytes]]
"""Head and body of an answer, by path and body of the request and head and body of the answer."""

_HOST = "127.0.0.1"


class Schedule:
    """Which of the requests for work (`POST`) are broken, and how: drawn by `seed`.

    Each is broken with probability `rate`, by one of `kinds` after the other in random order, but
    what has the same prompt at most `most` times.
    """

    def __init__(self, seed: int, rate: float, kinds: Sequence[Fault], most: int = 2) -> None:
        self._random = random.Random(seed)
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
        self.change: Change | None = None
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
            reset(writer)
            if task is not asyncio.current_task():
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(await read_message(reader), reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio would print it
        finally:
            del self._open[task]
            writer.close()

    async def _answer(
        self, request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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
            reset(writer)
        elif fault in ("stall", "half closed"):
            if fault == "half closed":
                writer.write_eof()
            await reader.read()
        elif fault in CONNECTION_FAULTS:
            pass  # closed without a word
        elif answer := await self._pass_on(request, reader, fault):
            await self._send(answer, fault, reader, writer)

    async def _pass_on(
        self, request: Message, reader: asyncio.StreamReader, fault: Fault | None
    ) -> Message | None:
        """The answer to give, perhaps broken; None if the client left meanwhile."""
        if fault and (refused := refusal(fault)):
            return Message(*refused)
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
            packed = b"\r\ncontent-encoding: gzip" if fault == "compressed" else b""
            return Message(answer.head + packed, broken_answer(fault, answer.body))
        if self.change is not None:
            return Message(*self.change(request.path, request.body, answer.head, answer.body))
        if self.model is not None and request.path == "/v1/models":
            return Message(answer.head, renamed(answer.body, self.model))
        return answer

    async def _ask(self, request: Message) -> Message:
        await asyncio.sleep(self.latency_s)
        reader, writer = await asyncio.open_connection(*self._address)
        try:
            writer.write(with_length(request.head, len(request.body)) + request.body)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            return Message(head, body)
        finally:
            writer.close()

    async def _send(
        self,
        answer: Message,
        fault: Fault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        chunked = b"transfer-encoding: chunked" in answer.head.lower()
        head = answer.head + b"\r\n\r\n" if chunked else with_length(answer.head, len(answer.body))
        half = len(answer.body) // 2
        if fault in ("torn", "stalled midway", "reset midway"):
            writer.write(head + answer.body[:half])
            await writer.drain()
            if fault == "stalled midway":
                await reader.read()
            elif fault == "reset midway":
                await asyncio.sleep(0.01)  # let the half arrive
                reset(writer)
        elif fault == "headers only":
            writer.write(head)
            await writer.drain()
        elif fault == "endless headers":
            writer.write(answer.head)
            leaving = asyncio.ensure_future(reader.read())
            while not leaving.done():
                writer.write(b"\r\nx-more: 1" * 100)
                await asyncio.wait([leaving], timeout=0.001)
        elif fault == "HTTP/1.0":
            writer.write(head.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + answer.body)
            await writer.drain()
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
