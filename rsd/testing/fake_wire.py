"""Bodies of the fake server's requests and answers, shaped as vLLM 0.32 shapes them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from rsd.testing.fake_engine import FakeEngine, Generated, RequestError

Prompt: TypeAlias = str | list[int]
Prompts: TypeAlias = Prompt | list[str] | list[list[int]]

_UNSUPPORTED = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": None,
    "use_beam_search": False,
    "include_stop_str_in_output": False,
    "stop_token_ids": None,
    "min_tokens": 0,
}
"""Parameters of `/v1/completions` that change the answer, each with the one value it may have."""


class FakeBody(BaseModel):
    """A request to a model. Unknown fields are accepted and ignored, as by vLLM."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    cache_salt: str | None = None

    def check_model(self, served_name: str) -> None:
        if self.model and self.model != served_name:
            message = f"The model `{self.model}` does not exist."
            raise RequestError(message, "model", 404, "NotFoundError")


class FakeCompletionBody(FakeBody):
    prompt: Prompts | None = None
    max_tokens: int | None = 16
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    ignore_eos: bool = False
    stream: bool = False
    stream_options: dict[str, bool] | None = None
    stream_interval: int | None = None
    return_token_ids: bool | None = None
    logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    prompt_logprobs: int | None = None
    return_tokens_as_token_ids: bool | None = None

    def prompts(self) -> list[Prompt]:
        return _several(self.prompt)

    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def refuse_unsupported(self, *, logprobs: bool) -> None:
        """Raises `RequestError` for what vLLM refuses too, and for what only the fake lacks;
        `logprobs` says whether its model has log-probabilities."""
        extra = self.model_extra or {}
        for name, usual in _UNSUPPORTED.items():
            if extra.get(name) not in (usual, None, []):
                raise RequestError(f"the fake server cannot do {name}={extra[name]}", name)
        asked = self.logprobs is not None or self.prompt_logprobs is not None
        by_id = self.return_tokens_as_token_ids and self.max_tokens == 1
        unusual = not by_id if self.logprob_token_ids else self.logprobs or self.prompt_logprobs
        for wrong, message, param in (
            (self.prompt == [], "You must pass at least one prompt", None),
            (
                not self.prompt,
                "Either prompt or prompt_embeds must be provided and non-empty. (parameter=prompt)",
                "prompt",
            ),
            (
                self.stream_options and not self.stream,
                "Stream options can only be defined when `stream=True`. (parameter=stream_options)",
                "stream_options",
            ),
            (
                self.logprob_token_ids and self.logprobs is None,
                "when using `logprob_token_ids`, `logprobs` must be set. "
                "(parameter=logprob_token_ids)",
                "logprob_token_ids",
            ),
            (
                (asked and (self.stream or not logprobs)) or unusual,
                "the fake server cannot do logprobs but of a whole answer's text or prompt, or of "
                "one token by its id, and those with Behavior.logprob",
                "logprobs",
            ),
            (
                self.stream and len(self.prompts()) > 1,
                "the fake server streams one prompt at a time",
                "stream",
            ),
        ):
            if wrong:
                raise RequestError(message, param)


class FakeClassifyBody(FakeBody):
    input: Prompts

    def inputs(self) -> list[Prompt]:
        """Raises `RequestError` for an input without tokens."""
        inputs = _several(self.input)
        if not all(inputs):
            raise RequestError("The decoder prompt cannot be empty")
        return inputs


class FakeTokenizeBody(FakeBody):
    prompt: str


class FakeDetokenizeBody(FakeBody):
    tokens: list[int]


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
    engine: FakeEngine, body: FakeCompletionBody, results: Sequence[Generated], details: bool
) -> dict[str, Any]:
    """`POST /v1/completions`, not streamed."""
    choices = [
        _choice(body, index, result)
        | {
            "prompt_logprobs": _prompt_logprobs(engine, body, result),
            "prompt_token_ids": result.prompt_ids if body.return_token_ids else None,
            "logprobs": _logprobs(engine, body, result),
            "routed_experts": None,
        }
        for index, result in enumerate(results)
    ]
    read = sum(len(result.prompt_ids) for result in results)
    written = sum(len(result.continuation.ids) for result in results)
    usage = _usage(read, written, results[-1].cached if details else None)
    unused = ("service_tier", "system_fingerprint", "kv_transfer_params", "ec_transfer_params")
    answer = _head(engine, "cmpl", "text_completion") | {"choices": choices, "usage": usage}
    return answer | dict.fromkeys((*unused, "metrics"))


