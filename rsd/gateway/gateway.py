"""The gateway itself: what it serves, over which servers, and what a request asks of it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rsd.backends import Backends, parameter_count
from rsd.config import Config
from rsd.gateway.admission import Admission
from rsd.gateway.answers import Parameters, Writer
from rsd.gateway.catalog import Served, catalog, requested
from rsd.gateway.chat import ChatTemplate
from rsd.gateway.errors import GatewayError
from rsd.gateway.health import Health, without
from rsd.gateway.metrics import Metrics
from rsd.gateway.requests import ChatBody, CompletionBody, RequestBody
from rsd.gateway.sample import Ask
from rsd.gateway.watch import WatchedBackends
from rsd.protocols import Strategy
from rsd.types import ROLES, Query, Role, Step

log = logging.getLogger(__name__)

Build = Callable[[Config, Backends], Strategy]
"""Makes the strategy that a configuration names, on the servers given."""


@dataclass(frozen=True, slots=True)
class Job:
    """A checked request: the answers to decode, and who writes them down."""

    asks: tuple[Ask, ...]
    writer: Writer
    stream: bool


class Gateway:
    """Serves `config.gateway.models` over `backends`.

    `tokenizer` is the target's (transformers); `keys` are the accepted API keys. Raises
    `ConfigError` for a model that these servers cannot serve.
    """

    def __init__(
        self,
        config: Config,
        backends: Backends,
        build: Build,
        tokenizer: Any,
        keys: Sequence[str] = (),
    ) -> None:
        self.policy = config.gateway
        self.keys = tuple(keys)
        self.models = catalog(config)
        self.metrics = Metrics()
        self.health = Health(backends.breakers, self.metrics, self.policy.health_interval_s)
        self.admission = Admission(self.policy.concurrency, self.policy.queue, self.metrics)
        self.draining = False
        self.parameters: Parameters = {role: parameter_count(config, role) for role in ROLES}
        self._chat = ChatTemplate(tokenizer, self.policy.system)
        self._backends = backends
        self._build = build
        self._scored_by = config.models.scored_by
        for served in self.models.values():
            build(served.config, backends)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look after the servers as long as the block lasts."""
        async with self.health.watching():
            yield

    def decode(self, config: Config, ask: Ask, query: Query) -> AsyncIterator[Step]:
        """See `rsd.gateway.sample.Steps`."""
        watched = WatchedBackends.of(self._backends, self._scored_by, self.metrics, ask.stops)
        return self._build(config, watched).decode(query)

    def substitute(self, config: Config, lost: set[Role]) -> tuple[Config, Role | None]:
        """See `rsd.gateway.health.without`."""
        return without(config, lost | self.health.lost, self.policy)

    def count(self, step: Step) -> None:
        """See `rsd.gateway.sample.Steps`."""
        self.metrics.step(step)

    def suspect(self) -> None:
        """See `rsd.gateway.health.Health.suspect`."""
        self.health.suspect()

    def availability(self, served: Served) -> str:
        """`ok`, `degraded`, or `down`."""
        try:
            _, lost = self.substitute(served.config, set())
        except GatewayError:
            return "down"
        return "degraded" if lost else "ok"

    def described(self, served: Served) -> dict[str, Any]:
        """The entry of `/v1/models`."""
        decoding = served.config.decoding
        return {
            "id": served.name,
            "object": "model",
            "created": 0,
            "owned_by": "rsd",
            "rsd": {
                "strategy": served.strategy,
                "threshold": served.told_threshold(served.config),
                "threshold_range": list(self.policy.threshold_range),
                "temperature": decoding.sampled(decoding.writers[0]).temperature,
                "max_tokens": self._most_tokens(served),
                "state": self.availability(served),
            },
        }

    def served(self, name: str) -> Served:
        """The model called `name`. Raises `GatewayError` (404)."""
        try:
            return self.models[name]
        except KeyError:
            known = ", ".join(self.models)
            raise GatewayError(
                404, f"no such model; known: {known}", code="model_not_found", param="model"
            ) from None

    def chat_job(self, body: ChatBody) -> Job:
        """A request for the answer to a chat. Raises `GatewayError`."""
        served = self._checked(body)
        self._refuse_many(body, 1)
        return self._job(body, served, [self._chat.render(body.messages)], chat=True)

    def completion_job(self, body: CompletionBody) -> Job:
        """A request to continue prompts, each of which is also the question that the reward model
        reads. Raises `GatewayError`."""
        served = self._checked(body)
        self._refuse_many(body, len(body.prompts))
        texts = [p if isinstance(p, str) else self._chat.text(p) for p in body.prompts]
        if not texts or not all(texts):
            raise GatewayError(400, "prompt is empty", param="prompt")
        return self._job(body, served, [(text, text) for text in texts], chat=False)

    def _checked(self, body: RequestBody) -> Served:
        served = self.served(body.model)
        body.refuse_unsupported()
        return served

    def _refuse_many(self, body: RequestBody, prompts: int) -> None:
        """Before a prompt is rendered or decoded, which takes time."""
        most = self.policy.max_choices
        if (body.n or 1) * prompts > most:
            raise GatewayError(400, f"at most {most} answers a request here", param="n")

    def _job(
        self, body: RequestBody, served: Served, prompts: Sequence[tuple[str, str]], *, chat: bool
    ) -> Job:
        n = body.n or 1
        config = requested(served, self._changes(body, served))
        if self.policy.log_prompts:
            log.info("prompts: %r", [prompt for prompt, _ in prompts])
        asks = tuple(
            Ask(place * n + number, prompt, question, config, body.stops, body.seed)
            for place, (prompt, question) in enumerate(prompts)
            for number in range(n)
        )
        writer = Writer(
            chat=chat,
            model=served.name,
            strategy=served.strategy,
            threshold=served.told_threshold(config),
            parameters=self.parameters,
            choices_per_prompt=n,
            include_steps=body.include_steps,
            include_usage=body.include_usage,
        )
        return Job(asks, writer, bool(body.stream))

    def _changes(self, body: RequestBody, served: Served) -> Mapping[str, Any]:
        """What the request changes of the section decoding, within the operator's limits."""
        limit = self._most_tokens(served)
        changes: dict[str, Any] = {"max_tokens": min(limit, served.config.decoding.max_tokens)}
        if body.wanted_tokens is not None:
            if body.wanted_tokens > limit:
                raise GatewayError(400, f"max_tokens: at most {limit} here", param="max_tokens")
            changes["max_tokens"] = body.wanted_tokens
        for key in ("temperature", "top_p"):
            if getattr(body, key) is not None:
                changes[key] = getattr(body, key)
        if body.rsd is not None and body.rsd.threshold is not None:
            changes["threshold"] = self._threshold(body.rsd.threshold, served)
        return changes

    def _threshold(self, threshold: float, served: Served) -> float:
        low, high = self.policy.threshold_range
        if not served.has_threshold:
            message = f"model {served.name} has no threshold"
        elif not low <= threshold <= high:
            message = f"threshold: from {low:g} to {high:g} here"
        else:
            return threshold
        raise GatewayError(400, message, param="rsd.threshold")

    def _most_tokens(self, served: Served) -> int:
        return self.policy.max_tokens or served.config.decoding.max_tokens
