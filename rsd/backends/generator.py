"""Draft and target: a language model behind vLLM's `/v1/completions`."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal

from rsd.backends.server import Server
from rsd.clock import unix_time
from rsd.protocols import Sampling
from rsd.types import Chunk, Completion, Likelihood, Prefix, Usage

_ROUTE = "/v1/completions"
_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)  # what reading a wrong answer raises


class CompletionsGenerator:
    """Continues a prefix by raw completion.

    With `use_token_ids` the server is asked for token ids, and a prefix that has them is sent as
    ids: what one model wrote, the next one reads unchanged. It needs draft and target to share a
    tokenizer. Without it, text is sent. `context` is the server's context length in tokens; the
    server refuses a larger `max_tokens`, and itself lowers one that the prompt leaves no room for.
    While the server `is_busy`, nothing is streamed that should give way to others.
    """

    def __init__(
        self,
        server: Server,
        *,
        context: int,
        use_token_ids: bool,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._server = server
        self._context = context
        self._use_token_ids = use_token_ids
        self._is_busy = is_busy

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        return await self._server.persist(lambda: self._generate(prefix, max_tokens, sampling))

    async def _generate(self, prefix: Prefix, max_tokens: int, sampling: Sampling) -> Completion:
        by_ids = self._use_token_ids and prefix.token_ids is not None
        body: dict[str, object] = {
            "model": self._server.config.served_name,
            "prompt": prefix.token_ids if by_ids else prefix.text,
            "max_tokens": min(max_tokens, self._context),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": sampling.stop,
            "seed": sampling.seed,
            "logprobs": 0 if sampling.logprobs else None,
        }
        if self._use_token_ids:
            body["return_token_ids"] = True
        started_at, clock = unix_time(), time.perf_counter()
        answer = await self._server.post(_ROUTE, body)
        seconds = time.perf_counter() - clock
        completion = self._read(answer, started_at, seconds)
        if not sampling.logprobs:
            return completion
        return replace(completion, logprob=self._written(answer, completion))

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. In text it brings nothing: what the next
        request reads would be encoded again, and need not be what was written.

        No stop strings are sent, for which vLLM would hold text back: the text of a chunk is that
        of its tokens. It is one token, unless vLLM wrote the next before this one was sent.
        """
        if not self._use_token_ids or (unless_busy and self._is_busy()):
            return
        body = {
            "model": self._server.config.served_name,
            "prompt": prefix.text if prefix.token_ids is None else prefix.token_ids,
            "max_tokens": min(max_tokens, self._context),
            "temperature": 0,
            "top_p": 1,
            "return_token_ids": True,
        }
        prompt_token_ids: tuple[int, ...] | None = None
        async with aclosing(self._server.stream(_ROUTE, body)) as events:
            async for event in events:
                chunk = self._chunk(event, prompt_token_ids)
                prompt_token_ids = chunk.prompt_token_ids
                yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`.

        The request asks for the log-probabilities of its prompt, which is `prefix` and
        `completion`. vLLM does not read its prefix cache for such a request (0.32,
        `SamplingParams.skip_reading_prefix_cache`), so it pays for the whole prefix each time;
        what it computes is cached for later requests. It generates one token, which is dropped.
        """
        before, ids = completion.prompt_token_ids, completion.token_ids
        if not self._use_token_ids or before is None or ids is None:
            raise self._server.error(
                f"cannot tell how likely {prefix.text[-40:]!r} goes on without token ids; draft "
                f"and target must share a tokenizer, and decoding.prefix must not be text"
            )
        return await self._server.persist(lambda: self._likelihood(before, ids))

    async def _likelihood(self, before: Sequence[int], ids: Sequence[int]) -> Likelihood:
        body = {
            "model": self._server.config.served_name,
            "prompt": [*before, *ids],
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 0,
        }
        started_at, clock = unix_time(), time.perf_counter()
        answer = await self._server.post(_ROUTE, body)
        seconds = time.perf_counter() - clock
        try:
            (choice,) = answer["choices"]
            entries = choice["prompt_logprobs"][len(before) :]
            values = [
                entry[str(token)]["logprob"] for token, entry in zip(ids, entries, strict=True)
            ]
            return Likelihood(_sum(values), _usage(answer), started_at, seconds)
        except _MISSHAPEN as error:
            raise self._server.unusable(f"no log-probabilities of its prompt: {error!r}") from error

    def _written(self, answer: dict[str, Any], completion: Completion) -> float:
        """The log-probability of what was generated."""
        try:
            values = answer["choices"][0]["logprobs"]["token_logprobs"]
            if len(values) != completion.usage.completion_tokens:
                raise ValueError(f"{len(values)} for {completion.usage.completion_tokens} tokens")
            return _sum(values)
        except _MISSHAPEN as error:
            raise self._server.unusable(f"no log-probabilities in its answer: {error!r}") from error

    def _read(self, answer: dict[str, Any], started_at: float, seconds: float) -> Completion:
        """Check and convert an answer."""
        try:
            (choice,) = answer["choices"]
            matched = choice.get("stop_reason")
            prompt_ids, ids = choice.get("prompt_token_ids"), choice.get("token_ids")
            return Completion(
                text=_checked_text(choice["text"]),
                finish_reason=_checked_finish(choice["finish_reason"]),
                matched_stop=matched if isinstance(matched, str) else None,
                usage=_usage(answer),
                started_at=started_at,
                seconds=seconds,
                prompt_token_ids=self._ids(prompt_ids),
                token_ids=self._ids(ids),
            )
        except _MISSHAPEN as error:
            raise self._server.unusable(f"unusable completion: {error}") from error

    def _chunk(self, event: dict[str, Any], prompt: tuple[int, ...] | None) -> Chunk:
        """Check and convert an event of a stream; only the first repeats the `prompt`."""
        try:
            (choice,) = event["choices"]
            reason = choice["finish_reason"]
            return Chunk(
                text=_checked_text(choice["text"]),
                token_ids=tuple(choice["token_ids"]),
                prompt_token_ids=prompt or tuple(choice["prompt_token_ids"]),
                finish_reason=None if reason is None else _checked_finish(reason),
            )
        except _MISSHAPEN as error:
            raise self._server.unusable(f"unusable stream: {error!r}") from error

    def _ids(self, ids: object) -> tuple[int, ...] | None:
        if not self._use_token_ids:
            return None
        if not isinstance(ids, list):
            raise ValueError(
                "no token ids in the answer; set decoding.prefix to text for this server"
            )
        return tuple(ids)


def _usage(answer: dict[str, Any]) -> Usage:
    usage = answer["usage"]
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        requests=1,
        prompt_tokens=int(usage["prompt_tokens"]),
        cached_tokens=int(details.get("cached_tokens") or 0),
        completion_tokens=int(usage["completion_tokens"]),
    )


def _sum(logprobs: Iterable[Any]) -> float:
    """Their sum. Raises `TypeError` or `ValueError` for what is no finite number."""
    total = math.fsum(logprobs)
    if not math.isfinite(total):
        raise ValueError(f"log-probability {total}")
    return total


def _checked_text(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"text is {type(text).__name__}")
    text.encode()  # a lone surrogate raises UnicodeEncodeError: no file could hold it
    return text


def _checked_finish(reason: object) -> Literal["stop", "length"]:
    if reason == "stop":
        return "stop"
    if reason == "length":
        return "length"
    raise ValueError(f"finish_reason is {reason!r}")
