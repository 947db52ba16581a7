"""One vLLM server as rsd sees it: its routes, OpenAI's and its own, and its failures turned into
rsd's errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp

from rsd.backends import answers
from rsd.backends.answers import AnswerError, Value
from rsd.backends.failures import as_rsd_error, is_timeout, message_of, wished_pause
from rsd.backends.http import HttpClient, StatusError
from rsd.backends.retries import Backoff, note
from rsd.backends.sessions import Load
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

log = logging.getLogger(__name__)

T = TypeVar("T")

_RETRIES = 2
_IDLE_S = 10.0  # a server cannot end, start again and load a model in less
_CONFIRM_S = 60.0  # a server at work is asked this often what it serves
_LOOK_S = 60.0  # the longest that a GET may take: none of them waits for a model
_LONG_PAUSE_S = 5.0  # a pause that a server asks for, from which on it is told
_SAMPLED = 64  # of so many answers with token ids one is decoded again


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

    `first_info` is what the server said first of itself; None before `info`.

    `cache_salt`, where it is set, goes with each `post`: requests share the server's prefix
    cache only with others of the same salt. `pause` says why requests wait some seconds before
    they are asked again, as the server wished; None where none does.
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
        self.pause: str | None = None
        self.load = Load()
        self.first_info: ServerInfo | None = None
        self.models = frozenset((config.served_name,))
        self._sure_until = 0.0
        self._confirm_at = 0.0
        self._pauses = 0
        self._decoded = 0
        self._doubted = False

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
                await self._wait(number, error)
                note(retries=1, seconds=time.perf_counter() - clock)

    async def _wait(self, number: int, error: RsdError) -> None:
        """The pause before repetition `number`: as long as the server wishes, within reason."""
        wished = wished_pause(error)
        if wished < _LONG_PAUSE_S:
            await asyncio.sleep(max(self.backoff.pause(number), wished))
            return
        if not self._pauses:
            self.pause = f"{error}; it asks for a pause of {wished:.0f} s"
            log.warning("waiting for a server (Ctrl-C to stop): %s", self.pause)
        self._pauses += 1
        try:
            await asyncio.sleep(wished)
        finally:
            self._pauses -= 1
            self.pause = self.pause if self._pauses else None

    @asynccontextmanager
    async def translating(self, most_s: float | None = None) -> AsyncIterator[None]:
        """Turn what is raised inside the block, a single request, into rsd's errors, and end it
        after `timeout_s`, or `most_s` if that is less."""
        limit = min(self.config.timeout_s, most_s or self.config.timeout_s)
        try:
            async with asyncio.timeout(limit):
                yield
        except (TimeoutError, aiohttp.ClientError, StatusError) as error:
            raise as_rsd_error(error, str(self), self.role, limit) from error

    @contextmanager
    def reading(self, what: str = "unusable answer", mend: str = "") -> Iterator[None]:
        """Turn the `AnswerError` of what is read inside the block into an error of this server
        about `what`, with the `mend`."""
        try:
            yield
        except AnswerError as error:
            raise self.unusable(f"{what}: {error}{mend and f'; {mend}'}") from error

    async def post(self, path: str, body: Mapping[str, object]) -> Value:
        """POST `body` to one of vLLM's own routes, such as `/classify`."""
        self.load.join()
        if self.cache_salt is not None:
            body = {**body, "cache_salt": self.cache_salt}
        async with self.translating():
            content = await self.http.post(path, body)
        with self.reading():
            return Value.parse(content)

    async def stream(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[Value, None]:
        """POST `body`, once, and give each event of the answer as it comes. Closing it ends the
        request at the server. Who asks for a stream asks for the rest when it fails."""
        clock = time.perf_counter()
        self.load.join()
        try:
            async with (
                self._sure(),
                self.translating(),
                aclosing(self.http.events(path, {**body, "stream": True})) as events,
            ):
                async for data in events:
                    with self.reading():
                        event = Value.parse(data)
                    if event["error"].value is not None:
                        raise self.unusable(f"its stream broke off: {message_of(event.value)}")
                    yield event
                    clock = time.perf_counter()  # what came until now is not lost
        except (ServerLostError, UnusableAnswerError):
            note(retries=1, seconds=time.perf_counter() - clock)
            raise

    async def get(self, path: str) -> Value:
        """GET one of vLLM's own routes that answers JSON."""
        async with self.translating(_LOOK_S):
            content = await self.http.get(path)
        with self.reading():
            return Value.parse(content)

    async def get_text(self, path: str) -> str:
        """GET one of vLLM's own routes that answers text, such as `/metrics`."""
        async with self.translating(_LOOK_S):
            return (await self.http.get(path)).decode(errors="replace")

    async def info(self) -> ServerInfo:
        """Ask the server what it serves."""
        info = await self.persist(self._described)
        with suppress(RsdError), self.reading():  # a server that is not vLLM has none
            info = replace(info, version=answers.version(await self.get("/version")))
        self.first_info = self.first_info or info
        self._confirm_at = time.monotonic() + _CONFIRM_S
        return info

    async def confirm(self) -> None:
        """Make sure that the server answers, is well, and serves what it did when it was first
        asked. Raises `ServerLostError`, `ServerChangedError`."""
        try:
            await self.get_text("/health")
        except ServerLostError as error:
            if not error.reached and isinstance(error.__cause__, StatusError):
                await self._ready(error)
            else:
                raise
        except RsdError:
            pass  # it is not vLLM
        now = await self._described()
        first = self.first_info or now
        if (now.model, now.context) != (first.model, first.context):
            raise ServerChangedError(
                f"{self}: serves {now.model} with a context of {now.context}, and served "
                f"{first.model} with {first.context} when the run began; start it as it was"
            )
        self._sure_until = time.monotonic() + _IDLE_S
        self._confirm_at = time.monotonic() + _CONFIRM_S

    async def _ready(self, unwell: ServerLostError) -> None:
        """Make sure that a router, which calls itself unwell while any replica is, has another.
        Raises `unwell` where there is none, or no router."""
        try:
            await self.get_text("/readiness")
        except RsdError:
            raise unwell from None

    async def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text` by the server's own tokenizer; with `special`, after the special
        tokens that it puts before a prompt."""
        body = {"model": self.config.served_name, "prompt": text, "add_special_tokens": special}

        async def ask() -> list[int]:
            answer = await self.post("/tokenize", body)
            with self.reading("/tokenize is not as vLLM answers it"):
                return list(answer["tokens"].token_ids())

        return await self.persist(ask)

    async def check_ids(self, text: str, ids: Sequence[int]) -> None:
        """Have the server decode `ids` again, and raise `UnusableAnswerError` if `text` is not of
        them. This is done with the first two answers, then with one of 64, and with all after
        one that contradicts its text until one agrees. A server that cannot decode is believed.
        """
        number, self._decoded = self._decoded, self._decoded + 1
        if not text or (number > 1 and number % _SAMPLED and not self._doubted):
            return
        body = {"model": self.config.served_name, "tokens": ids}
        try:
            async with asyncio.timeout(_LOOK_S):
                answer = await self.post("/detokenize", body)
        except (RsdError, TimeoutError):
            return
        with self.reading("/detokenize is not as vLLM answers it"):
            decoded = answer["prompt"].text(answers.longest_text(len(ids)))
        self._doubted = not answers.agrees(text, decoded)
        if self._doubted:
            what = f"its text {answers.shown(text)} is not that of its token ids"
            raise self.unusable(f"{what}, {answers.shown(decoded)}")

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
        now = time.monotonic()
        if self.first_info is not None and now > min(self._sure_until, self._confirm_at):
            self._confirm_at = now + _CONFIRM_S  # at work, the others do not wait for this look
            await self.confirm()
        try:
            yield
        except (ServerLostError, UnusableAnswerError):
            self._sure_until = 0.0
            raise
        self._sure_until = time.monotonic() + _IDLE_S

    async def _described(self) -> ServerInfo:
        listing = await self.get("/v1/models")
        with self.reading("/v1/models is not as vLLM answers it"):
            names, same, model, context = answers.cards(listing, self.config.served_name)
        self.models = same | {self.config.served_name}
        return ServerInfo(names, model, context)
