"""Draft and target: a language model behind vLLM's `/v1/completions`."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from rsd.backends import answers
from rsd.backends.answers import AnswerError, Request, Value
from rsd.backends.server import Server
from rsd.clock import unix_time
from rsd.protocols import Sampling
from rsd.types import Chunk, Completion, Likelihood, Prefix

_ROUTE = "/v1/completions"
_CHECKED = 16  # tokens of a stream after which they are decoded again, if they are at all


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
            **sampling.optional,
        }
        if self._use_token_ids:
            body["return_token_ids"] = True
        if sampling.ignore_eos:
            body["ignore_eos"] = True
        started_at, clock = unix_time(), time.perf_counter()
        answer = await self._server.post(_ROUTE, body)
        seconds = time.perf_counter() - clock
        request = self._request(prefix, max_tokens, sampling.stop)
        with self._server.reading("unusable completion"):
            written, usage = answers.completion(answer, request)
        ids, prompt_ids = written.token_ids, written.prompt_token_ids
        assert written.finish_reason is not None
        if ids is not None:
            await self._server.check_ids(written.text, ids)
        return Completion(
            text=written.text,
            finish_reason=written.finish_reason,
            matched_stop=written.matched_stop,
            usage=usage,
            started_at=started_at,
            seconds=seconds,
            prompt_token_ids=prompt_ids,
            token_ids=ids,
            logprob=self._logprob(answer, usage.completion_tokens) if sampling.logprobs else None,
        )

    def _request(self, prefix: Prefix, max_tokens: int, stops: tuple[str, ...] = ()) -> Request:
        return Request(
            models=self._server.models,
            max_tokens=min(max_tokens, self._context),
            context=self._context,
            stops=stops,
            sent=prefix.token_ids if self._use_token_ids else None,
            wanted=self._use_token_ids,
        )

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
        request, left = self._request(prefix, max_tokens), min(max_tokens, self._context)
        prompt: tuple[int, ...] | None = None
        text, ids, checked = "", tuple[int, ...](), False
        async with aclosing(self._server.stream(_ROUTE, body)) as events:
            async for event in events:
                with self._server.reading("unusable stream"):
                    written = answers.chunk(event, replace(request, max_tokens=left))
                    prompt = prompt or written.prompt_token_ids
                    if prompt is None:
                        raise AnswerError("it does not begin with the prompt's token ids")
                assert written.token_ids is not None
                left -= len(written.token_ids)
                if not checked:
                    text, ids = text + written.text, ids + written.token_ids
                    if checked := len(ids) >= _CHECKED or written.finish_reason is not None:
                        await self._server.check_ids(text, ids)
                yield Chunk(written.text, written.token_ids, prompt, written.finish_reason)

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`.

        The request asks for the log-probabilities of its prompt, which is `prefix` and
        `completion`. vLLM does not read its prefix cache for such a request (0.32,
        `SamplingParams.skip_reading_prefix_cache`), so it pays for the whole prefix each time;
        what it computes is cached for later requests. It generates one token, which is dropped.
        """
        before, ids = prefix.token_ids or completion.prompt_token_ids, completion.token_ids
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
        with self._server.reading("no log-probabilities of its prompt"):
            answers.of_model(answer, self._server.models)
            (choice,) = answer["choices"].items(1)
            entries = choice["prompt_logprobs"].items(len(before) + len(ids))[len(before) :]
            values = [
                entry[str(token)]["logprob"].logprob()
                for token, entry in zip(ids, entries, strict=True)
            ]
            usage = answers.usage(answer, self._context, self._context)
        return Likelihood(math.fsum(values), usage, started_at, seconds)

    def _logprob(self, answer: Value, tokens: int) -> float:
        """The log-probability of the `tokens` tokens that were generated."""
        with self._server.reading("no log-probabilities in its answer"):
            (choice,) = answer["choices"].items(1)
            values = choice["logprobs"]["token_logprobs"].items(tokens)
            return math.fsum(value.logprob() for value in values)
