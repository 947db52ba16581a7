"""Folds over steps: who wrote what was kept, and how many tokens each model processed.

Forward passes are counted per token position (2 * N FLOPs per token, N the parameter count of
the model; arXiv 2501.19324, sec. 4). A generator is charged for each position once, as with
prefix caching: a request costs the part of its prompt that the model had not yet processed,
and what it generated. The reward model is counted under both conventions that a reader of the
paper may have in mind: `once`, each position once, and `per_step`, its whole input each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from rsd.records import StepRecord, TrajectoryRecord
from rsd.types import Role, Source


@dataclass(frozen=True, slots=True)
class Fold:
    """Sums over the steps of one or more trajectories.

    `*_kept` and `*_rejected` count candidates and the tokens generated for them. `processed_*`
    are token positions that went through a model. `reference` is what the target alone would
    process to write the same responses: prompts and kept tokens.
    """

    trajectories: int = 0
    draft_steps_kept: int = 0
    draft_steps_rejected: int = 0
    target_steps_kept: int = 0
    draft_tokens_kept: int = 0
    draft_tokens_rejected: int = 0
    target_tokens_kept: int = 0
    processed_draft: int = 0
    processed_target: int = 0
    processed_prm_once: int = 0
    processed_prm_per_step: int = 0
    reference: int = 0

    @property
    def response_tokens(self) -> int:
        """Tokens of the responses: all that was kept."""
        return self.draft_tokens_kept + self.target_tokens_kept

    @property
    def acceptance_rate(self) -> float | None:
        """Share of draft steps kept; None without draft steps."""
        return share(self.draft_steps_kept, self.draft_steps_rejected)

    @property
    def acceptance_rate_tokens(self) -> float | None:
        """Share of draft tokens kept; None without draft tokens."""
        return share(self.draft_tokens_kept, self.draft_tokens_rejected)

    @property
    def target_step_share(self) -> float | None:
        """Share of kept steps that the target wrote; None without steps."""
        return share(self.target_steps_kept, self.draft_steps_kept)


@dataclass(frozen=True, slots=True)
class Flops:
    """Floating-point operations under the two conventions for the reward model; None where a
    parameter count that is needed is unknown."""

    prm_once: float | None
    prm_per_step: float | None

    def __truediv__(self, other: Flops | float) -> Flops:
        if not isinstance(other, Flops):
            other = Flops(other, other)
        return Flops(
            ratio(self.prm_once, other.prm_once), ratio(self.prm_per_step, other.prm_per_step)
        )


def fold(trajectory: TrajectoryRecord) -> Fold:
    """Fold the steps of one trajectory."""
    steps = trajectory.steps
    draft_kept = [s.tokens for s in steps if s.source == "draft" and s.accepted]
    draft_rejected = [s.tokens for s in steps if s.source == "draft" and not s.accepted]
    target_kept = [s.tokens for s in steps if s.source == "target" and s.accepted]
    prompt = steps[0].prompt_tokens if steps else 0
    return Fold(
        trajectories=1,
        draft_steps_kept=len(draft_kept),
        draft_steps_rejected=len(draft_rejected),
        target_steps_kept=len(target_kept),
        draft_tokens_kept=sum(draft_kept),
        draft_tokens_rejected=sum(draft_rejected),
        target_tokens_kept=sum(target_kept),
        processed_draft=_generated(steps, "draft"),
        processed_target=_generated(steps, "target"),
        processed_prm_once=_scored_once(steps),
        processed_prm_per_step=sum(step.score_tokens for step in steps),
        reference=prompt + sum(draft_kept) + sum(target_kept),
    )


def total(folds: Iterable[Fold]) -> Fold:
    """The sum of `folds`."""
    return Fold(*(sum(column) for column in zip(*(astuple(f) for f in folds), strict=True)))


def flops(fold: Fold, counts: dict[Role, int | None]) -> Flops:
    """FLOPs of all three models; `counts` are parameter counts. A model that processed nothing
    costs nothing, also if its size is unknown."""
    generators = _sum(
        _cost(counts["draft"], fold.processed_draft),
        _cost(counts["target"], fold.processed_target),
    )
    return Flops(
        _sum(generators, _cost(counts["prm"], fold.processed_prm_once)),
        _sum(generators, _cost(counts["prm"], fold.processed_prm_per_step)),
    )


def reference_flops(fold: Fold, counts: dict[Role, int | None]) -> Flops:
    """FLOPs of the target writing the same responses alone: an estimate of target-only decoding
    for a run that stands alone. A real target-only run writes other, maybe shorter, responses."""
    cost = _cost(counts["target"], fold.reference)
    return Flops(cost, cost)


def share(part: int, rest: int) -> float | None:
    """`part` of `part + rest`; None if both are 0."""
    return part / (part + rest) if part + rest else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Their quotient; None if either is unknown or the denominator is 0."""
    return numerator / denominator if numerator is not None and denominator else None


def _generated(steps: Iterable[StepRecord], source: Source) -> int:
    processed = known = 0
    for step in steps:
        if step.source == source:
            processed += max(0, step.prompt_tokens - known) + step.tokens
            known = step.prompt_tokens + (step.tokens if step.accepted else 0)
    return processed


def _scored_once(steps: Iterable[StepRecord]) -> int:
    processed = known = 0
    for step in steps:
        if step.score_tokens:
            processed += max(0, step.score_tokens - known)
            known = step.score_tokens - (0 if step.accepted else step.score_step_tokens)
    return processed


def _cost(parameters: int | None, tokens: int) -> float | None:
    if not tokens:
        return 0.0
    return None if parameters is None else 2.0 * parameters * tokens


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second
