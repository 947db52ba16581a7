"""The streaming generator against a live server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest
from fastapi import FastAPI

from rsd.backends import CompletionsGenerator, Server
from rsd.backends.answers import Value
from rsd.config import ModelConfig
from rsd.errors import BackendError, RsdError
from rsd.protocols import Sampling, StreamingGenerator
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live
from rsd.types import Chunk, Prefix

TEXT = "1 + é = 2\n\nSo 3.\n\nThe answer is 3."


@asynccontextmanager
async def generating(
    *, use_token_ids: bool = True, text: str = TEXT, is_busy: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[CompletionsGenerator, FastAPI]]:
    """A generator whose server goes on with what is left of `text`."""

    def write(prompt: str, sampling: Sampling) -> str:
        return text[len(prompt) - len("Q\n") :]

    app = create_app(Behavior(write=write), max_model_len=200)
    async with live(app) as url:
        config = ModelConfig(model="m", served_name="model", endpoint=f"{url}/v1", timeout_s=20)
        server = Server("draft", config)
        try:
            generator = CompletionsGenerator(
                server, context=200, use_token_ids=use_token_ids, is_busy=is_busy
            )
            yield generator, app
        finally:
            await server.aclose()


async def read(
    generator: CompletionsGenerator, prefix: Prefix, tokens: int, *, unless_busy: bool = False
) -> list[Chunk]:
    stream = generator.stream(prefix, max_tokens=tokens, unless_busy=unless_busy)
    async with aclosing(stream) as chunks:
        return [chunk async for chunk in chunks]


def last_prompt(app: FastAPI) -> object:
    """What the last completion continued."""
    return [r.body["prompt"] for r in app.state.requests if r.path == "/v1/completions"][-1]


def text_of(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def ids_of(chunks: Sequence[Chunk]) -> tuple[int, ...]:
    return tuple(token for chunk in chunks for token in chunk.token_ids)


@pytest.mark.parametrize("tokens", [1, 9, 12, 1000])
def test_a_stream_brings_what_generate_does_past_every_separator(tokens: int) -> None:
    async def scenario() -> None:
        async with generating() as (generator, app):
            assert isinstance(generator, StreamingGenerator)
            whole = await generator.generate(Prefix("Q\n"), max_tokens=tokens, sampling=Sampling())
            chunks = await read(generator, Prefix("Q\n"), tokens)
            assert text_of(chunks) == whole.text
            assert ids_of(chunks) == whole.token_ids
            assert {chunk.prompt_token_ids for chunk in chunks} == {whole.prompt_token_ids}
            reasons = [chunk.finish_reason for chunk in chunks]
            assert reasons == [None] * (len(chunks) - 1) + [whole.finish_reason]
            assert last_prompt(app) == "Q\n"

            ids = (*(whole.prompt_token_ids or ()), *(whole.token_ids or ()))[:8]
            rest = await read(generator, Prefix("not read", ids), 5)
            assert last_prompt(app) == list(ids)
            assert rest[0].prompt_token_ids == ids

    asyncio.run(scenario())


def test_closing_a_stream_ends_the_request_at_the_server() -> None:
    async def scenario() -> None:
        async with generating() as (generator, app):
            app.state.faults.token_latency_s = 0.01
            async with aclosing(generator.stream(Prefix("Q\n"), max_tokens=100)) as chunks:
                await anext(chunks)
            async with asyncio.timeout(20):
                while not app.state.cancelled:
                    await asyncio.sleep(0.01)
            assert app.state.engine.counters.running == 0

    asyncio.run(scenario())


def test_a_stream_can_give_way_to_others() -> None:
    async def scenario() -> None:
        busy = True
        async with generating(is_busy=lambda: busy) as (generator, app):
            assert await read(generator, Prefix("Q\n"), 3, unless_busy=True) == []
            assert app.state.requests == []
            assert await read(generator, Prefix("Q\n"), 3) != []
            busy = False
            assert await read(generator, Prefix("Q\n"), 3, unless_busy=True) != []

    asyncio.run(scenario())


def test_in_text_there_is_no_stream() -> None:
    async def scenario() -> None:
        async with generating(use_token_ids=False) as (generator, app):
            assert await read(generator, Prefix("Q\n"), 100) == []
            assert app.state.requests == []

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["status", "drop"])
def test_a_stream_that_fails_says_why(fault: str) -> None:
    async def scenario() -> None:
        async with generating() as (generator, app):
            setattr(app.state.faults, fault, 500 if fault == "status" else True)
            with pytest.raises(RsdError, match="draft server at http"):
                await read(generator, Prefix("Q\n"), 100)
            assert len(app.state.requests) == 1

    asyncio.run(scenario())


def test_an_event_that_is_no_completion_is_an_error() -> None:
    async def scenario() -> None:
        async with generating() as (generator, _):

            async def stream(*_: object) -> AsyncIterator[Value]:
                yield Value({"model": "model", "choices": [{"text": 3}]})

            generator._server.stream = stream  # type: ignore[method-assign,assignment]
            with pytest.raises(BackendError, match="unusable stream"):
                await read(generator, Prefix("Q\n"), 100)

    asyncio.run(scenario())
