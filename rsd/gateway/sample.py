"""One answer: a strategy decoded to its end, and when a server is lost on the way, to its end
without that server."""

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
from rsd.gateway.catalog import with_decoding
from rsd.gateway.errors import LostServer
from rsd.gateway.stops import GrowingText
from rsd.gateway.watch import StoppedByClient
from rsd.records import StepRecord
from rsd.types import Query, Role, Step, StopReason

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """What one answer is asked for: the rendered prompt, the bare question for the reward model,
    the number of the answer, how it is decoded, and the client's stop strings."""

    number: int
    prompt: str
    question: str
    config: Config
    stops: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(slots=True)
class Sample:
    """An answer while it grows. `steps` are all candidates, `records` what they cost. `degraded`
    tells which servers it did without; `rest` is the text that was held back to its end."""

    ask: Ask
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


class Steps(Protocol):
    """What a sample needs of the gateway."""

    def decode(self, config: Config, ask: Ask, query: Query) -> AsyncIterator[Step]:
        """The steps of the strategy of `config`, over watched servers."""
        ...

    def substitute(self, config: Config, lost: set[Role]) -> tuple[Config, Role | None]:
        """See `rsd.gateway.health.without`."""
        ...

    def suspect(self) -> None:
        """A server has failed."""
        ...

    def count(self, step: Step) -> None:
        """A candidate was written, whatever became of it."""
        ...


OnStep = Callable[[Sample, Step, str], Awaitable[None]]
"""Called with each candidate step, and the text that may be sent by it."""


async def decode_sample(ask: Ask, steps: Steps, on_step: OnStep) -> Sample:
    """Decode one answer. Raises `GatewayError` where a lost server has no substitute."""
    sample = Sample(ask, GrowingText(ask.stops))
    lost: set[Role] = set()
    while True:
        config, without = steps.substitute(ask.config, lost)
        if without is not None:
            _note(sample, without, config)
        try:
            await _go_on(sample, config, steps, on_step)
        except LostServer as error:
            log.warning("lost the %s server: %s", error.role, error)
            steps.suspect()
            lost.add(error.role)
            continue
        except ContextError:
            if not sample.kept:
                raise
            sample.ended = StopReason.CONTEXT  # it has outgrown a model
        break
    sample.rest = sample.text.end()
    return sample


async def _go_on(sample: Sample, config: Config, steps: Steps, on_step: OnStep) -> None:
    """Decode from where `sample` is."""
    ask, kept = sample.ask, sample.kept
    separator = config.decoding.step_separator
    prompt, offset = ask.prompt, len(kept)
    if kept:
        prompt += "".join(step.text + separator for step in kept)
        config = _rest(config, kept)
    seed = None if ask.seed is None else derive(ask.seed, ask.number)
    query = Query(prompt, ask.question, seed)
    yielded: list[Step] = []

    def add(step: Step) -> Step:
        step = replace(step, index=step.index + offset)
        sample.add(step)
        steps.count(step)
        return step

    with recording() as candidates:
        try:
            async with aclosing(steps.decode(config, ask, query)) as decoding:  # type: ignore[type-var]
                async for step in decoding:
                    yielded.append(step)
                    joint = separator if sample.kept else ""
                    step, text = add(step), ""
                    if step.accepted:
                        sample.ended = step.ends
                        text = sample.text.add(joint + step.text)
                    await on_step(sample, step, text)
                    if sample.text.stopped:
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


def _note(sample: Sample, lost: Role, config: Config) -> None:
    mode = config.decoding.strategy
    if not any(entry["lost"] == lost for entry in sample.degraded):
        sample.degraded.append({"lost": lost, "mode": mode, "from_step": len(sample.kept)})
