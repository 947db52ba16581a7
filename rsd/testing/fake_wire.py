"""Bodies of the fake server's requests and answers, shaped as vLLM 0.32 shapes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from rsd.testing.fake_engine import BAD_REQUEST, FakeEngine, Generated, RequestError, Scored

Prompt: TypeAlias = str | list[int]

_UNSUPPORTED = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": None,
    "use_beam_search": False,
    "include_stop_str_in_output": False,
    "stop_token_ids": None,
    "ignore_eos": False,
    "min_tokens": 0,
}
"""Parameters of `/v1/completions` that change the answer, each with the one value it may have."""

_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "top_k": (lambda it: it >= -1, "0 (disable), or at least 1"),
    "min_p": (lambda it: 0 <= it <= 1, "in [0, 1]"),
    "presence_penalty": (lambda it: -2 <= it <= 2, "in [-2, 2]"),
    "repetition_penalty": (lambda it: it > 0, "greater than zero"),
}
"""Which values vLLM takes of what the fake's models do not read, and what it says of others."""


class ServedBody(BaseModel):
    """A request to a model. Unknown fields are taken and ignored, as vLLM does."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    cache_salt: str | None = None

    def check_model(self, served_name: str) -> None:
        if self.model and self.model != served_name:
            raise self._unknown_model(served_name)

    def _unknown_model(self, served_name: str) -> RequestError:
        message = f"The model `{self.model}` does not exist. Valid aliases: {served_name}."
        return RequestError(404, message, "NotFoundError", "model")


class StreamOptions(BaseModel):
    include_usage: bool = False
    continuous_usage_stats: bool = False


class CompletionBody(ServedBody):
    prompt: Prompt | list[str] | list[list[int]] | None = None
    max_tokens: int | None = 16
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    stream_interval: int | None = None
    return_token_ids: bool | None = None
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    prompt_logprobs: int | None = None
    return_tokens_as_token_ids: bool | None = None

    def prompts(self) -> list[Prompt]:
        return _several(self.prompt)

    def stops(self) -> tuple[str, ...]:
        if isinstance(self.stop, str):
            return (self.stop,)
        return tuple(self.stop or ())

    def refuse_unsupported(self, *, logprobs: bool) -> None:
        """Raises `RequestError` for what vLLM refuses too, and for what only the fake lacks;
        `logprobs` says whether its model has log-probabilities."""
        if self.prompt == []:
            raise _bad("You must pass at least one prompt", None)
        if not self.prompt:
            raise _bad(
                "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)",
                "prompt",
            )
        if self.stream_options and not self.stream:
            message = "Stream options can only be defined when `stream=True`."
            raise _bad(f"{message} (parameter=stream_options)", "stream_options")
        extra = self.model_extra or {}
        for name, usual in _UNSUPPORTED.items():
            if extra.get(name) not in (usual, None, []):
                raise _bad(f"the fake server cannot do {name}={extra[name]}", name)
        for name, (fits, rule) in _RANGES.items():
            if (value := getattr(self, name)) is not None and not fits(value):
                raise _bad(f"{name} must be {rule}, got {value}.", None)
        if self.logprob_token_ids and self.logprobs is None:
            message = "when using `logprob_token_ids`, `logprobs` must be set."
            raise _bad(f"{message} (parameter=logprob_token_ids)", "logprob_token_ids")
        if {self.logprobs, self.prompt_logprobs} != {None} and (self.stream or not logprobs):
            message = "the fake server cannot do logprobs of a stream, or without Behavior.logprob"
            raise _bad(message, "logprobs")
        first_of_ids = self.return_tokens_as_token_ids and self.max_tokens == 1
        if not first_of_ids if self.logprob_token_ids else self.logprobs or self.prompt_logprobs:
            message = (
                "the fake server cannot do logprobs but of the text, or of one token by its id"
            )
            raise _bad(message, "logprobs")
        if self.stream and len(self.prompts()) > 1:
            raise _bad("the fake server streams one prompt at a time", "stream")


class ClassifyBody(ServedBody):
    input: Prompt | list[str] | list[list[int]]

    def inputs(self) -> list[Prompt]:
        """Raises `RequestError` for an input without tokens."""
        inputs = _several(self.input)
        if not all(inputs):
            raise _bad("The decoder prompt cannot be empty", None)
        return inputs

    def _unknown_model(self, served_name: str) -> RequestError:
        return RequestError(404, f"The model `{self.model}` does not exist.", "NotFoundError")


class TokenizeBody(ServedBody):
    prompt: str


class DetokenizeBody(ServedBody):
    tokens: list[int]


def texts_of(engine: FakeEngine, prompts: Sequence[Prompt]) -> list[str]:
    """The prompts as text."""
    return [p if isinstance(p, str) else engine.tokenizer.decode(p) for p in prompts]


def model_list(engine: FakeEngine, root: str) -> dict[str, Any]:
    """`GET /v1/models`."""
    card = {
        "id": engine.served_name,
        "object": "model",
        "created": int(time.time()),
        "owned_by": "vllm",
        "root": root,
        "parent": None,
        "max_model_len": engine.max_model_len,
        "permission": [],
    }
    return {"object": "list", "data": [card]}


def completion(
    engine: FakeEngine, body: CompletionBody, results: Sequence[Generated], details: bool
) -> dict[str, Any]:
    """`POST /v1/completions`, not streamed."""
    choices = [
        _choice(body, index, result)
        | {"prompt_logprobs": _prompt_logprobs(engine, body, result), "routed_experts": None}
        | {"prompt_token_ids": result.prompt_ids if body.return_token_ids else None}
        | {"logprobs": _logprobs(engine, body, result)}
        for index, result in enumerate(results)
    ]
    return _completion_head(engine) | {
        "choices": choices,
        "service_tier": None,
        "system_fingerprint": None,
        "usage": _usage(
            sum(len(result.prompt_ids) for result in results),
            sum(len(result.continuation.ids) for result in results),
            results[-1].cached if details else None,
        ),
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def chunks(
    engine: FakeEngine, body: CompletionBody, result: Generated, details: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The chunks of a streamed completion, each with the number of tokens it brings.

    Text that may yet turn out to be a stop string is held back, as vLLM does.
    """
    options = body.stream_options or StreamOptions()
    ids, prompt = result.continuation.ids, len(result.prompt_ids)
    every = max(1, body.stream_interval or 1)
    head, shown, sent = _completion_head(engine), "", 0
    for end in [*range(every, len(ids), every), len(ids)]:
        choice = _choice(body, 0, result)
        choice["prompt_token_ids"] = (
            result.prompt_ids if body.return_token_ids and not sent else None
        )
        choice["token_ids"] = list(ids[sent:end]) if body.return_token_ids else None
        text = choice["text"]
        if end < len(ids):
            choice |= {"finish_reason": None, "stop_reason": None}
            text = text[: len(_settled(engine, ids[:end], body.stops()))]
        choice["text"] = text[len(shown) :]
        chunk = head | {"choices": [choice]}
        if options.include_usage and options.continuous_usage_stats:
            chunk["usage"] = _running_usage(prompt, end)
        yield end - sent, chunk
        shown, sent = shown + choice["text"], end
    if options.include_usage:
        usage = _running_usage(prompt, len(ids))
        if details:
            usage["prompt_tokens_details"] = {"cached_tokens": result.cached}
        yield 0, head | {"choices": [], "usage": usage}


