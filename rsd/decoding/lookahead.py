"""Lookahead: the draft continues while its last step is being scored.

One greedy request continues past the ends of steps and is split into steps here. That saves waiting
for each reward and a request for each step; tokens after a rejected step are discarded.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Literal, Self

from rsd.clock import unix_time
from rsd.decoding.discards import record
from rsd.decoding.response import Response
from rsd.errors import RsdError
from rsd.protocols import Generator, StreamingGenerator
from rsd.types import Chunk, Completion, Step, Usage

Lookahead = int | Literal["auto"]
"""How many steps may be drafted ahead of the one being scored (>= 0); `auto`: two, unless the
draft's server is busy."""

_AUTO = 2


class Drafts:
    """The steps that `generator` drafts for one response, one after the other.

    Each equals the result of `Response.write`, token for token. While the caller decides about one,
    up to `lookahead` further ones are written as if it were kept. This needs a generator that
    streams, and temperature 0 without penalties: above it each step has its own seed, and a penalty
    would count what other steps of the stream hold. Where a stream fails, or a step ends within a
    chunk of several tokens, `generate` writes the step when it is asked for.

        async with Drafts(generator, lookahead=2) as drafts:
            draft = await drafts.next_step(response)
            ...  # keep it, or: draft = await drafts.give_up(draft)

    Leaving the block cancels what is in progress. Tokens written and never asked for are recorded
    as a discarded step without text (`rsd.decoding.discards`).
    """

    def __init__(self, generator: Generator, lookahead: Lookahead) -> None:
        self._generator = generator
        self._lookahead = _AUTO if lookahead == "auto" else lookahead
        self._unless_busy = lookahead == "auto"
        self._writing: asyncio.Task[None] | None = None
        self._written: asyncio.Queue[Completion | Exception] = asyncio.Queue()
        self._asked = 0  # index of the step last asked for
        self._asks = asyncio.Event()
        self._next = 0  # index of the first step not handed out
        self._uncounted = _Uncounted()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._cancel()
        if self._uncounted.requests or self._uncounted.tokens:
            nothing = Completion("", "length", None, self._uncounted.rest(), unix_time(), 0.0)
            before = 0 if self._next else None
            record(Step(self._next, "draft", False, nothing, continues=before))

    async def next_step(self, response: Response) -> Completion:
        """A draft of the next step of `response`, in which all drafts not given up were kept."""
        greedy = response.sampling("draft").is_plain_greedy
        if not (self._lookahead and greedy and isinstance(self._generator, StreamingGenerator)):
            return await response.write(self._generator, "draft")
        self._asked = self._next = response.index
        self._asks.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(self._generator, response.fork()))
        written = await self._written.get()
        if isinstance(written, Exception):
            raise written
        self._next = response.index + 1
        draft = self._uncounted.settle(written)
        response.record("draft", draft)
        return draft

    async def give_up(self, draft: Completion) -> Completion:
        """Reject `draft` and discard what follows it. Returns `draft` with the discarded tokens as
        its `wasted_tokens`."""
        await self._cancel()
        return self._uncounted.settle_rejected(draft)

    async def _cancel(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
            self._writing, self._written = None, asyncio.Queue()

    async def _write(self, generator: StreamingGenerator, response: Response) -> None:
        """Write `response`, a fork, to its end, never further ahead than allowed."""
        try:
            while not response.ended:
                await self._until_asked(response.index - self._lookahead)
                before = response.index
                with suppress(RsdError):  # a lasting error fails `generate` as well
                    await self._stream(generator, response)
                if response.index == before:
                    await self._until_asked(response.index)
                    completion = await response.write(generator, "draft")
                    self._uncounted.tokens += completion.usage.completion_tokens
                    self._hand_over(response, completion)
        except Exception as error:
            self._written.put_nowait(error)

    async def _stream(self, generator: StreamingGenerator, response: Response) -> None:
        """Write steps in one request, until far enough ahead or a step's tokens are uncertain."""
        growing = _GrowingStep(response)
        answered = False
        chunks = generator.stream(
            response.prefix("draft"), max_tokens=response.budget, unless_busy=self._unless_busy
        )
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    self._uncounted.requests += not answered
                    answered = True
                    self._uncounted.add(chunk)
                    if not growing.add(chunk):
                        return
                    if (step := growing.finished(chunk)) is not None:
                        self._hand_over(response, step)
                        growing = _GrowingStep(response)
                        ahead = response.index - self._asked
                        far_enough = response.ended is not None or ahead > self._lookahead
                        if chunk.finish_reason is None and far_enough:
                            return
        finally:
            self._uncounted.lost += len(growing.token_ids)

    def _hand_over(self, response: Response, completion: Completion) -> None:
        response.keep("draft", completion)
        self._written.put_nowait(completion)

    async def _until_asked(self, index: int) -> None:
        """Wait until the step at `index` is asked for."""
        while self._asked < index:
            self._asks.clear()
            await self._asks.wait()


@dataclass(slots=True)
class _Uncounted:
    """Usage not yet counted in a step: answered streaming `requests` and written `tokens`, `lost`
    of which belong to no step. They follow a prefix of `prompt` tokens (0: unknown), of which
    `known` were read or written before."""

    requests: int = 0
    tokens: int = 0
    lost: int = 0
    prompt: int = 0
    known: int = 0

    def add(self, chunk: Chunk) -> None:
        """Count the tokens of `chunk`."""
        self.tokens += len(chunk.token_ids)
        self.prompt = self.prompt or len(chunk.prompt_token_ids)

    def settle(self, step: Completion) -> Completion:
        """`step`, about to be handed out, with the tokens lost so far."""
        self.prompt = self.known = step.usage.prompt_tokens + step.usage.completion_tokens
        return self._settle(step, step.usage.completion_tokens, self.lost)

    def settle_rejected(self, step: Completion) -> Completion:
        """`step`, handed out and rejected, with all tokens not counted yet."""
        self.prompt = self.known = 0
        return self._settle(step, 0, self.tokens)

    def rest(self) -> Usage:
        """What is left at the end, all of it discarded."""
        return Usage(self.requests, self.prompt, self.known, 0, self.tokens)

    def _settle(self, step: Completion, own: int, wasted: int) -> Completion:
        usage = step.usage + Usage(requests=self.requests, wasted_tokens=wasted)
        self.requests, self.lost = 0, 0
        self.tokens -= own + wasted
        return replace(step, usage=usage)


class _GrowingStep:
    """The next step of `response` while it is streamed."""

    def __init__(self, response: Response) -> None:
        (self._separator,) = response.sampling("draft").stop
        self._budget = response.budget
        self._prompt = response.prefix("draft").token_ids
        self._text = ""
        self._started_at, self._clock = unix_time(), time.perf_counter()
        self.token_ids: tuple[int, ...] = ()

    def add(self, chunk: Chunk) -> bool:
        """Whether it is still certain which tokens belong to the step."""
        self._text += chunk.text
        self.token_ids += chunk.token_ids
        over = self._separator in self._text or len(self.token_ids) > self._budget
        return len(chunk.token_ids) == 1 or not over

    def finished(self, chunk: Chunk) -> Completion | None:
        """The step, if it ends with `chunk`, the last one added."""
        text, separator, _ = self._text.partition(self._separator)
        reason = "stop" if separator else chunk.finish_reason
        if reason is None and len(self.token_ids) == self._budget:
            reason = "length"
        if reason is None:
            return None
        prompt = chunk.prompt_token_ids if self._prompt is None else self._prompt
        continued = len(prompt) > len(chunk.prompt_token_ids)  # after steps of the same request
        return Completion(
            text=text,
            finish_reason=reason,
            matched_stop=separator or None,
            usage=Usage(
                prompt_tokens=len(prompt),
                cached_tokens=len(prompt) if continued else 0,
                completion_tokens=len(self.token_ids),
            ),
            started_at=self._started_at,
            seconds=time.perf_counter() - self._clock,
            prompt_token_ids=prompt,
            token_ids=self.token_ids,
        )
