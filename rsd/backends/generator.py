"""Draft and target: a language model behind vLLM's `/v1/completions`."""

from __future__ import annotations

import time
from typing import Any, Literal

from rsd.backends.server import Server
from rsd.protocols import Sampling
from rsd.types import Completion, Prefix, Usage


class CompletionsGenerator:
    """Continues a prefix by raw completion.

    With `use_token_ids` the server is asked for token ids, and a prefix that has them is sent as
    ids: what one model wrote, the next one reads unchanged. It needs draft and target to share a
    tokenizer. Without it, text is sent. `context` is the server's context length in tokens; the
    server refuses a larger `max_tokens`, and itself lowers one that the prompt leaves no room for.
    """

    def __init__(self, server: Server, *, context: int, use_token_ids: bool) -> None:
        self._server = server
        self._context = context
        self._use_token_ids = use_token_ids

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        prompt: str | list[int] = prefix.text
        if self._use_token_ids and prefix.token_ids is not None:
            prompt = list(prefix.token_ids)
        started_at, clock = time.time(), time.perf_counter()
        async with self._server.translating():
            answer = await self._server.client.completions.create(
                model=self._server.config.served_name,
                prompt=prompt,
                max_tokens=min(max_tokens, self._context),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                stop=list(sampling.stop),
                seed=sampling.seed,
                extra_body={"return_token_ids": True} if self._use_token_ids else None,
            )
        seconds = time.perf_counter() - clock
        return self._read(answer, started_at, seconds)

    def _read(self, answer: Any, started_at: float, seconds: float) -> Completion:
        """Check and convert an answer of the SDK, whose models do not validate."""
        try:
            (choice,) = answer.choices
            extra = choice.model_extra or {}
            matched = extra.get("stop_reason")
            prompt_ids, ids = extra.get("prompt_token_ids"), extra.get("token_ids")
            details = answer.usage.prompt_tokens_details
            usage = Usage(
                requests=1,
                prompt_tokens=int(answer.usage.prompt_tokens),
                cached_tokens=int((details and details.cached_tokens) or 0),
                completion_tokens=int(answer.usage.completion_tokens),
            )
            return Completion(
                text=_checked_text(choice.text),
                finish_reason=_checked_finish(choice.finish_reason),
                matched_stop=matched if isinstance(matched, str) else None,
                usage=usage,
                started_at=started_at,
                seconds=seconds,
                prompt_token_ids=self._ids(prompt_ids),
                token_ids=self._ids(ids),
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise self._server.error(f"unusable completion: {error}") from error

    def _ids(self, ids: object) -> tuple[int, ...] | None:
        if not self._use_token_ids:
            return None
        if not isinstance(ids, list):
            raise ValueError(
                "no token ids in the answer; set decoding.prefix to text for this server"
            )
        return tuple(ids)


def _checked_text(text: object) -> str:
    if not isinstance(text, str):
        raise ValueError(f"text is {type(text).__name__}")
    return text


def _checked_finish(reason: object) -> Literal["stop", "length"]:
    if reason == "stop":
        return "stop"
    if reason == "length":
        return "length"
    raise ValueError(f"finish_reason is {reason!r}")
