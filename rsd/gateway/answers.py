"""Bodies of answers, as OpenAI shapes them, with the object `rsd` beside."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from rsd.costs import CostTotals, flops, reference_flops, total
from rsd.gateway.sample import Sample
from rsd.records import usage_by_role
from rsd.types import Role, Step

Parameters = Mapping[Role, int | None]
"""The models' parameter counts; None where unknown."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one answer. `choices_per_prompt` is `n`; `parameters` are the models' sizes."""

    chat: bool
    model: str
    strategy: str
    threshold: float | None
    parameters: Parameters
    choices_per_prompt: int
    include_steps: bool
    include_usage: bool
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = [
            {
                "index": sample.ask.number,
                **self._text(sample.text.text, chunk=False),
                "logprobs": None,
                "finish_reason": sample.finish_reason,
                "rsd": self._choice_report(sample),
            }
            for sample in samples
        ]
        kind = "chat.completion" if self.chat else "text_completion"
        return {
            **self._head(kind),
            "choices": choices,
            "usage": self.usage(samples),
            "rsd": self._report(samples),
        }

    def step_chunk(self, sample: Sample, step: Step, text: str) -> dict[str, Any] | None:
        """The chunk of one candidate step; None if there is nothing to tell."""
        if not text and not self.include_steps:
            return None
        report: dict[str, Any] | None = None
        if self.include_steps:
            ratio = self._flops(sample.cost)["ratio"] if sample.kept else None
            report = {"step": _described(step, text=True), "flops_ratio": ratio}
            if sample.degraded:
                report["degraded"] = sample.degraded
        return self._chunk(sample, text, None, report)

    def last_chunk(self, sample: Sample) -> dict[str, Any]:
        """The chunk that ends an answer and says why."""
        return self._chunk(sample, sample.rest, sample.finish_reason, self._choice_report(sample))

    def role_chunk(self, number: int) -> dict[str, Any]:
        """The chunk that begins an answer of a chat."""
        delta = {"role": "assistant", "content": ""}
        choice = {"index": number, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._chunk_of([choice])

    def closing_chunks(self, samples: Sequence[Sample]) -> list[dict[str, Any]]:
        """After all answers: the totals, and the usage if it was asked for."""
        if not self.include_usage:
            return []
        chunk = self._chunk_of([])
        return [{**chunk, "usage": self.usage(samples), "rsd": self._report(samples)}]

    def usage(self, samples: Sequence[Sample]) -> dict[str, int]:
        """OpenAI's usage: each prompt counts once, and the tokens of all answers."""
        firsts = samples[:: self.choices_per_prompt]
        prompt = sum(sample.cost.prompt_tokens for sample in firsts)
        completion = sum(sample.cost.response_tokens for sample in samples)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _chunk(
        self, sample: Sample, text: str, finish: str | None, report: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        choice: dict[str, Any] = {
            "index": sample.ask.number,
            **self._text(text, chunk=True),
            "logprobs": None,
            "finish_reason": finish,
        }
        if report is not None:
            choice["rsd"] = report
        return self._chunk_of([choice])

    def _chunk_of(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        usage = {"usage": None} if self.include_usage else {}
        return {**self._head(kind), "choices": choices, **usage}

    def _head(self, kind: str) -> dict[str, Any]:
        prefix = "chatcmpl" if self.chat else "cmpl"
        return {
            "id": f"{prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }

    def _text(self, text: str, *, chunk: bool) -> dict[str, Any]:
        if not self.chat:
            return {"text": text}
        if chunk:
            return {"delta": {"content": text} if text else {}}
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _choice_report(self, sample: Sample) -> dict[str, Any]:
        steps = sample.steps if self.include_steps else sample.kept
        return {
            "stop_reason": sample.stop_reason,
            "steps": [_described(step, text=self.include_steps) for step in steps],
            "degraded": sample.degraded,
            **self._spent([sample]),
        }

    def _report(self, samples: Sequence[Sample]) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "threshold": self.threshold,
            "degraded": [entry for sample in samples for entry in sample.degraded],
            **self._spent(samples),
        }

    def _spent(self, samples: Sequence[Sample]) -> dict[str, Any]:
        steps = tuple(step for sample in samples for step in sample.steps)
        return {
            "tokens": {role: asdict(usage) for role, usage in usage_by_role(steps).items()},
            "flops": self._flops(total(sample.cost for sample in samples)),
        }

    def _flops(self, work: CostTotals) -> dict[str, float | None]:
        """FLOPs under the convention that each model reads a prefix once."""
        spent, alone = flops(work, self.parameters), reference_flops(work, self.parameters)
        return {
            "total": spent.prm_once,
            "target_only": alone.prm_once,
            "ratio": (spent / alone).prm_once,
        }


def _described(step: Step, *, text: bool) -> dict[str, Any]:
    about: dict[str, Any] = {
        "index": step.index,
        "source": step.source,
        "accepted": step.accepted,
        "reward": step.reward,
        "tokens": step.completion.usage.completion_tokens,
    }
    if text:
        about |= {"candidate": step.candidate, "text": step.text}
    return about
