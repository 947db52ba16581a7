"""What the steps of a solution cost: who wrote what was kept, and how many tokens each model
processed.

A forward pass costs 2 N FLOPs for each token position, N being the parameter count of the model
(arXiv 2501.19324, sec. 4). A generator pays for each position once, as with prefix caching: for the
part of its prompt that it had not yet processed, and for what it generated. The reward model is
counted under both conventions that a reader of the paper may have in mind: `once`, each position
once, and `per_step`, its whole input each time. A target that grades steps itself pays for the
steps that it reads and for the question about them; one that tells how likely a draft step is, for
its whole input. Candidates, samples and beams that lost are charged like those that won, and so are
discarded speculative tokens. A target whose server decodes speculatively by tokens also pays for
the drafted tokens that it rejected, and the draft inside the server for each drafted token and for
the prompt tokens that the target read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

from rsd.costs.positions import generator_positions, reward_model_positions
from rsd.costs.speculation import SpeculationCost
from rsd.records import StepRecord
from rsd.types import Role, Source


@dataclass(frozen=True, slots=True)
class CostTotals:
    """Sums over the steps of one or more trajectories.

    Tokens are all that were generated; candidates, samples and beams that lost are among the
    rejected. Discarded speculative tokens (`wasted_tokens`) are processed positions, and neither
    kept nor rejected. `processed_*` are token positions that went through a model.

    Where both models wrote a step and both were scored, `regenerations` are the places where the
    target's was kept, `regenerations_wasted` those of them where it was no better than the
    draft's; `acceptances` are the places where the draft's was kept, `acceptances_mistaken` those
    of them where the target's was better.
    """

    draft_steps_kept: int = 0
    draft_steps_rejected: int = 0  # places where the draft wrote and a step of the target was kept
    target_steps_kept: int = 0
    draft_tokens_kept: int = 0
    draft_tokens_rejected: int = 0
    target_tokens_kept: int = 0
    processed_draft: int = 0
    processed_target: int = 0
    processed_prm_once: int = 0
    processed_prm_per_step: int = 0
    reference: int = 0  # positions of the target alone, writing the same: prompts and kept tokens
    wasted_tokens: int = 0
    target_tokens_generated: int = 0
    regenerations: int = 0
    regenerations_wasted: int = 0
    acceptances: int = 0
    acceptances_mistaken: int = 0

    @property
    def response_tokens(self) -> int:
        return self.draft_tokens_kept + self.target_tokens_kept

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompts, each counted once."""
        return self.reference - self.response_tokens

    @property
    def acceptance_rate(self) -> float | None:
        """Share of the places where the draft wrote that kept a step of it; None without any. It
        is 1 where the draft alone writes, however many samples or beams compete."""
        return share(self.draft_steps_kept, self.draft_steps_rejected)

    @property
    def acceptance_rate_tokens(self) -> float | None:
        """Share of all draft tokens that were kept; None without draft tokens."""
        return share(self.draft_tokens_kept, self.draft_tokens_rejected)

    @property
    def target_step_share(self) -> float | None:
        """Share of kept steps that the target wrote; None without steps."""
        return share(self.target_steps_kept, self.draft_steps_kept)

    @property
    def wasted_regenerations(self) -> float | None:
        """Share of the regenerations whose step is no better; None without any."""
        return ratio(self.regenerations_wasted, self.regenerations)

    @property
    def mistaken_acceptances(self) -> float | None:
        """Share of the acceptances where the target's step is better; None without any."""
        return ratio(self.acceptances_mistaken, self.acceptances)


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


