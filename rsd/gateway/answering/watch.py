"""The servers for one request: timed, given the client's stop strings, and with failures that name
the lost server."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, fields, replace

from rsd.backends import Backends
from rsd.errors import ContextError, RsdError
from rsd.gateway.errors import LostServer
from rsd.gateway.metrics import GatewayMetrics
from rsd.protocols import Generator, Sampling, Scorer, StreamingGenerator
from rsd.types import Chunk, Completion, Likelihood, Prefix, Role, Score


@dataclass(frozen=True, slots=True)
class WatchedBackends(Backends):
    """`Backends` for one request."""

    metrics: GatewayMetrics
    stops: tuple[str, ...]
    ignore_eos: bool = False

    @classmethod
    def of(
        cls,
        backends: Backends,
        scored_by: Role | None,
        metrics: GatewayMetrics,
        stops: Sequence[str],
        ignore_eos: bool,
    ) -> WatchedBackends:
        """`backends` watched; `scored_by` is the role of the server behind their scorer."""
        values = {field.name: getattr(backends, field.name) for field in fields(Backends)}
        if backends.scorer is not None and scored_by is not None:
            values["scorer"] = _WatchedScorer(backends.scorer, scored_by, metrics)
        return cls(**values, metrics=metrics, stops=tuple(stops), ignore_eos=ignore_eos)

    def generator(self, role: Role) -> Generator:
        """See `Backends.generator`."""
        generator = Backends.generator(self, role)
        return _WatchedGenerator(generator, role, self.metrics, self.stops, self.ignore_eos)


@dataclass(frozen=True, slots=True)
class StoppedByClient(Completion):
    """A completion that ended at a stop string of the client: the last of its answer."""


class _WatchedGenerator:
    """A completion that ends at one of `stops` ends the answer, as if the model had ended it, and
    is `StoppedByClient`."""

    def __init__(
        self,
        generator: Generator,
        role: Role,
        metrics: GatewayMetrics,
        stops: tuple[str, ...],
        ignore_eos: bool,
    ) -> None:
        self._generator = generator
        self._role = role
        self._metrics = metrics
        self._stops = stops
        self._ignore_eos = ignore_eos

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        sampling = replace(
            sampling, stop=(*self._stops, *sampling.stop), ignore_eos=self._ignore_eos
        )
        with _watched(self._role, self._metrics):
            completion = await self._generator.generate(
                prefix, max_tokens=max_tokens, sampling=sampling
            )
        if completion.matched_stop in self._stops:
            values = {field.name: getattr(completion, field.name) for field in fields(Completion)}
            return StoppedByClient(**{**values, "matched_stop": None})
        return completion

    async def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """See `rsd.protocols.StreamingGenerator.stream`. It brings nothing where there are stop
        strings, since only the server knows which token completes one, or where the end of
        sequence is ignored."""
        if self._stops or self._ignore_eos or not isinstance(self._generator, StreamingGenerator):
            return
        with _watched(self._role, self._metrics):
            async with aclosing(
                self._generator.stream(prefix, max_tokens=max_tokens, unless_busy=unless_busy)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        with _watched(self._role, self._metrics):
            return await self._generator.log_likelihood(prefix, completion)


class _WatchedScorer:
    def __init__(self, scorer: Scorer, role: Role, metrics: GatewayMetrics) -> None:
        self._scorer = scorer
        self._role = role
        self._metrics = metrics

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        with _watched(self._role, self._metrics):
            return await self._scorer.score(question, steps)


@contextmanager
def _watched(role: Role, metrics: GatewayMetrics) -> Iterator[None]:
    clock = time.perf_counter()
    try:
        yield
    except ContextError:
        raise
    except RsdError as error:
        metrics.upstream_errors.labels(role).inc()
        raise LostServer(role, str(error)) from error
    metrics.stage(role, time.perf_counter() - clock)
