"""What `/metrics` shows, in the Prometheus text format. No label comes from a client."""

from __future__ import annotations

import asyncio

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


class Metrics:
    """The counters of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Answered requests.", "model", "status")
        self.cancelled = self._counter("cancelled", "Requests whose client left.")
        self.steps = self._counter("steps", "Candidate steps.", "source", "verdict")
        self.tokens = self._counter("tokens", "Generated tokens.", "source", "verdict")
        self.degraded = self._counter(
            "degraded", "Answers that did without a lost server.", "lost", "mode"
        )
        self.upstream_errors = self._counter("upstream_errors", "Failed requests.", "role")
        self.rewards = self._histogram("reward", "Rewards of steps.", _REWARDS)
        self.stages = self._histogram(
            "stage_seconds", "Time of one request to a server.", _SECONDS, "role"
        )
        self.first_step = self._histogram(
            "first_step_seconds", "From a request to its first kept step.", _SECONDS
        )
        self.request_seconds = self._histogram(
            "request_seconds", "From a request to its end.", _SECONDS
        )
        self.queue_seconds = self._histogram("queue_seconds", "Waiting time of requests.", _SECONDS)
        self.running = self._gauge("running", "Requests in work.")
        self.waiting = self._gauge("waiting", "Requests in the queue.")
        self.upstream_up = self._gauge("upstream_up", "1 if a server answers.", "role")
        tasks = self._gauge("tasks", "Tasks of the event loop; few when nothing is in work.")
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

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"rsd_gateway_{name}", about, labels, registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"rsd_gateway_{name}", about, labels, registry=self._registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            f"rsd_gateway_{name}", about, labels, buckets=buckets, registry=self._registry
        )
