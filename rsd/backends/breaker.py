"""Is a server up? One circuit breaker for each role says so, for runs and the gateway alike."""

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


class CircuitBreaker:
    """The circuit breaker before `server`. It is open while the server is lost.

    With `waits`, requests pass until one finds the server lost. Then all wait, and one of them at a
    time looks, after growing pauses, until the server answers and serves the same model as before,
    and tries its own request there. Once a request is answered, all go on. A request that may
    itself be what brings a server down fails after five losses: it must not hold up the others for
    ever.

    Without `waits`, requests fail as they do, and `probe` finds out when the server is back.
    """

    backoff = Backoff(first_s=1.0, most_s=15.0)
    remind_s = 30.0

    def __init__(self, server: Server, *, waits: bool) -> None:
        self._server = server
        self._waits = waits
        self._lost_at: float | None = None
        self._reason = ""
        self._looking = False
        self._changed = asyncio.Event()
        self._looks = 0
        self._told_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server is lost, as far as is known."""
        return self._lost_at is not None

    @property
    def reason(self) -> str:
        """Why it is lost; what it was the last time if it is not."""
        return self._reason

    async def probe(self) -> None:
        """Ask the server how it is, and open or close accordingly."""
        try:
            async with asyncio.timeout(_PROBE_S):
                await self._server.confirm()
        except (RsdError, TimeoutError) as error:
            reason = str(error) or f"{self._server}: no answer within {_PROBE_S:g} s"
            if not self.is_open:
                log.warning("down: %s", reason)
            self.trip(reason)
        else:
            if self.is_open:
                log.warning("%s is up again", self._server)
            self.reset()

    async def ask(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await `request()`; with `waits`, again whenever the server is back.

        Raises `ServerChangedError` if what is back serves another model, and what
        `request` raises; `ServerLostError` only after five losses in the middle of its work.
        """
        if not self._waits:
            return await request()
        losses = 0
        while True:
            try:
                async with self._turn():
                    answer = await request()
            except ServerLostError as error:
                self.trip(str(error))
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
                self.reset()
                raise
            else:
                self.reset()
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
        `ServerChangedError` if it serves another model now."""
        while self._lost_at is not None:
            if self._looks:
                self._tell(self._lost_at)
                await asyncio.sleep(self.backoff.pause(self._looks - 1))
            self._looks += 1
            if await _answers(self._server):
                return

    def trip(self, reason: str) -> None:
        """The server is lost."""
        self._reason = reason
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    def reset(self) -> None:
        """The server has answered."""
        if self._lost_at is None:
            return
        if self._told_at is not None:
            log.warning("%s is back after %.0f s", self._server, time.monotonic() - self._lost_at)
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
            log.warning("%s is down for %.0f s; waiting (Ctrl-C to stop)", self._server, seconds)
        else:
            return
        self._told_at = now


class GuardedGenerator:
    """`generator` behind a circuit breaker."""

    def __init__(self, generator: Generator, breaker: CircuitBreaker) -> None:
        self._generator = generator
        self._breaker = breaker

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        return await self._breaker.ask(
            lambda: self._generator.generate(prefix, max_tokens=max_tokens, sampling=sampling)
        )

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It brings nothing while the server is
        lost: `generate`, which tells the rest, waits."""
        if self._breaker.is_open or not isinstance(self._generator, StreamingGenerator):
            return
        stream = self._generator.stream(prefix, max_tokens=max_tokens, unless_busy=unless_busy)
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        return await self._breaker.ask(lambda: self._generator.log_likelihood(prefix, completion))


class GuardedScorer:
    """`scorer` behind a circuit breaker."""

    def __init__(self, scorer: Scorer, breaker: CircuitBreaker) -> None:
        self._scorer = scorer
        self._breaker = breaker

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        return await self._breaker.ask(lambda: self._scorer.score(question, steps))


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
