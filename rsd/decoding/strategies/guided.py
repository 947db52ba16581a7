"""Guided speculative inference (GSI), arXiv 2506.04118.

Rewards tilt a model's distribution: π(y) exp(β r(y)) is what soft best-of-n approaches. The draft
π_S samples n candidates for a step, and what the target π_B would have thought of each corrects
for who wrote them. One is drawn with probability proportional to

    exp(β r̃),   r̃ = r + (1/β) (log π_B - log π_S),

and kept if its tilted reward r̃ reaches the threshold (0.5 in the paper, at β = 20). Otherwise
the target samples n candidates, and one is drawn with probability proportional to exp(β r).
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from rsd.decoding.candidates import Candidate, others, together, write_candidates
from rsd.decoding.response import Response, Rules
from rsd.decoding.strategies.confidence import logprob
from rsd.protocols import Generator, Scorer
from rsd.types import Likelihood, Query, Step


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A draft candidate, how likely the target finds it, and its tilted reward."""

    candidate: Candidate
    likelihood: Likelihood
    tilted: float


class GuidedSpeculativeInference:
    """Soft best-of-n by the draft, corrected towards the target.

    `candidates` >= 1 a step and model; `tilt` > 0 is β; `threshold` is compared with the tilted
    reward. Both models' log-probabilities are theirs before temperature and top_p.
    """

    def __init__(
        self,
        draft: Generator,
        target: Generator,
        scorer: Scorer,
        *,
        candidates: int,
        tilt: float,
        threshold: float,
        rules: Rules,
    ) -> None:
        self._draft = draft
        self._target = target
        self._scorer = scorer
        self._count = candidates
        self._tilt = tilt
        self._threshold = threshold
        self._rules = replace(
            rules,
            sampling=replace(rules.sampling, logprobs=True),
            limits=replace(rules.limits, context=rules.limits.context - 1),
        )  # one token less: a likelihood is told only with room for a token after the text

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield for every step the draft's candidates, and if none is kept, the target's too."""
        response = self._rules.start(query)
        while not response.ended:
            drafts = await self._write_drafts(response)
            draft = drafts[self._choose(response, "draft", [d.tilted for d in drafts])]
            accepted = draft.tilted >= self._threshold
            for other in drafts:
                if other is not draft or not accepted:
                    yield replace(other.candidate.drop(response), likelihood=other.likelihood)
            if accepted:
                yield replace(draft.candidate.keep(response), likelihood=draft.likelihood)
                continue
            targets = await write_candidates(
                response, self._target, "target", self._scorer, self._count
            )
            target = targets[self._choose(response, "target", [t.reward for t in targets])]
            for loser in others(targets, target):
                yield loser.drop(response)
            yield target.keep(response)

    async def _write_drafts(self, response: Response) -> list[_Weighed]:
        drafts = await write_candidates(response, self._draft, "draft", self._scorer, self._count)
        return await together(self._weigh(response, draft) for draft in drafts)

    async def _weigh(self, response: Response, draft: Candidate) -> _Weighed:
        likelihood = await self._target.log_likelihood(response.prefix, draft.completion)
        response.record("draft", draft.completion, draft.score, draft.number, likelihood)
        return _Weighed(draft, likelihood, self._tilted(draft, likelihood))

    def _tilted(self, draft: Candidate, likelihood: Likelihood) -> float:
        return draft.reward + (likelihood.logprob - logprob(draft.completion)) / self._tilt

    def _choose(self, response: Response, purpose: str, rewards: Sequence[float]) -> int:
        """A place drawn with probability proportional to exp(β reward)."""
        highest = max(rewards)
        weights = [math.exp(self._tilt * (reward - highest)) for reward in rewards]
        left = response.draw(purpose) * sum(weights)
        for place, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return place
        return weights.index(max(weights))  # rounding left a little of the last
