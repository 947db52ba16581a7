"""What a run does while a server is lost: it waits, and goes on where it was."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from rsd.backends.retries import Backoff, note
from rsd.backends.server import Server
from rsd.errors import RsdError, ServerChangedError, ServerLostError
from rsd.protocols import Generator, Sampling, Scorer, StreamingGenerator
from rsd.types import Chunk, Completion, Likelihood, Prefix, Score

log = logging.getLogger(__name__)

T = TypeVar("T")

_PROBE_S = 10.0
_MOST_LOSSES = 5


class Recovery:
    """The circuit breaker of a role, whose work any of `servers` can do.

    Requests pass until one finds the role lost. Then all wait, and one of them at a time looks,
    after growing pauses, until a server answers and serves the same model as before, and tries
    its own request there. Once a request is answered, all go on. A request that may itself be
    what brings a server down fails after five losses: it must not hold up the others for ever.
    """

    backoff = Backoff(first_s=1.0, most_s=15.0)
    remind_s = 30.0

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = tuple(servers)
        self._lost_at: float | None = None
        self._reason = ""
        self._looking = False
        self._changed = asyncio.Event()
        self._looks = 0
        self._told_at: float | None = None

    @property
    def is_lost(self) -> bool:
        """Whether requests wait."""
        return self._lost_at is not None

    @property
    def reason(self) -> str:
        """Why they wait; what it was the last time if they do not."""
        return self._reason

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await `request()`, and again whenever its server is back.

        Raises `ServerChangedError` if only such are back as serve another model, and what
        `request` raises; `ServerLostError` only after five losses in the middle of its work.
        """
        losses = 0
        while True:
            try:
                async with self._turn():
                    answer = await request()
            except ServerLostError as error:
                self._lose(error)
                losses += error.reached
                if losses == _MOST_LOSSES:
                    message = f"{error}; lost {losses} times at this request, which may be why"
                    raise ServerLostError(message, reached=True) from error
                note(retries=1)
                await asyncio.sleep(0)  # let those that wait go first
            except ServerChangedError as error:
                self._refuse(error)
                raise
            except RsdError:  # an answer too
                self._regain()
                raise
            else:
                self._regain()
                return answer

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until the role is there, or until it is for this request to find out."""
        if self._lost_at is None:
            yield
            return
        clock = time.perf_counter()
        while self._lost_at is not None and self._looking:
            await self._changed.wait()
        if self._lost_at is None:
            note(seconds=time.perf_counter() - clock)
            yield
            return
        self._looking = True
        try:
            await self._until_one_answers()
            note(seconds=time.perf_counter() - clock)
            yield
        finally:
            self._looking = False
            self._wake()

    async def _until_one_answers(self) -> None:
        """Look at once when the loss is new; pause before every further look. Raises
        `ServerChangedError` if of the servers that answer none serves what it did."""
        while self._lost_at is not None:
            if self._looks:
                self._tell(self._lost_at)
                await asyncio.sleep(self.backoff.pause(self._looks - 1))
            self._looks += 1
            changed: ServerChangedError | None = None
            for server in self._servers:
                try:
                    if await _answers(server):
                        return
                except ServerChangedError as error:
                    changed = error
            if changed is not None:
                raise changed

    def _lose(self, error: ServerLostError) -> None:
        self._reason = str(error)
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    def _regain(self) -> None:
        if self._lost_at is None:
            return
        if self._told_at is not None:
            log.warning("%s is back after %.0f s", self._name, time.monotonic() - self._lost_at)
        self._lost_at = self._told_at = None
        self._looks = 0
        self._wake()

    def _refuse(self, error: ServerChangedError) -> None:
        """The role stays lost: whatever answers in its place serves another model. Who was told
        of the wait is told how it ended."""
        if self._told_at is not None:
            log.warning("not back: %s", error)

    def _wake(self) -> None:
        self._changed.set()
        self._changed.clear()

    def _tell(self, lost_at: float) -> None:
        """One line when the wait begins, and one from time to time."""
        now = time.monotonic()
        if self._told_at is None:
            log.warning("waiting for a server (Ctrl-C to stop): %s", self._reason)
        elif now - self._told_at >= self.remind_s:
            seconds = now - lost_at
            log.warning("%s is down for %.0f s; waiting (Ctrl-C to stop)", self._name, seconds)
        else:
            return
        self._told_at = now

    @property
    def _name(self) -> str:
        first, *others = self._servers
        return f"{first} (and {len(others)} more)" if others else str(first)


class RecoveringGenerator:
    """`generator`, whose requests wait for a lost server."""

    def __init__(self, generator: Generator, recovery: Recovery) -> None:
        self._generator = generator
        self._recovery = recovery

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        return await self._recovery.ask(
            lambda: self._generator.generate(prefix, max_tokens=max_tokens, sampling=sampling)
        )

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It brings nothing while the server is
        lost: `generate`, which tells the rest, waits."""
        if self._recovery.is_lost or not isinstance(self._generator, StreamingGenerator):
            return
        stream = self._generator.stream(prefix, max_tokens=max_tokens, unless_busy=unless_busy)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        return await self._recovery.ask(lambda: self._generator.log_likelihood(prefix, completion))


class RecoveringScorer:
    """`scorer`, whose requests wait for a lost server."""

    def __init__(self, scorer: Scorer, recovery: Recovery) -> None:
        self._scorer = scorer
        self._recovery = recovery

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        return await self._recovery.ask(lambda: self._scorer.score(question, steps))


async def _answers(server: Server) -> bool:
    """Whether `server` answers and is well. Raises `ServerChangedError`."""
    try:
        async with asyncio.timeout(_PROBE_S):
            await server.confirm()
    except ServerChangedError:
        raise
    except (RsdError, TimeoutError):
        return False
    return True
