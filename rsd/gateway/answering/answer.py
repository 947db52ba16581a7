"""One answer: a strategy decoded to its end. If a server is lost on the way, the rest is decoded
without it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rsd.config import Config
from rsd.costs import CostTotals, cost_totals
from rsd.decoding import recording
from rsd.decoding.seeds import derive
from rsd.errors import ContextError
from rsd.gateway.answering.stops import GrowingText
from rsd.gateway.answering.watch import StoppedByClient
from rsd.gateway.catalog import with_decoding
from rsd.gateway.errors import LostServer
from rsd.records import StepRecord
from rsd.types import Query, Role, Step, StopReason

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """One wanted answer: its number, what is decoded and how, and the client's stop strings. With
    `ignore_eos` the models write on where they would end."""

    number: int
    query: Query
    config: Config
    stops: tuple[str, ...] = ()
    seed: int | None = None
    ignore_eos: bool = False


@dataclass(slots=True)
class Answer:
    """An answer while it grows. `steps` are all candidates and `records` their costs. `degraded`
    lists the lost servers; `rest` is the text that was held back until the end."""

    request: AnswerRequest
    text: GrowingText
    steps: list[Step] = field(default_factory=list)
    records: list[StepRecord] = field(default_factory=list)
    ended: StopReason | None = None
    rest: str = ""
    degraded: list[dict[str, Any]] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Add a candidate step."""
        self.steps.append(step)
        self.records.append(StepRecord.of(step))

    @property
    def cost(self) -> CostTotals:
        """What the answer has cost so far."""
        return cost_totals(self.records)

    @property
    def finish_reason(self) -> str:
        """OpenAI's: `stop` if the model or a stop string ended it, `length` if a limit did."""
        natural = self.text.stopped or self.ended is StopReason.EOS
        return "stop" if natural else "length"

    @property
    def stop_reason(self) -> str:
        """`stop_string`, or the value of a `StopReason`."""
        by_server = any(isinstance(step.completion, StoppedByClient) for step in self.kept)
        return "stop_string" if self.text.stopped or by_server else str(self.ended)

    @property
    def kept(self) -> list[Step]:
        return [step for step in self.steps if step.accepted]


class AnswerServers(Protocol):
    """What an answer needs of `rsd.gateway.Gateway`."""

    def decode(
        self, config: Config, request: AnswerRequest, query: Query
    ) -> AsyncIterator[Step]: ...

    def substitute(self, config: Config, lost: set[Role]) -> tuple[Config, Role | None]: ...

    def suspect(self) -> None: ...

    def count(self, step: Step) -> None: ...


OnStep = Callable[[Answer, Step, str], Awaitable[None]]
"""Called with each candidate step, and the text that may be sent now."""


async def decode_answer(request: AnswerRequest, servers: AnswerServers, on_step: OnStep) -> Answer:
    """Decode one answer. Raises `GatewayError` if nothing may replace a lost server."""
    answer = Answer(request, GrowingText(request.stops))
    lost: set[Role] = set()
    while True:
        config, without = servers.substitute(request.config, lost)
        if without is not None:
            _note(answer, without, config)
        try:
            await _go_on(answer, config, servers, on_step)
        except LostServer as error:
            log.warning("lost the %s server: %s", error.role, error)
            servers.suspect()
            lost.add(error.role)
            continue
        except ContextError:
            if not answer.kept:
                raise
            answer.ended = StopReason.CONTEXT  # it no longer fits a model
        break
    answer.rest = answer.text.end()
    return answer


async def _go_on(answer: Answer, config: Config, servers: AnswerServers, on_step: OnStep) -> None:
    """Decode from where `answer` is."""
    request, kept = answer.request, answer.kept
    separator = config.decoding.step_separator
    query, offset = request.query, len(kept)
    if kept:
        query = query.after([step.completion for step in kept], separator)
        config = _rest(config, kept)
    seed = None if request.seed is None else derive(request.seed, request.number)
    query = replace(query, seed=seed)
    yielded: list[Step] = []

    def add(step: Step) -> Step:
        step = replace(step, index=step.index + offset)
        answer.add(step)
        servers.count(step)
        return step

    with recording() as candidates:
        try:
            async with aclosing(servers.decode(config, request, query)) as decoding:  # type: ignore[type-var]
                async for step in decoding:
                    yielded.append(step)
                    joint = separator if answer.kept else ""
                    step, text = add(step), ""
                    if step.accepted:
                        answer.ended = step.ends
                        text = answer.text.add(joint + step.text)
                    await on_step(answer, step, text)
                    if answer.text.stopped:
                        return
        finally:  # the client may have left
            for step in candidates.discarded(yielded):
                add(step)


def _rest(config: Config, kept: list[Step]) -> Config:
    """`config` with the limits that `kept` leaves."""
    used = sum(step.completion.usage.completion_tokens for step in kept)
    return with_decoding(
        config,
        {
            "max_tokens": max(1, config.decoding.max_tokens - used),
            "max_steps": max(1, config.decoding.max_steps - len(kept)),
        },
    )


def _note(answer: Answer, lost: Role, config: Config) -> None:
    mode = config.decoding.strategy
    if not any(entry["lost"] == lost for entry in answer.degraded):
        answer.degraded.append({"lost": lost, "mode": mode, "from_step": len(answer.kept)})
