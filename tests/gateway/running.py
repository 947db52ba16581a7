"""A gateway on a port, over the fake servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
from cluster import Cluster

from rsd.backends import Backends, connect, load_tokenizer
from rsd.config import Config
from rsd.gateway import Gateway
from rsd.gateway.catalog import catalog, connection_config
from rsd.gateway.http.server import GatewayServer, answering
from rsd.grading import GraderPool
from rsd.protocols import Strategy
from rsd.runs.strategies import connected_strategy

QUESTION = "Ann has 10 pens, gets 20 and loses 5. How many are left?"
CHAT = [{"role": "user", "content": QUESTION}]
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"

_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


@dataclass(frozen=True)
class Running:
    """The gateway, where it answers, and the fakes behind it."""

    gateway: Gateway
    server: GatewayServer
    cluster: Cluster
    clients: list[openai.AsyncOpenAI] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def client(self, key: str = "none", **options: Any) -> openai.AsyncOpenAI:
        options = {"max_retries": 0, "timeout": 60} | options
        client = openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, **options)
        self.clients.append(client)
        return client

    def in_work(self) -> int:
        """Requests that the fakes are working on."""
        return sum(app.state.engine.counters.running for app in self.cluster.apps.values())

    async def settled(self) -> None:
        """Wait until nothing is in work behind the gateway."""
        while self.in_work() or decoding_tasks():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    cluster: Cluster, *overrides: str, keys: tuple[str, ...] = ()
) -> AsyncIterator[Running]:
    """A gateway over `cluster`, in this event loop."""
    config = cluster.config("gateway.drain_s=1", *overrides)
    tokenizer = load_tokenizer(config.models.target.model)
    tokenizer.chat_template = _TEMPLATE
    async with (
        GraderPool(workers=1) as grader,
        connect(connection_config(catalog(config).values())) as backends,
    ):

        def build(wanted: Config, servers: Backends) -> Strategy:
            return connected_strategy(wanted, servers, grader)

        gateway = Gateway(config, backends, build, tokenizer, keys)
        async with answering(gateway, "127.0.0.1", 0) as server:
            started = Running(gateway, server, cluster)
            try:
                yield started
            finally:
                for client in started.clients:
                    await client.close()


@contextmanager
def running_in_thread(cluster: Cluster, *overrides: str) -> Iterator[str]:
    """`running` for code that is not async; gives the URL."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started: Future[str] = Future()

    async def main() -> None:
        async with running(cluster, *overrides) as gateway:
            started.set_result(gateway.url)
            await stop.wait()

    with ThreadPoolExecutor(1) as executor:
        serving = executor.submit(loop.run_until_complete, main())
        serving.add_done_callback(lambda done: started.done() or started.set_exception(_why(done)))
        try:
            yield started.result()
        finally:
            loop.call_soon_threadsafe(stop.set)
            serving.result()
            loop.close()


def _why(done: Future[None]) -> BaseException:
    return done.exception() or RuntimeError("the gateway ended before it answered")


def decoding_tasks() -> list[asyncio.Task[Any]]:
    """Tasks of this loop that work on an answer."""
    names = ("_deliver", "one", "disconnected")
    return [
        task
        for task in asyncio.all_tasks()
        if getattr(task.get_coro(), "__name__", "") in names and not task.done()
    ]


def with_gateway(
    cluster: Cluster,
    test: Callable[[Running], Awaitable[None]],
    *overrides: str,
    keys: tuple[str, ...] = (),
) -> None:
    """Run `test` on a gateway over `cluster`."""

    async def main() -> None:
        async with running(cluster, *overrides, keys=keys) as gateway:
            await test(gateway)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for `condition`; raises `TimeoutError` after a minute."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)
