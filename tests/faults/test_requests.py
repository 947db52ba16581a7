"""One request through a proxy that breaks it: what is asked again, and what is raised."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from broken import FAULTS, HARMLESS, Fault, suits
from byte_tokenizer import save_byte_tokenizer
from fault_proxy import FaultProxy, Schedule

from rsd.backends import (
    CompletionsGenerator,
    RetryStatistics,
    Server,
    SkyworkScorer,
    counting_retries,
    load_tokenizer,
)
from rsd.backends.failures import wished_pause
from rsd.backends.http import StatusError
from rsd.config import ModelConfig
from rsd.errors import RsdError, ServerLostError, UnusableAnswerError
from rsd.protocols import Sampling
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live
from rsd.types import Prefix, Role

SLOW: tuple[Fault, ...] = ("stall", "stalled midway", "trickle")
LOST: tuple[Fault, ...] = (
    *("reset", "reset midway", "dropped", "torn", "429", "503", "headers only", "half closed"),
    *SLOW,
)
MENDED = tuple(fault for fault in FAULTS if fault not in (*SLOW, *HARMLESS, "down"))
WORK: dict[Role, str] = {"draft": "/v1/completions", "prm": "/classify"}
CASES = [(role, fault) for role, path in WORK.items() for fault in MENDED if suits(fault, path)]


@asynccontextmanager
async def disturbed_server(
    role: Role, timeout_s: float = 20
) -> AsyncIterator[tuple[FaultProxy, Server]]:
    """A fake behind a proxy, and a client that has asked it what it serves."""
    behavior = (
        Behavior(reward=lambda _: 0.75) if role == "prm" else Behavior(write=lambda *_: "a\n\nb")
    )
    async with live(create_app(behavior, served_name="m")) as upstream:
        proxy = FaultProxy(upstream)
        async with proxy.listening() as url:
            config = ModelConfig(
                model="m", served_name="m", endpoint=f"{url}/v1", timeout_s=timeout_s
            )
            server = Server(role, config)
            await server.info()
            try:
                yield proxy, server
            finally:
                await server.aclose()


@cache
def tokenizer() -> Any:
    with TemporaryDirectory() as folder:
        save_byte_tokenizer(Path(folder))
        return load_tokenizer(folder)


async def work(server: Server) -> str | float:
    """What a generator or a scorer reads from the server's answer."""
    if server.role == "prm":
        scorer = SkyworkScorer(server, tokenizer(), separator="\n\n")
        return (await scorer.score("q", ["a step"])).reward
    generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
    sampling = Sampling(stop=("\n\n",))
    return (await generator.generate(Prefix("p"), max_tokens=9, sampling=sampling)).text


def ask(
    role: Role, fault: Fault, times: int, timeout_s: float = 20
) -> tuple[str | float | RsdError, RetryStatistics, int]:
    """The answer to one request, of which the first `times` attempts are broken; its retries;
    how often it was sent."""

    async def asked() -> tuple[str | float | RsdError, RetryStatistics, int]:
        retries = RetryStatistics()
        async with disturbed_server(role, timeout_s) as (proxy, server):
            proxy.schedule = Schedule(seed=0, rate=1, kinds=[fault], most=times)
            try:
                with counting_retries(retries):
                    return await work(server), retries, proxy.requests
            except RsdError as error:
                return error, retries, proxy.requests

    return asyncio.run(asked())


@pytest.mark.parametrize(("role", "fault"), CASES)
def test_what_fails_twice_is_asked_a_third_time(role: Role, fault: Fault) -> None:
    answer, retries, requests = ask(role, fault, 2)
    assert answer == (0.75 if role == "prm" else "a")
    assert (retries.retries, requests) == (2, 3)
    assert retries.seconds > 0