def cost_totals(steps: Iterable[StepRecord]) -> CostTotals:
    """The costs of one trajectory, from its steps in any order."""
    steps = sorted(steps, key=lambda step: step.index)
    draft_kept = [s.tokens for s in steps if s.source == "draft" and s.accepted]
    draft_rejected = [s.tokens for s in steps if s.source == "draft" and not s.accepted]
    target_kept = [s.tokens for s in steps if s.source == "target" and s.accepted]
    prompt = steps[0].prompt_tokens if steps else 0
    hindsight = Counter(_judged(steps))
    return CostTotals(
        draft_steps_kept=len(draft_kept),
        draft_steps_rejected=len(_overruled(steps)),
        target_steps_kept=len(target_kept),
        draft_tokens_kept=sum(draft_kept),
        draft_tokens_rejected=sum(draft_rejected),
        target_tokens_kept=sum(target_kept),
        processed_draft=generator_positions(steps, "draft"),
        processed_target=generator_positions(steps, "target"),
        processed_prm_once=reward_model_positions(steps),
        processed_prm_per_step=sum(
            s.score_tokens + s.score_extra_tokens for s in steps if s.score_role == "prm"
        ),
        reference=prompt + sum(draft_kept) + sum(target_kept),
        wasted_tokens=sum(s.wasted_tokens for s in steps),
        target_tokens_generated=sum(s.tokens for s in steps if s.source == "target"),
        regenerations=hindsight["target", True] + hindsight["target", False],
        regenerations_wasted=hindsight["target", False],
        acceptances=hindsight["draft", True] + hindsight["draft", False],
        acceptances_mistaken=hindsight["draft", True],
    )


def total(costs: Iterable[CostTotals]) -> CostTotals:
    """The sum of `costs`."""
    return CostTotals(*(sum(column) for column in zip(*(astuple(it) for it in costs), strict=True)))


def flops(
    costs: CostTotals, counts: Mapping[Role, int | None], speculation: SpeculationCost | None = None
) -> Flops:
    """FLOPs of all three models, and of the draft within a target's server that has one; `counts`
    are parameter counts. A model that processed nothing costs nothing, also if its size is
    unknown."""
    parts = [
        _cost(counts["draft"], costs.processed_draft),
        _cost(counts["target"], costs.processed_target),
    ]
    if speculation is not None:
        generated = costs.target_tokens_generated
        read = costs.processed_target - generated
        parts += [
            _cost(counts["target"], speculation.rejected * generated),
            _cost(speculation.parameters, read + speculation.drafted * generated),
        ]
    return Flops(
        known_sum([*parts, _cost(counts["prm"], costs.processed_prm_once)]),
        known_sum([*parts, _cost(counts["prm"], costs.processed_prm_per_step)]),
    )


def reference_flops(costs: CostTotals, counts: Mapping[Role, int | None]) -> Flops:
    """FLOPs of the target writing the same responses alone: an estimate of target-only decoding
    for a run that stands alone. A real target-only run writes other, maybe shorter, responses."""
    cost = _cost(counts["target"], costs.reference)
    return Flops(cost, cost)


def share(part: int, rest: int) -> float | None:
    """`part` of `part + rest`; None if both are 0."""
    return part / (part + rest) if part + rest else None


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Their quotient; None if either is unknown or the denominator is 0."""
    return numerator / denominator if numerator is not None and denominator else None


def known_sum(values: Sequence[float | None]) -> float | None:
    """Their sum; None if one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _overruled(steps: Iterable[StepRecord]) -> set[int]:
    """The places of the response where the draft wrote candidates and a step of the target was
    kept."""
    tried = {s.index for s in steps if s.source == "draft" and s.continues is None}
    return tried & {s.index for s in steps if s.source == "target" and s.accepted}


def _judged(steps: Iterable[StepRecord]) -> Iterator[tuple[Source, bool]]:
    """For each place of a response where both models' steps have rewards (as under `oracle`):
    whose step was kept, and whether the target's has the better reward. Of several candidates the
    best reward counts."""
    rewards: dict[tuple[int, Source], float] = {}
    kept: dict[int, Source] = {}
    for step in steps:
        if step.accepted:
            kept[step.index] = step.source
        if step.reward is not None and step.continues is None:
            key = (step.index, step.source)
            rewards[key] = max(step.reward, rewards.get(key, step.reward))
    for index, source in kept.items():
        draft, target = rewards.get((index, "draft")), rewards.get((index, "target"))
        if draft is not None and target is not None:
            yield source, target > draft


def _cost(parameters: int | None, tokens: float) -> float | None:
    if not tokens:
        return 0.0
    return None if parameters is None else 2.0 * parameters * tokens
