"""The gateway itself: which models it serves, over which servers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from openai.types import Model

from rsd.backends import Backends, Prompts, parameter_count
from rsd.config import Config
from rsd.gateway.admission import Admission
from rsd.gateway.answering.answer import AnswerRequest
from rsd.gateway.answering.watch import WatchedBackends
from rsd.gateway.catalog import Served, catalog
from rsd.gateway.errors import GatewayError
from rsd.gateway.health import Health, without
from rsd.gateway.metrics import GatewayMetrics
from rsd.gateway.openai.chat import ChatRenderer
from rsd.gateway.openai.report import Parameters
from rsd.gateway.openai.writers import dumped
from rsd.prompts import ChatTemplate
from rsd.protocols import Strategy
from rsd.types import ROLES, Query, Role, Step

Build = Callable[[Config, Backends], Strategy]
"""Makes the strategy that a configuration names, on the servers given."""


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
        self.metrics = GatewayMetrics()
        self.health = Health(backends.breakers, self.metrics, self.policy.health_interval_s)
        self.admission = Admission(self.policy.concurrency, self.policy.queue, self.metrics)
        self.draining = False
        self.parameters: Parameters = {role: parameter_count(config, role) for role in ROLES}
        prompts = Prompts(config, {"target": tokenizer})
        system = config.decoding.system if self.policy.system is None else self.policy.system
        self.chat = ChatRenderer(prompts, ChatTemplate(tokenizer), system)
        self._started = int(time.time())
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

    def decode(self, config: Config, request: AnswerRequest, query: Query) -> AsyncIterator[Step]:
        """The steps of the strategy of `config`, over watched servers."""
        watched = WatchedBackends.of(
            self._backends, self._scored_by, self.metrics, request.stops, request.ignore_eos
        )
        return self._build(config, watched).decode(query)

    def substitute(self, config: Config, lost: set[Role]) -> tuple[Config, Role | None]:
        """See `rsd.gateway.health.without`."""
        return without(config, lost | self.health.lost, self.policy)

    def count(self, step: Step) -> None:
        """Count a candidate, kept or not."""
        self.metrics.step(step)

    def suspect(self) -> None:
        """Check the servers at once: a request has failed."""
        self.health.suspect()

    def availability(self, served: Served) -> str:
        """`ok`, `degraded`, or `down`."""
        try:
            _, lost = self.substitute(served.config, set())
        except GatewayError:
            return "down"
        return "degraded" if lost else "ok"

    def described(self, served: Served) -> dict[str, Any]:
        """The entry of `/v1/models`. Every model is limited by the smallest context length."""
        decoding = served.config.decoding
        return dumped(
            Model,
            id=served.name,
            object="model",
            created=self._started,
            owned_by="rsd",
            max_model_len=self._backends.context,
            rsd={
                "strategy": served.strategy,
                "threshold": served.told_threshold(served.config),
                "threshold_range": list(self.policy.threshold_range),
                "temperature": decoding.sampled(decoding.writers[0]).temperature,
                "max_tokens": self.most_tokens(served),
                "state": self.availability(served),
            },
        )

    def served(self, name: str) -> Served:
        """The model called `name`. Raises `GatewayError` (404)."""
        try:
            return self.models[name]
        except KeyError:
            known = ", ".join(self.models)
            raise GatewayError(
                404, f"no such model; known: {known}", code="model_not_found", param="model"
            ) from None

    def most_tokens(self, served: Served) -> int:
        """The largest limit that a request may set for one answer."""
        return self.policy.max_tokens or served.config.decoding.max_tokens