@pytest.mark.parametrize(("role", "fault"), CASES)
def test_what_fails_three_times_is_an_error(role: Role, fault: Fault) -> None:
    error, retries, requests = ask(role, fault, 3)
    assert type(error) is (ServerLostError if fault in LOST else UnusableAnswerError)
    assert str(error).startswith(f"{role} server at http://127.0.0.1:")
    assert (retries.retries, requests) == (2, 3)


@pytest.mark.parametrize("fault", SLOW)
def test_no_second_timeout_is_waited_for(fault: Fault) -> None:
    error, retries, requests = ask("draft", fault, 3, timeout_s=0.3)
    assert type(error) is ServerLostError
    assert error.reached
    assert "no answer within 0.3 s" in str(error)
    assert (retries.retries, requests) == (0, 1)
    assert retries.seconds > 0.2  # an event loop's clock may be a little ahead of ours


@pytest.mark.parametrize("fault", HARMLESS)
def test_what_is_only_unusual_is_read(fault: Fault) -> None:
    answer, retries, _ = ask("prm", fault, 1)
    assert (answer, retries.retries) == (0.75, 0)


def test_a_server_that_is_gone_is_lost_before_it_is_reached() -> None:
    async def asked() -> None:
        async with disturbed_server("draft") as (proxy, server):
            await proxy.stop()
            with pytest.raises(ServerLostError, match="cannot be reached.*is it running") as raised:
                await work(server)
            assert not raised.value.reached
            await proxy.start()
            assert await work(server) == "a"

    asyncio.run(asked())


def test_a_server_that_takes_no_connection_is_lost_at_once() -> None:
    async def asked(port: int) -> RetryStatistics:
        retries = RetryStatistics()
        url = f"http://127.0.0.1:{port}/v1"
        config = ModelConfig(
            model="m", served_name="m", endpoint=url, timeout_s=20, connect_timeout_s=0.2
        )
        server = Server("draft", config)
        with (
            counting_retries(retries),
            pytest.raises(ServerLostError, match="cannot be reached") as raised,
        ):
            await server.info()
        assert not raised.value.reached
        await server.aclose()
        return retries

    with ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # whom it does not accept fill the queue, and who comes then waits
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        retries = asyncio.run(asked(deaf.getsockname()[1]))
    assert retries.retries == 0
    assert retries.seconds > 0.1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("31536000", 60),
        ("inf", 60),
        ("-1", 0),
        ("nan", 0),
        ("Wed, 21 Oct 2026 7:28", 0),
    ],
)
def test_a_wish_to_be_asked_later_is_kept_to_within_reason(header: str, seconds: float) -> None:
    lost = ServerLostError("draft server: answered 503")
    lost.__cause__ = StatusError("/v1/completions", 503, {"retry-after": header}, b"")
    assert wished_pause(lost) == seconds


def test_what_the_server_refuses_for_good_is_asked_once() -> None:
    async def asked() -> int:
        async with disturbed_server("draft") as (proxy, server):
            generator = CompletionsGenerator(server, context=10**6, use_token_ids=True)
            with pytest.raises(RsdError, match="maximum context length"):
                await generator.generate(Prefix("x" * 5000), max_tokens=9, sampling=Sampling())
            return proxy.requests

    assert asyncio.run(asked()) == 1


def test_the_seconds_of_an_answer_are_those_of_its_own_attempt() -> None:
    async def asked() -> None:
        async with disturbed_server("draft") as (proxy, server):
            proxy.schedule = Schedule(seed=0, rate=1, kinds=["stall"], most=1)
            generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
            config = server.config
            server.config = config.model_copy(update={"timeout_s": 0.5})

            async def once() -> float:
                completion = await generator.generate(
                    Prefix("p"), max_tokens=9, sampling=Sampling()
                )
                return completion.seconds

            retries = RetryStatistics()
            with counting_retries(retries):
                with pytest.raises(ServerLostError):
                    await once()
                server.config = config
                assert await once() < retries.seconds

    asyncio.run(asked())
