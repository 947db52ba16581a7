"""What an answer has cost: tokens by model, and FLOPs against the target alone.

FLOPs are 2·N a token position that a model of N parameters processed. Each model pays for each
position once, as with prefix caching: the convention `PRM once` of `rsd report`. The target
alone would process prompt and kept tokens. Token-level speculation within the target's server is
not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsd.records import usage_by_role
from rsd.types import ROLES, Role, Step

Parameters = Mapping[Role, int | None]


@dataclass(frozen=True, slots=True)
class Cost:
    """Positions `processed` by each model, and what the target alone would process."""

    processed: Mapping[Role, int]
    reference: int

    def ratio(self, parameters: Parameters) -> float | None:
        """FLOPs over the target's alone; None without a parameter count that is needed."""
        reference, flops = _flops({"target": self.reference}, parameters), self.flops(parameters)
        return flops / reference if flops is not None and reference else None

    def flops(self, parameters: Parameters) -> float | None:
        """FLOPs of all models."""
        return _flops(self.processed, parameters)

    def reference_flops(self, parameters: Parameters) -> float | None:
        """FLOPs of the target writing the same alone."""
        return _flops({"target": self.reference}, parameters)


def cost(steps: Sequence[Step]) -> Cost:
    """Fold the candidate steps of one sample."""
    processed: dict[Role, int] = dict.fromkeys(ROLES, 0)
    trees: dict[Role, _Positions] = {role: _Positions() for role in ROLES}
    lengths: dict[Role, dict[int | None, int]] = {role: {} for role in ROLES}
    for step, ancestors in _with_ancestors(steps):
        tree, usage = trees[step.source], step.completion.usage
        processed[step.source] += tree.read(ancestors, usage.prompt_tokens)
        processed[step.source] += usage.completion_tokens + usage.wasted_tokens
        tree.known.add(id(step))
        if step.likelihood is not None:
            processed["target"] += step.likelihood.usage.prompt_tokens  # it reads no prefix cache
            trees["target"].know([*ancestors, step])
        if step.score is not None:
            role = step.score.role
            processed[role] += _scored(step, ancestors, lengths[role])
    return Cost(processed, prompt_tokens(steps) + completion_tokens(steps))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum over several samples."""
    listed = list(costs)
    processed: dict[Role, int] = {role: sum(c.processed[role] for c in listed) for role in ROLES}
    return Cost(processed, sum(c.reference for c in listed))


def prompt_tokens(steps: Iterable[Step]) -> int:
    """Tokens of the prompt, as the server of the first kept step counted them."""
    kept = (step for step in steps if step.accepted)
    first = next(kept, None)
    return first.completion.usage.prompt_tokens if first else 0


def completion_tokens(steps: Iterable[Step]) -> int:
    """Tokens of the kept steps: the answer, with what ended each step."""
    return sum(step.completion.usage.completion_tokens for step in steps if step.accepted)


def tokens_by_model(steps: Iterable[Step]) -> dict[str, dict[str, int]]:
    """What each model's server counted over all requests, those for rejected steps included."""
    return {
        role: {
            "requests": usage.requests,
            "prompt_tokens": usage.prompt_tokens,
            "cached_tokens": usage.cached_tokens,
            "completion_tokens": usage.completion_tokens,
            "wasted_tokens": usage.wasted_tokens,
        }
        for role, usage in usage_by_role(tuple(steps)).items()
    }


def flops_report(spent: Cost, parameters: Parameters) -> dict[str, Any]:
    """The FLOPs as an answer states them."""
    return {
        "total": spent.flops(parameters),
        "target_only": spent.reference_flops(parameters),
        "ratio": spent.ratio(parameters),
    }


class _Positions:
    """The steps whose tokens one model has processed."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        self._begun = False

    def read(self, ancestors: Iterable[Step], prompt: int) -> int:
        """Positions of a `prompt` that ends with `ancestors` which are new to the model."""
        new = [step for step in ancestors if id(step) not in self.known]
        self.know(new)
        if self._begun:
            return sum(step.completion.usage.completion_tokens for step in new)
        self._begun = True
        return prompt

    def know(self, steps: Iterable[Step]) -> None:
        self.known.update(id(step) for step in steps)


def _with_ancestors(steps: Iterable[Step]) -> Iterable[tuple[Step, list[Step]]]:
    """Each step and the chain that it continues, by index: parents before children."""
    kept: dict[int, Step] = {}
    places: dict[tuple[int, int], Step] = {}
    chains: dict[int, list[Step]] = {}
    ordered = sorted(steps, key=lambda step: step.index)
    for step in ordered:
        if step.accepted:
            kept[step.index] = step
        places[step.index, step.candidate] = step
    for step in ordered:
        before = step.index - 1
        named = None if step.continues is None else places.get((before, step.continues))
        parent = named or kept.get(before)
        chains[id(step)] = [*chains[id(parent)], parent] if parent else []
        yield step, chains[id(step)]


def _scored(step: Step, ancestors: Sequence[Step], lengths: dict[int | None, int]) -> int:
    """New positions of a scoring request; `lengths` are those of the inputs that the scorer
    knows, by the identity of the step that each ends with, None for the question alone."""
    assert step.score is not None
    length = step.score.usage.prompt_tokens - step.score.extra_tokens
    prefixes = [None, *(id(ancestor) for ancestor in ancestors)]
    known = max((lengths[prefix] for prefix in prefixes if prefix in lengths), default=0)
    lengths.setdefault(prefixes[-1], length - step.score.step_tokens)
    lengths[id(step)] = length
    return max(0, length - known) + step.score.usage.completion_tokens


def _flops(positions: Mapping[Role, int], parameters: Parameters) -> float | None:
    """2·N for each position; None if a model that processed something has no known N."""
    flops = 0.0
    for role, count in positions.items():
        size = parameters[role]
        if count and size is None:
            return None
        flops += 2.0 * (size or 0) * count
    return flops
