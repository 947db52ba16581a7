"""What problem a request is of: its header for a router, and its share of a server's load."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI, Request

from rsd.backends import CompletionsGenerator, Server, one_problem
from rsd.backends.sessions import HEADER
from rsd.config import ModelConfig
from rsd.testing.server import live_in_thread
from rsd.types import Prefix


def sessions_of(work: str) -> list[str | None]:
    """The sessions of the requests of two problems, each asking twice at the same time; `work` is
    what is asked."""
    seen: list[str | None] = []
    app = FastAPI()

    @app.post("/{path:path}")
    async def post(path: str, request: Request) -> dict[str, object]:
        seen.append(request.headers.get(HEADER))
        return {"tokens": [1]} if path == "tokenize" else {}

    async def main(url: str) -> None:
        config = ModelConfig(model="m", served_name="m", endpoint=f"{url}/v1")
        server = Server("draft", config)
        try:
            for name in ("a/1/0", "a/2/0"):
                with one_problem(name):
                    await asyncio.gather(*(server.tokenize(work) for _ in range(2)))
            await server.tokenize(work)
        finally:
            await server.aclose()

    with live_in_thread(app) as url:
        asyncio.run(main(url))
    return seen


def test_all_requests_of_a_problem_have_its_session_and_others_have_none() -> None:
    first, second = sessions_of("x"), sessions_of("y")
    assert first == second  # the same in every run, so that caches are found again
    assert first[0] == first[1] != first[2] == first[3]
    assert first[4] is None
    assert all(name is None or (name.isalnum() and len(name) == 32) for name in first)


@pytest.mark.parametrize("count", [4, 5])
def test_a_server_knows_how_many_problems_it_is_asked_for(count: int) -> None:
    config = ModelConfig(model="m", served_name="m", endpoint="http://127.0.0.1:9/v1")

    async def main() -> None:
        server = Server("draft", config)
        everyone = asyncio.Event()
        waiting = 0

        async def problem() -> None:
            nonlocal waiting
            with one_problem():
                server.load.join()
                server.load.join()  # a second request of the same problem
                waiting += 1
                if waiting == count:
                    assert server.load.problems == count
                    everyone.set()
                await everyone.wait()

        await asyncio.gather(*(problem() for _ in range(count)))
        assert server.load.problems == 0
        server.load.join()  # a request of no problem
        assert server.load.problems == 0

    asyncio.run(main())


def test_a_request_that_outlives_its_problem_is_no_load_afterwards() -> None:
    async def main() -> None:
        config = ModelConfig(model="m", served_name="m", endpoint="http://127.0.0.1:9/v1")
        server = Server("draft", config)
        gone = asyncio.Event()

        async def late() -> None:
            await gone.wait()
            server.load.join()

        with one_problem():
            task = asyncio.create_task(late())
        gone.set()
        await task
        assert server.load.problems == 0

    asyncio.run(main())


def test_nothing_is_streamed_where_it_makes_others_wait() -> None:
    """`unless_busy` ends a stream before it begins while the server has several problems."""

    async def main() -> list[object]:
        config = ModelConfig(model="m", served_name="m", endpoint="http://127.0.0.1:9/v1")
        generator = CompletionsGenerator(
            Server("draft", config), context=100, use_token_ids=True, is_busy=lambda: True
        )
        stream = generator.stream(Prefix("x"), max_tokens=5, unless_busy=True)
        return [chunk async for chunk in stream]

    assert asyncio.run(main()) == []