def chunks(
    engine: FakeEngine, body: FakeCompletionBody, result: Generated, details: bool
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The chunks of a streamed completion, each with the number of tokens it brings.

    Text that may yet turn out to be a stop string is held back, as by vLLM.
    """
    options = body.stream_options or {}
    with_usage = options.get("include_usage", False)
    ids, prompt = result.continuation.ids, result.prompt_ids
    every = max(1, body.stream_interval or 1)
    head, shown, sent = _head(engine, "cmpl", "text_completion"), "", 0
    for end in [*range(every, len(ids), every), len(ids)]:
        choice = _choice(body, 0, result)
        choice["prompt_token_ids"] = prompt if body.return_token_ids and not sent else None
        choice["token_ids"] = list(ids[sent:end]) if body.return_token_ids else None
        text = choice["text"]
        if end < len(ids):
            choice |= {"finish_reason": None, "stop_reason": None}
            text = text[: len(_settled(engine, ids[:end], body.stops()))]
        choice["text"] = text[len(shown) :]
        chunk = head | {"choices": [choice]}
        if with_usage and options.get("continuous_usage_stats"):
            chunk["usage"] = _counts(len(prompt), end)
        yield end - sent, chunk
        shown, sent = shown + choice["text"], end
    if with_usage:
        cached = {"prompt_tokens_details": {"cached_tokens": result.cached}} if details else {}
        yield 0, head | {"choices": [], "usage": _counts(len(prompt), len(ids)) | cached}


def classification(
    engine: FakeEngine, inputs: Sequence[Sequence[int]], scores: Sequence[list[float | None]]
) -> dict[str, Any]:
    """`POST /classify`. A NaN stays one, and no JSON can be made of it."""
    data = [
        {"index": index, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
        for index, probs in enumerate(scores)
    ]
    usage = _usage(sum(map(len, inputs)), 0, None)
    return _head(engine, "classify", "list") | {"data": data, "usage": usage}


def _head(engine: FakeEngine, name: str, kind: str) -> dict[str, Any]:
    return {
        "id": f"{name}-{uuid4().hex[:16]}",
        "object": kind,
        "created": int(time.time()),
        "model": engine.served_name,
    }


def _choice(body: FakeCompletionBody, index: int, result: Generated) -> dict[str, Any]:
    continuation = result.continuation
    return {
        "index": index,
        "text": continuation.text,
        "logprobs": None,
        "finish_reason": continuation.finish_reason,
        "stop_reason": continuation.stop,
        "token_ids": list(continuation.ids) if body.return_token_ids else None,
    }


def _logprobs(
    engine: FakeEngine, body: FakeCompletionBody, result: Generated
) -> dict[str, Any] | None:
    """Log-probabilities of all generated tokens, or of the one generated and those that the
    request names."""
    if body.logprobs is None:
        return None
    before, ids = result.prompt_ids, result.continuation.ids
    if not body.logprob_token_ids:
        texts = [engine.tokenizer.decode([token]) for token in ids]
        values = engine.log_likelihoods([*before, *ids], len(before))
        return {
            "text_offset": [sum(map(len, texts[:place])) for place in range(len(texts))],
            "token_logprobs": values,
            "tokens": texts,
            "top_logprobs": [{text: value} for text, value in zip(texts, values, strict=True)],
        }
    tokens = list(dict.fromkeys([*body.logprob_token_ids, ids[0]]))
    names = [f"token_id:{token}" for token in tokens]
    found = dict(zip(names, engine.logprobs(result, tokens), strict=True))
    own = f"token_id:{ids[0]}"
    named = {"token_logprobs": [found[own]], "tokens": [own], "top_logprobs": [found]}
    return {"text_offset": [0], **named}


def _prompt_logprobs(
    engine: FakeEngine, body: FakeCompletionBody, result: Generated
) -> list[dict[str, Any] | None] | None:
    """For each token of the prompt, but the first, its log-probability."""
    if body.prompt_logprobs is None:
        return None
    values = engine.log_likelihoods(result.prompt_ids, 1)
    entries = [
        {str(token): {"logprob": value, "rank": 1, "decoded_token": "?"}}
        for token, value in zip(result.prompt_ids[1:], values, strict=True)
    ]
    return [None, *entries]


def _settled(engine: FakeEngine, ids: Sequence[int], stops: Sequence[str]) -> str:
    """The text of `ids` without half characters and without what may begin a stop string."""
    text = engine.tokenizer.decode(ids, skip_special=True).rstrip("\ufffd")
    held = max(map(len, stops), default=1) - 1
    return text[: len(text) - held]


def _counts(prompt: int, completion: int) -> dict[str, Any]:
    total = prompt + completion
    return {"prompt_tokens": prompt, "total_tokens": total, "completion_tokens": completion}


def _usage(prompt: int, completion: int, cached: int | None) -> dict[str, Any]:
    details = {"cached_tokens": cached, "created_cache_tokens": None, "multimodal_tokens": None}
    return _counts(prompt, completion) | {
        "prompt_tokens_details": None if cached is None else details,
        "completion_tokens_details": None,
    }


def _several(prompt: Prompts | None) -> list[Prompt]:
    """One prompt or a list of them, as a list."""
    if prompt is None or isinstance(prompt, str):
        return [prompt or ""]
    nested = [item for item in prompt if not isinstance(item, int)]
    return list(nested) or [[token for token in prompt if isinstance(token, int)]]