def classification(engine: FakeEngine, results: Sequence[Scored]) -> dict[str, Any]:
    """`POST /classify`. A NaN stays one, and no JSON can be made of it."""
    data = [
        {"index": index, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
        for index, probs in enumerate(map(engine.probabilities, results))
    ]
    return {
        "id": f"classify-{uuid4().hex[:16]}",
        "object": "list",
        "created": int(time.time()),
        "model": engine.served_name,
        "data": data,
        "usage": _usage(sum(len(result.prompt_ids) for result in results), 0, None),
    }


def _completion_head(engine: FakeEngine) -> dict[str, Any]:
    return {
        "id": f"cmpl-{uuid4().hex[:16]}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": engine.served_name,
    }


def _choice(body: CompletionBody, index: int, result: Generated) -> dict[str, Any]:
    continuation = result.continuation
    return {
        "index": index,
        "text": continuation.text,
        "logprobs": None,
        "finish_reason": continuation.finish_reason,
        "stop_reason": continuation.stop,
        "token_ids": list(continuation.ids) if body.return_token_ids else None,
    }


def _logprobs(engine: FakeEngine, body: CompletionBody, result: Generated) -> dict[str, Any] | None:
    """Log-probabilities of all tokens generated, or of the one generated and those named in the
    request."""
    if body.logprobs is None:
        return None
    if not body.logprob_token_ids:
        before, ids = result.prompt_ids, result.continuation.ids
        texts = [engine.tokenizer.decode([token]) for token in ids]
        values = engine.log_likelihoods([*before, *ids], len(before))
        return {
            "text_offset": [sum(map(len, texts[:place])) for place in range(len(texts))],
            "token_logprobs": values,
            "tokens": texts,
            "top_logprobs": [{text: value} for text, value in zip(texts, values, strict=True)],
        }
    generated = result.continuation.ids[0]
    tokens = list(dict.fromkeys([*body.logprob_token_ids, generated]))
    names = [f"token_id:{token}" for token in tokens]
    found = dict(zip(names, engine.logprobs(result, tokens), strict=True))
    return {
        "text_offset": [0],
        "token_logprobs": [found[f"token_id:{generated}"]],
        "tokens": [f"token_id:{generated}"],
        "top_logprobs": [found],
    }


def _prompt_logprobs(
    engine: FakeEngine, body: CompletionBody, result: Generated
) -> list[dict[str, Any] | None] | None:
    """For each token of the prompt, but the first, its log-probability."""
    if body.prompt_logprobs is None:
        return None
    ids = result.prompt_ids
    values = zip(ids[1:], engine.log_likelihoods(ids, 1), strict=True)
    return [
        None,
        *(
            {str(token): {"logprob": value, "rank": 1, "decoded_token": "?"}}
            for token, value in values
        ),
    ]


def _settled(engine: FakeEngine, ids: Sequence[int], stops: Sequence[str]) -> str:
    """The text of `ids` without half characters and without what may begin a stop string."""
    text = engine.tokenizer.decode(ids, skip_special=True).rstrip("\ufffd")
    held = max((len(stop) for stop in stops), default=1) - 1
    return text[: len(text) - held] if held else text


def _usage(prompt: int, completion: int, cached: int | None) -> dict[str, Any]:
    details = {"cached_tokens": cached, "created_cache_tokens": None, "multimodal_tokens": None}
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "prompt_tokens_details": None if cached is None else details,
        "completion_tokens_details": None,
    }


def _running_usage(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
    }


def _several(prompt: Prompt | list[str] | list[list[int]] | None) -> list[Prompt]:
    """One prompt or a list of them, as a list."""
    if prompt is None or isinstance(prompt, str):
        return [prompt or ""]
    nested = [item for item in prompt if not isinstance(item, int)]
    return list(nested) or [[token for token in prompt if isinstance(token, int)]]


def _bad(message: str, param: str | None) -> RequestError:
    return RequestError(400, message, BAD_REQUEST, param)
