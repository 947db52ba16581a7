"""One vLLM server as rsd sees it: its routes, OpenAI's and its own, and its failures turned into
rsd's errors."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import aiohttp

from rsd.backends.failures import as_rsd_error, is_timeout, message_of, wished_pause
from rsd.backends.http import HttpClient, StatusError
from rsd.backends.retries import Backoff, note
from rsd.config import ModelConfig
from rsd.errors import (
    BackendError,
    RsdError,
    ScorerError,
    ServerChangedError,
    ServerLostError,
    UnusableAnswerError,
)
from rsd.types import Role

T = TypeVar("T")

_RETRIES = 2
_IDLE_S = 10.0  # a server cannot end, start again and load a model in less


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself: the names it serves, the `model` behind them, its context
    length in tokens, and vLLM's version (None where the server is not vLLM)."""

    served_names: tuple[str, ...]
    model: str
    context: int
    version: str | None = None


class Server:
    """A client of the server that `config` describes, in the role `role`.

    What fails is raised naming role, endpoint and mend: `ServerLostError` if it is the server
    that is down, overloaded or stuck, `UnusableAnswerError` if it is this answer, and otherwise
    `BackendError`, or `ScorerError` for the reward model. `persist` repeats what may pass, and
    notes it; nothing below it repeats a POST.

    `cache_salt`, where it is set, goes with each `post`: requests share the server's prefix
    cache only with others of the same salt.
    """

    backoff = Backoff(first_s=0.5, most_s=8.0)

    def __init__(self, role: Role, config: ModelConfig) -> None:
        self.role = role
        self.config = config
        self.cache_salt: str | None = None
        self.http = HttpClient(
            config.endpoint.removesuffix("/v1"),
            key=config.api_key.get_secret_value() if config.api_key else None,
            connect_timeout_s=config.connect_timeout_s,
        )
        self._first_info: ServerInfo | None = None
        self._sure_until = 0.0

    async def persist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Await `ask()`, and again, after pauses, if it fails in a way that may pass: twice for a
        lost server, and twice for an unusable answer.

        What was not answered within `timeout_s` is not asked again here: whoever called decides
        whether to wait as long once more. After a failure, and when nothing was asked for a
        while, the server must first `confirm` what it serves.
        """
        failures: Counter[type[RsdError]] = Counter()
        while True:
            clock = time.perf_counter()
            try:
                async with self._sure():
                    return await ask()
            except (ServerLostError, UnusableAnswerError) as error:
                number = failures[type(error)]
                failures[type(error)] += 1
                if number == _RETRIES or is_timeout(error):
                    note(seconds=time.perf_counter() - clock)
                    raise
                await asyncio.sleep(max(self.backoff.pause(number), wished_pause(error)))
                note(retries=1, seconds=time.perf_counter() - clock)

    @asynccontextmanager
    async def translating(self) -> AsyncIterator[None]:
        """Turn what is raised inside the block, a single request, into rsd's errors, and end it
        after `timeout_s`."""
        try:
            async with asyncio.timeout(self.config.timeout_s):
                yield
        except (TimeoutError, aiohttp.ClientError, StatusError) as error:
            name, limit = str(self), self.config.timeout_s
            raise as_rsd_error(error, name, self.role, limit) from error

    async def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """POST `body` to one of vLLM's own routes, such as `/classify`."""
        if self.cache_salt is not None:
            body = {**body, "cache_salt": self.cache_salt}
        async with self.translating():
            return self._read(await self.http.post(path, body))

    async def stream(
        self, path: str, body: Mapping[str, object]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """POST `body`, once, and give each event of the answer as it comes. Closing it ends the
        request at the server. Who asks for a stream asks for the rest when it fails."""
        clock = time.perf_counter()
        try:
            async with (
                self._sure(),
                self.translating(),
                aclosing(self.http.events(path, {**body, "stream": True})) as events,
            ):
                async for data in events:
                    event = self._read(data)
                    if "error" in event:
                        raise self.unusable(f"its stream broke off: {message_of(event)}")
                    yield event
                    clock = time.perf_counter()  # what came until now is not lost
        except (ServerLostError, UnusableAnswerError):
            note(retries=1, seconds=time.perf_counter() - clock)
            raise

    async def get(self, path: str) -> dict[str, Any]:
        """GET one of vLLM's own routes that answers JSON."""
        async with self.translating():
            return self._read(await self.http.get(path))

    async def get_text(self, path: str) -> str:
        """GET one of vLLM's own routes that answers text, such as `/metrics`."""
        async with self.translating():
            return (await self.http.get(path)).decode(errors="replace")

    async def info(self) -> ServerInfo:
        """Ask the server what it serves."""
        info = await self.persist(self._described)
        with suppress(RsdError, KeyError):  # a server that is not vLLM has none
            info = replace(info, version=str((await self.get("/version"))["version"]))
        self._first_info = self._first_info or info
        return info

    async def confirm(self) -> None:
        """Make sure that the server answers, is well, and serves what it did when it was first
        asked. Raises `ServerLostError`, `ServerChangedError`."""
        try:
            await self.get_text("/health")
        except ServerLostError:
            raise
        except RsdError:
            pass  # it is not vLLM
        now = await self._described()
        first = self._first_info or now
        if (now.model, now.context) != (first.model, first.context):
            raise ServerChangedError(
                f"{self}: serves {now.model} with a context of {now.context}, and served "
                f"{first.model} with {first.context} when the run began; start it as it was"
            )
        self._sure_until = time.monotonic() + _IDLE_S

    def forget(self) -> None:
        """Let the next `info` be the first: what it served until now was never used."""
        self._first_info = None

    async def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text` by the server's own tokenizer; with `special`, after the special
        tokens that it puts before a prompt."""
        body = {"model": self.config.served_name, "prompt": text, "add_special_tokens": special}

        async def ask() -> list[int]:
            answer = await self.post("/tokenize", body)
            try:
                return [int(token) for token in answer["tokens"]]
            except (KeyError, TypeError, ValueError) as error:
                what = f"/tokenize is not as vLLM answers it: {error!r}"
                raise self.unusable(what) from error

        return await self.persist(ask)

    def error(self, what: str) -> RsdError:
        """An error of this server's kind about `what`, which no repetition mends."""
        kind = ScorerError if self.role == "prm" else BackendError
        return kind(f"{self}: {what}")

    def unusable(self, what: str) -> UnusableAnswerError:
        """An error about an answer of this server, which may do better when asked again."""
        return UnusableAnswerError(f"{self}: {what}")

    def __str__(self) -> str:
        return f"{self.role} server at {self.config.endpoint}"

    async def aclose(self) -> None:
        await self.http.aclose()

    @asynccontextmanager
    async def _sure(self) -> AsyncIterator[None]:
        """Ask in the block what may only be asked of the server that it was at first."""
        if self._first_info is not None and time.monotonic() > self._sure_until:
            await self.confirm()
        try:
            yield
        except (ServerLostError, UnusableAnswerError):
            self._sure_until = 0.0
            raise
        self._sure_until = time.monotonic() + _IDLE_S

    async def _described(self) -> ServerInfo:
        listing = await self.get("/v1/models")
        try:
            cards = {card["id"]: card for card in listing["data"]}
            names = tuple(cards)
            card = cards.get(self.config.served_name, listing["data"][0])
            model, context = str(card["root"]), int(card["max_model_len"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            what = f"/v1/models is not as vLLM answers it: {error!r}"
            raise self.unusable(what) from error
        return ServerInfo(names, model, context)

    def _read(self, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self.unusable(f"answered what is no JSON: {content[:80]!r}") from error
        if not isinstance(answer, dict):
            raise self.unusable(f"expected a JSON object, got {type(answer).__name__}")
        return answer
