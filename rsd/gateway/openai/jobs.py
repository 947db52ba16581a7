"""From a checked body to the answers that are wanted, within the operator's limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from rsd.config import Config
from rsd.gateway.answering.answer import AnswerRequest
from rsd.gateway.catalog import Served, requested
from rsd.gateway.errors import GatewayError
from rsd.gateway.gateway import Gateway
from rsd.gateway.openai.report import Report
from rsd.gateway.openai.requests import (
    ChatRequest,
    CompletionRequest,
    GatewayRequest,
    ResponsesRequest,
)
from rsd.gateway.openai.responses import ResponsesWriter
from rsd.gateway.openai.writers import AnswerWriter, ChatWriter, CompletionWriter
from rsd.types import Query

log = logging.getLogger(__name__)

_NEVER = 10**9


@dataclass(frozen=True, slots=True)
class Job:
    """A checked request: the answers to decode, and who writes them down."""

    requests: tuple[AnswerRequest, ...]
    writer: AnswerWriter
    stream: bool


def make_job(gateway: Gateway, body: GatewayRequest) -> Job:
    """Raises `GatewayError` for what these models cannot do or the operator does not allow."""
    served = gateway.served(body.model)
    body.refuse_unsupported()
    queries = _queries(gateway, body)
    config = requested(served, _changes(gateway, body, served))
    if gateway.policy.log_prompts:
        log.info("prompts: %r", [query.prompt for query in queries])
    n = body.answers_per_prompt
    requests = tuple(
        AnswerRequest(
            place * n + number,
            query,
            config,
            stops=tuple(body.stop or ()),
            seed=body.seed,
            ignore_eos=bool(body.ignore_eos),
        )
        for place, query in enumerate(queries)
        for number in range(n)
    )
    return Job(requests, _writer(gateway, body, served, config), bool(body.stream))


def _queries(gateway: Gateway, body: GatewayRequest) -> list[Query]:
    """What is asked for each prompt. Their number is checked before one is rendered or decoded,
    which takes time."""
    count = len(body.prompts) if isinstance(body, CompletionRequest) else 1
    most = gateway.policy.max_choices
    if body.answers_per_prompt * count > most:
        raise GatewayError(400, f"at most {most} answers a request here", param="n")
    if isinstance(body, CompletionRequest):
        texts = [p if isinstance(p, str) else gateway.chat.text(p) for p in body.prompts]
        if not texts or not all(texts):
            raise GatewayError(400, "prompt is empty", param="prompt")
        return [Query(text, text) for text in texts]
    assert isinstance(body, ChatRequest | ResponsesRequest)
    return [gateway.chat.render(body.turns, body.turns_field, body.reasoning_effort)]


def _changes(gateway: Gateway, body: GatewayRequest, served: Served) -> dict[str, Any]:
    """What the request changes of the section decoding. A larger limit than the operator's is
    lowered to it, as vLLM lowers one that its context has no room for."""
    most = gateway.most_tokens(served)
    wanted = body.wanted_tokens or served.config.decoding.max_tokens
    changes = {**body.sampling, "max_tokens": min(wanted, most)}
    if body.ignore_eos:  # only the limit of tokens ends the answer
        changes |= {"max_steps": changes["max_tokens"], "max_repeats": _NEVER}
    if body.rsd is not None and body.rsd.threshold is not None:
        changes["threshold"] = _threshold(gateway, body.rsd.threshold, served)
    return changes


def _threshold(gateway: Gateway, threshold: float, served: Served) -> float:
    low, high = gateway.policy.threshold_range
    if not served.has_threshold:
        message = f"model {served.name} has no threshold"
    elif not low <= threshold <= high:
        message = f"threshold: from {low:g} to {high:g} here"
    else:
        return threshold
    raise GatewayError(400, message, param="rsd.threshold")


def _writer(gateway: Gateway, body: GatewayRequest, served: Served, config: Config) -> AnswerWriter:
    report = Report(
        strategy=served.strategy,
        threshold=served.told_threshold(config),
        parameters=gateway.parameters,
        include_steps=body.include_steps,
    )
    if isinstance(body, ResponsesRequest):
        return ResponsesWriter(served.name, report, body, config.decoding)
    assert isinstance(body, ChatRequest | CompletionRequest)
    options = body.stream_options
    writer = ChatWriter if isinstance(body, ChatRequest) else CompletionWriter
    return writer(
        model=served.name,
        report=report,
        answers_per_prompt=body.answers_per_prompt,
        include_usage=options is not None and options.include_usage,
        continuous_usage=options is not None and options.continuous_usage_stats,
    )
