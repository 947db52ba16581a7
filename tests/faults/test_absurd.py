"""Absurd answers: every part of every answer, in the place of which every absurd value stands."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from rsd.backends import (
    Backoff,
    CompletionsGenerator,
    Server,
    SkyworkScorer,
    read_metrics,
    read_speculation,
)
from rsd.backends.answers import LOWEST_LOGPROB, MOST_COUNT
from rsd.backends.rewards import NextToken
from rsd.config import ModelConfig
from rsd.errors import RsdError
from rsd.protocols import Sampling
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live
from rsd.types import Prefix, Role

from faults.test_requests import tokenizer  # isort: skip

pytestmark = pytest.mark.timeout(300)  # no hang

ABSURD = (
    *("1" + "0" * 400, "-1", "-1" + "0" * 40, "1e400", "-1e400", "NaN", "0.5", "9" * 5000),
    *(str(2**31), str(2**53 + 2), str(2**63), "1e308", "1.5", "true", "false", "null", '"x"', "[]"),
    *(
        "{}",
        '[null, "x", {}]',
        '"\\ud800"',
        json.dumps("x" * 10**6),
        "[" * 5000 + "]" * 5000,
        "tru",
    ),
)
COUNTERS = ("drafts", "draft_tokens", "accepted_tokens")


async def _generated(server: Server) -> object:
    sampling = Sampling(stop=("\n\n",), logprobs=True)
    generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
    return await generator.generate(Prefix("p"), max_tokens=9, sampling=sampling)


async def _in_text(server: Server) -> object:
    generator = CompletionsGenerator(server, context=4096, use_token_ids=False)
    return await generator.generate(Prefix("p"), max_tokens=9, sampling=Sampling(stop=("\n\n",)))


async def _likelihood(server: Server) -> object:
    generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
    completion: Any = await _generated(server)
    return await generator.log_likelihood(Prefix("p"), completion)


async def _streamed(server: Server) -> object:
    generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
    async with aclosing(generator.stream(Prefix("p"), max_tokens=5)) as chunks:
        return [chunk async for chunk in chunks]


async def _rewarded(server: Server) -> object:
    return await SkyworkScorer(server, tokenizer(), separator="\n\n").score("q", ["a step"])


async def _named(server: Server) -> object:
    return await NextToken(server, [43, 45])([1, 2, 3])


@dataclass(frozen=True)
class Case:
    """What is asked of a server of `role`; the answer of the last request to `path` is changed."""

    role: Role
    path: str
    ask: Callable[[Server], Awaitable[object]]


CASES = {
    "models": Case("draft", "/v1/models", lambda server: server.info()),
    "version": Case("draft", "/version", lambda server: server.info()),
    "tokenize": Case("draft", "/tokenize", lambda server: server.tokenize("1 + 1")),
    "detokenize": Case("draft", "/detokenize", _generated),
    "completion": Case("draft", "/v1/completions", _generated),
    "completion in text": Case("draft", "/v1/completions", _in_text),
    "likelihood": Case("target", "/v1/completions", _likelihood),
    "stream": Case("draft", "stream", _streamed),
    "named tokens": Case("prm", "/v1/completions", _named),
    "classify": Case("prm", "/classify", _rewarded),
    "metrics": Case("target", "/metrics", read_metrics),
    "speculation": Case("target", "/metrics", read_speculation),
}


class Replayed:
    """An HTTP client that gives what the real one was answered, but `changed` in the last answer
    of `path`."""

    def __init__(self, real: Any, path: str) -> None:
        self._real, self._path = real, path
        self.answers: dict[str, list[bytes]] = {}
        self.changed: bytes | None = None
        self._given: dict[str, int] = {}

    def replay(self, changed: bytes) -> None:
        self.changed = changed
        self._given.clear()

    async def get(self, path: str) -> bytes:
        return await self._content(path, lambda: self._real.get(path))

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        return await self._content(path, lambda: self._real.post(path, body))

    async def events(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[bytes, None]:
        if self.changed is None:
            self.answers["stream"] = [data async for data in self._real.events(path, body)]
        content = self.answers["stream"]
        place = len(content) // 2 if len(content) > 2 else 0
        for number, data in enumerate(content):
            yield self.changed if self.changed and number in (0, place) else data

    async def _content(self, path: str, ask: Callable[[], Awaitable[bytes]]) -> bytes:
        if self.changed is None:
            content = await ask()
            self.answers.setdefault(path, []).append(content)
            return content
        answers = self.answers[path]
        number = self._given[path] = self._given.get(path, 0) + 1
        if path == self._path and number >= len(answers):
            return self.changed
        return answers[min(number, len(answers)) - 1]


def changes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """`content` with each of its parts in turn replaced by each absurd value."""
    if not content.startswith(b"{"):  # of /metrics
        for line in content.decode().splitlines():
            if not line.startswith("#"):
                for value in ABSURD:
                    yield (
                        line,
                        content.replace(line.encode(), f"{line.split()[0]} {value}".encode()),
                    )
        return
    mark = "\x00here"
    whole = json.loads(content)
    for place in _places(whole):
        marked = json.loads(content)
        parent = marked
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = mark
        text = json.dumps(marked)
        for value in ABSURD:
            yield str(place), text.replace(json.dumps(mark), value).encode()
    yield "all", b""
    yield "all", b'{"choices": [], "data": [], "usage": []}'


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*at, key))
    elif isinstance(value, list) and value:
        for key in {0, len(value) - 1}:
            yield from _places(value[key], (*at, key))


def sane(value: object, name: str = "") -> None:
    """Whatever is believed is of the type and range that its name promises."""
    if isinstance(value, BaseModel):
        sane(list(value.model_dump().values()), name)
    elif is_dataclass(value):
        for field in fields(value):
            sane(getattr(value, field.name), field.name)
    elif isinstance(value, list | tuple | frozenset):
        for each in value:
            sane(each, name)
    elif isinstance(value, bool):
        assert name == "from_cache"
    elif isinstance(value, int):
        assert 0 <= value <= MOST_COUNT, name
    elif isinstance(value, float):
        low, high = (0, 1) if name == "reward" else (LOWEST_LOGPROB * 100, 1e10)
        assert math.isfinite(value)
        assert low <= value <= high, name
    elif isinstance(value, str):
        value.encode()
        assert len(value) < 10**5
    else:
        assert value is None


@pytest.mark.parametrize("name", CASES)
def test_what_is_absurd_is_an_error_that_names_the_server(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    monkeypatch.setattr(Server, "backoff", Backoff(0, 0))
    refused: list[str] = []

    async def main() -> None:
        if name == "classify":
            behavior = Behavior(reward=lambda _: 0.75)
        else:
            behavior = Behavior(write=lambda *_: "a\n\nb", logprob=lambda *_: -0.5)
        async with live(create_app(behavior, served_name="m")) as url:
            config = ModelConfig(model="m", served_name="m", endpoint=f"{url}/v1")
            first = Server(case.role, config)
            replayed = Replayed(first.http, case.path)
            first.http = replayed  # type: ignore[assignment]
            sane(await case.ask(first))
            await first.http._real.aclose()  # type: ignore[attr-defined]
        whole = replayed.answers[case.path][-1]
        if name == "speculation":
            lines = (f"vllm:spec_decode_num_{what}_total 5.0\n" for what in COUNTERS)
            whole = "".join(lines).encode()
        for _, content in changes(whole):
            replayed.replay(content)
            server = Server(case.role, config)
            server.http = replayed  # type: ignore[assignment]
            try:
                sane(await case.ask(server))
            except RsdError as error:
                refused.append(str(error))

    asyncio.run(main())
    assert refused or name == "version"  # of which none is an answer as good
    for error in refused:
        assert error.startswith(f"{case.role} server at http://127.0.0.1:")
        assert len(error) < 1000
