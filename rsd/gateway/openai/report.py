"""The object `rsd` of answers: who wrote which step, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rsd.costs import CostTotals, flops, reference_flops, total
from rsd.gateway.answering.answer import Answer
from rsd.records import usage_by_role
from rsd.types import Role, Step

Parameters = Mapping[Role, int | None]
"""The models' parameter counts; None where unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Describes the answers of one request. `threshold` is None where the strategy has none."""

    strategy: str
    threshold: float | None
    parameters: Parameters
    include_steps: bool

    def of_request(self, answers: Sequence[Answer]) -> dict[str, Any]:
        return {
            "strategy": self.strategy,
            "threshold": self.threshold,
            "degraded": [entry for answer in answers for entry in answer.degraded],
            **self._spent(answers),
        }

    def of_answer(self, answer: Answer) -> dict[str, Any]:
        steps = answer.steps if self.include_steps else answer.kept
        return {
            "stop_reason": answer.stop_reason,
            "steps": [_described(step, text=self.include_steps) for step in steps],
            "degraded": answer.degraded,
            **self._spent([answer]),
        }

    def of_step(self, answer: Answer, step: Step) -> dict[str, Any]:
        """A candidate step with its text, and the costs of `answer` so far."""
        ratio = self._flops(answer.cost)["ratio"] if answer.kept else None
        degraded = {"degraded": answer.degraded} if answer.degraded else {}
        return {"step": _described(step, text=True), "flops_ratio": ratio, **degraded}

    def _spent(self, answers: Sequence[Answer]) -> dict[str, Any]:
        steps = tuple(step for answer in answers for step in answer.steps)
        return {
            "tokens": {role: asdict(usage) for role, usage in usage_by_role(steps).items()},
            "flops": self._flops(total(answer.cost for answer in answers)),
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
