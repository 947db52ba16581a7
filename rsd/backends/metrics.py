"""What a vLLM server says of its load and its work at `/metrics` (vLLM 0.32,
vllm/v1/metrics/loggers.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rsd.backends import answers
from rsd.backends.answers import MOST_COUNT, AnswerError
from rsd.backends.server import Server

_LABEL = re.compile(r'\b(\w+)="([^"]*)"')
_WANTED = frozenset(
    (
        "num_requests_running",
        "num_requests_waiting",
        "num_preemptions",
        "prompt_tokens",
        "prompt_tokens_cached",
        "generation_tokens",
    )
)


@dataclass(frozen=True, slots=True)
class ServerMetrics:
    """One look at a server, all its engines together.

    Now: requests `running` and `waiting`; `cache_tokens`, what the KV cache holds, None if
    unknown. Since the server's start: `preemptions` of requests that the cache had no room for,
    `prompt_tokens` of all requests, `cached_tokens` of these that the prefix cache held,
    `generated_tokens`.
    """

    running: int = 0
    waiting: int = 0
    cache_tokens: int | None = None
    preemptions: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0


async def read_metrics(server: Server) -> ServerMetrics | None:
    """Look at `server`; None if it has metrics, and not vLLM's.

    Raises `BackendError`, or `ScorerError`, for one that does not answer, has none, or tells
    figures that cannot be.
    """
    page = await server.get_text("/metrics")
    with server.reading("/metrics cannot be used"):
        return parse_metrics(page)


def parse_metrics(text: str) -> ServerMetrics | None:
    """The same of a page in the Prometheus text format. Raises `AnswerError`."""
    values: dict[str, list[float]] = {}
    capacity: list[int] = []
    for name, labels, value in answers.metrics(text):
        if name in _WANTED:
            values.setdefault(name, []).append(value)  # one sample an engine
        elif name == "cache_config_info" and (tokens := _cache_tokens(labels)):
            capacity.append(tokens)
    if "num_requests_running" not in values:
        return None

    def total(name: str) -> int:
        return answers.total(name, values.get(name, ()))

    return ServerMetrics(
        running=total("num_requests_running"),
        waiting=total("num_requests_waiting"),
        cache_tokens=sum(capacity) or None,
        preemptions=total("num_preemptions"),
        prompt_tokens=total("prompt_tokens"),
        cached_tokens=total("prompt_tokens_cached"),
        generated_tokens=total("generation_tokens"),
    )


def _cache_tokens(labels: str) -> int | None:
    """What one engine's cache holds, by the labels of `cache_config_info`: its own count, which
    older servers do not give, or blocks of a size."""
    found = dict(_LABEL.findall(labels))
    try:
        if found.get("kv_cache_size_tokens", "None") != "None":
            tokens = int(found["kv_cache_size_tokens"])
        else:
            tokens = int(found["num_gpu_blocks"]) * int(found["block_size"])
    except (KeyError, ValueError):
        return None
    if not 0 <= tokens <= MOST_COUNT:
        raise AnswerError(f"the KV cache is said to hold {answers.shown(tokens)} tokens")
    return tokens
