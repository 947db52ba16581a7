"""What `/metrics` shows, in the Prometheus text format. No label comes from a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from rsd.types import Role, Step

_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_REWARDS = tuple(n / 10 for n in range(1, 11))


class GatewayMetrics:
    """The counters of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        in_gateway: Any = {"namespace": "rsd_gateway", "registry": self._registry}
        counter: Callable[..., Counter] = partial(Counter, **in_gateway)
        gauge: Callable[..., Gauge] = partial(Gauge, **in_gateway)
        histogram: Callable[..., Histogram] = partial(Histogram, **in_gateway, buckets=_SECONDS)
        by_verdict, by_role = ("source", "verdict"), ("role",)
        self.requests = counter("requests", "Answered requests.", ("model", "status"))
        self.cancelled = counter("cancelled", "Requests whose client left.")
        self.steps = counter("steps", "Candidate steps.", by_verdict)
        self.tokens = counter("tokens", "Generated tokens.", by_verdict)
        self.degraded = counter(
            "degraded", "Answers written without a lost server.", ("lost", "mode")
        )
        self.upstream_errors = counter("upstream_errors", "Failed requests.", by_role)
        self.rewards = histogram("reward", "Rewards of steps.", buckets=_REWARDS)
        self.stages = histogram("stage_seconds", "Time of one request to a server.", by_role)
        self.first_step = histogram("first_step_seconds", "From a request to its first kept step.")
        self.request_seconds = histogram("request_seconds", "From a request to its end.")
        self.queue_seconds = histogram("queue_seconds", "Waiting time of requests.")
        self.running = gauge("running", "Requests in work.")
        self.waiting = gauge("waiting", "Requests in the queue.")
        self.upstream_up = gauge("upstream_up", "1 if a server answers.", by_role)
        tasks = gauge("tasks", "Tasks of the event loop; few when nothing is in work.")
        tasks.set_function(lambda: len(asyncio.all_tasks()))
        ProcessCollector(registry=self._registry)

    def step(self, step: Step) -> None:
        """Count a candidate step."""
        verdict, usage = "accepted" if step.accepted else "rejected", step.completion.usage
        self.steps.labels(step.source, verdict).inc()
        self.tokens.labels(step.source, verdict).inc(usage.completion_tokens)
        self.tokens.labels(step.source, "wasted").inc(usage.wasted_tokens)
        if step.reward is not None:
            self.rewards.observe(step.reward)

    def stage(self, role: Role, seconds: float) -> None:
        """Note how long a request to a server took."""
        self.stages.labels(role).observe(seconds)

    def text(self) -> bytes:
        """The exposition. Call it in the gateway's event loop."""
        return generate_latest(self._registry)
