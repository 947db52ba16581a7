"""In-process fakes of the `Generator` and `Scorer` protocols that follow a script.

An answer depends on the request and the script alone, never on the order of calls, so that a
test of concurrency cannot be fooled by its fakes; times are 0, so that equal decodings give
equal steps.

    draft = ScriptedGenerator({"Q: 1+1?\\n": ["1 + 1 = 3", "So 3."]})
    target = ScriptedGenerator({"Q: 1+1?\\n": ["1 + 1 = 2", "So 2."]})
    scorer = ScriptedScorer({"1 + 1 = 3": 0.1}, default=0.9)
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from rsd.errors import ContextError, ScorerError
from rsd.protocols import Sampling
from rsd.testing.continuation import Continuation, cut
from rsd.testing.tokenizers import ByteTokenizer, Tokenizer
from rsd.types import Chunk, Completion, Likelihood, Prefix, Score, Usage

Writer = Callable[[str, Sampling], str]
"""(prefix text, sampling) -> the whole rest of the answer that a model would write there. Stop
strings and `max_tokens` cut it; where it ends, the model ends its answer."""

Script = Mapping[str, Sequence[str]] | Writer
"""For each prompt the steps of its answer, or a `Writer`."""

Rewards = Mapping[str, float] | Callable[[str, Sequence[str]], float]
"""Reward by the newest step's text, or (question, steps) -> reward."""

CallOutcome = Literal["pending", "answered", "failed", "cancelled"]
"""What became of a request. A stream that its reader closed is cancelled."""


@dataclass(slots=True)
class GeneratorCall:
    """One request to a generator, or for a stream, and how many tokens it brought."""

    prefix: Prefix
    max_tokens: int
    sampling: Sampling
    unless_busy: bool = False
    outcome: CallOutcome = "pending"
    tokens: int = 0


@dataclass(slots=True)
class ScorerCall:
    """One request to a scorer."""

    question: str
    steps: tuple[str, ...]
    outcome: CallOutcome = "pending"


@dataclass(slots=True)
class LikelihoodCall:
    """One request for the likelihood of a completion."""

    prefix: Prefix
    completion: Completion
    outcome: CallOutcome = "pending"


def _by_length(prefix: str, text: str) -> float:
    """A tenth of a nat a character, and one for the end of the text."""
    return -0.1 * (len(text) + 1)


async def _next_turn(text: str) -> None:
    await asyncio.sleep(0)


class ScriptedGenerator:
    """A generator that writes what its script says.

    `separator` joins the steps of a script. With `token_ids` it answers token ids, and reads
    those of a prefix that has them instead of its text. `context` is the model's context length
    in tokens. `likelihood` gives the log-probability of a text after a prefix text: of what the
    generator writes, and of what it is asked about. `fail` gives the exception to raise for a
    prefix text, if any; `pause` is awaited before each answer and each chunk of a stream (raise,
    sleep or wait in it as a test needs); `burst` gives the tokens (>= 1) of the chunk that
    follows a text. Calls are kept in `calls`, `stream_calls` and `likelihood_calls`.
    """

    def __init__(
        self,
        script: Script,
        *,
        separator: str = "\n\n",
        tokenizer: Tokenizer | None = None,
        token_ids: bool = False,
        context: int = 1 << 20,
        likelihood: Callable[[str, str], float] = _by_length,
        fail: Callable[[str], Exception | None] = lambda text: None,
        pause: Callable[[str], Awaitable[None]] = _next_turn,
        burst: Callable[[str], int] = lambda text: 1,
    ) -> None:
        self._write = script if callable(script) else _follow(script, separator)
        self._step_sampling = Sampling(stop=(separator,))
        self._tokenizer = tokenizer or ByteTokenizer()
        self._token_ids = token_ids
        self._context = context
        self._likelihood = likelihood
        self._fail = fail
        self._pause = pause
        self._burst = burst
        self.calls: list[GeneratorCall] = []
        self.stream_calls: list[GeneratorCall] = []
        self.likelihood_calls: list[LikelihoodCall] = []

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        call = GeneratorCall(prefix, max_tokens, sampling)
        self.calls.append(call)
        with _recording(call):
            await self._begin(prefix.text)
            return self._answer(call)

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It writes one step after the other, each
        as `generate` would; without `token_ids` it brings nothing. It is never busy."""
        if not self._token_ids:
            return
        call = GeneratorCall(prefix, max_tokens, self._step_sampling, unless_busy)
        self.stream_calls.append(call)
        with _recording(call):
            prompt, _ = self._read(prefix)
            limit = min(len(prompt) + max_tokens, self._context)
            ids = prompt
            while True:
                step = self._step(ids, limit)
                ids += step.ids
                full: Literal["length"] | None = "length" if len(ids) == limit else None
                reason = step.finish_reason if step.stop is None else full
                async for text, tokens in self._chunks(ids, len(step.ids)):
                    call.tokens += len(tokens)
                    last = call.tokens == len(ids) - len(prompt)
                    yield Chunk(text, tokens, prompt, reason if last else None)
                if reason is not None:
                    return

    def _step(self, ids: tuple[int, ...], limit: int) -> Continuation:
        """What the script says after `ids`, up to a separator or the place `limit`."""
        text = self._tokenizer.decode(ids)
        if error := self._fail(text):
            raise error
        if len(ids) >= self._context:
            raise ContextError(f"{len(ids)} tokens do not fit a context of {self._context}")
        written = self._write(text, self._step_sampling)
        return cut(written, self._tokenizer, self._step_sampling.stop, limit - len(ids))

    async def _chunks(
        self, ids: tuple[int, ...], count: int
    ) -> AsyncGenerator[tuple[str, tuple[int, ...]], None]:
        """The last `count` of `ids` in chunks, with the text that each completes."""
        before = self._tokenizer.decode(ids[:-count])
        own, sent, shown = ids[-count:], 0, ""
        while sent < count:
            await self._pause(before + shown)
            end = min(count, sent + self._burst(before + shown))
            visible = self._tokenizer.decode(own[:end], skip_special=True).rstrip("\ufffd")
            yield visible[len(shown) :], own[sent:end]
            sent, shown = end, visible

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        call = LikelihoodCall(prefix, completion)
        self.likelihood_calls.append(call)
        with _recording(call):
            await self._begin(prefix.text)
            read = completion.usage.prompt_tokens + completion.usage.completion_tokens
            if read >= self._context:
                raise ContextError(f"{read} tokens leave no room in a context of {self._context}")
        logprob = self._likelihood(prefix.text, completion.text)
        return Likelihood(logprob, Usage(1, prompt_tokens=read, completion_tokens=1), 0.0, 0.0)

    async def _begin(self, text: str) -> None:
        await self._pause(text)
        if error := self._fail(text):
            raise error

    def _answer(self, call: GeneratorCall) -> Completion:
        assert call.max_tokens >= 1, "a generator is asked for at least one token"
        prompt, text = self._read(call.prefix)
        room = self._context - len(prompt)
        if room < 1:
            raise ContextError(f"{len(prompt)} tokens do not fit a context of {self._context}")
        whole = self._write(text, call.sampling)
        written = cut(whole, self._tokenizer, call.sampling.stop, min(call.max_tokens, room))
        call.tokens = len(written.ids)
        return Completion(
            text=written.text,
            finish_reason=written.finish_reason,
            matched_stop=written.stop,
            usage=Usage(1, prompt_tokens=len(prompt), completion_tokens=call.tokens),
            started_at=0.0,
            seconds=0.0,
            prompt_token_ids=prompt if self._token_ids else None,
            token_ids=written.ids if self._token_ids else None,
            logprob=self._likelihood(text, written.text) if call.sampling.logprobs else None,
        )

    def _read(self, prefix: Prefix) -> tuple[tuple[int, ...], str]:
        """A prefix as the model reads it: token ids, and text."""
        if self._token_ids and prefix.token_ids is not None:
            return prefix.token_ids, self._tokenizer.decode(prefix.token_ids)
        return tuple(self._tokenizer.encode(prefix.text)), prefix.text


class ScriptedScorer:
    """A reward model that gives the rewards of its script; `default` to steps not in it.

    A reward that is not finite is a `ScorerError`, as from a real one. `fail` gives the
    exception to raise for a newest step's text, if any; `pause` is awaited before each answer.
    Calls are kept in `calls`.
    """

    def __init__(
        self,
        rewards: Rewards,
        *,
        default: float | None = None,
        fail: Callable[[str], Exception | None] = lambda text: None,
        pause: Callable[[str], Awaitable[None]] = _next_turn,
    ) -> None:
        self._rewards = rewards
        self._default = default
        self._fail = fail
        self._pause = pause
        self.calls: list[ScorerCall] = []

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        call = ScorerCall(question, tuple(steps))
        self.calls.append(call)
        with _recording(call):
            await self._pause(steps[-1])
            if error := self._fail(steps[-1]):
                raise error
            reward = self._reward(call)
            if not math.isfinite(reward):
                raise ScorerError(f"scripted scorer: reward of {steps[-1]!r} is {reward}")
        counts = [len(text.encode()) for text in (question, *steps)]
        usage = Usage(1, prompt_tokens=sum(counts))
        return Score(reward, usage, step_tokens=counts[-1], started_at=0.0, seconds=0.0)

    def _reward(self, call: ScorerCall) -> float:
        if callable(self._rewards):
            return self._rewards(call.question, call.steps)
        reward = self._rewards.get(call.steps[-1], self._default)
        if reward is None:
            raise LookupError(f"script has no reward for {call.steps[-1]!r}; add it or a default")
        return reward


@contextmanager
def _recording(call: GeneratorCall | ScorerCall | LikelihoodCall) -> Iterator[None]:
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        call.outcome = "cancelled"
        raise
    except Exception:
        call.outcome = "failed"
        raise
    call.outcome = "answered"


def _follow(script: Mapping[str, Sequence[str]], separator: str) -> Writer:
    """A writer that goes on with the step that the number of separators written so far says."""

    def write(text: str, sampling: Sampling) -> str:
        prompt = max((p for p in script if text.startswith(p)), key=len, default=None)
        if prompt is None:
            raise LookupError(f"script has no prompt that begins {text[:80]!r}")
        done = text[len(prompt) :].count(separator)
        return separator.join(script[prompt][done:])

    return write
