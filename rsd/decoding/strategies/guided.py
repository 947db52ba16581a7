"""Guided speculative inference (GSI), arXiv 2506.04118.

Soft best-of-n approximates a model's distribution tilted by rewards, π(y) exp(β r(y)). The draft
π_S samples n candidates for a step; their likelihood under the target π_B corrects for the draft.
One is drawn with probability proportional to

    exp(β r̃),   r̃ = r + (1/β) (log π_B - log π_S),

and kept if its tilted reward r̃ reaches the threshold (0.5 in the paper, at β = 20). Otherwise
the target samples n candidates, and one is drawn with probability proportional to exp(β r).
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from rsd.decoding.candidates import Candidate, others, together, write_candidates
from rsd.decoding.parts import BuiltIn
from rsd.decoding.response import Response, Rules
from rsd.decoding.strategies.confidence import logprob
from rsd.protocols import Generator, Scorer
from rsd.types import ROLES, Likelihood, Query, Step


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A draft candidate, its likelihood under the target, and its tilted reward."""

    candidate: Candidate
    likelihood: Likelihood
    tilted: float


@dataclass(frozen=True)
class GuidedSpeculativeInference(BuiltIn):
    """Soft best-of-n by the draft, corrected towards the target.

    Each model writes `candidates` >= 1 a step; `tilt` > 0 is β; `threshold` is compared with the
    tilted reward. Log-probabilities are the models' own, before any sampling setting.
    """

    roles = ROLES
    keys = ("threshold", "candidates", "tilt")
    label = "guided δ={threshold:.9g}{several}"
    token_ids = judges_drafts = threshold_curve = True

    draft: Generator
    target: Generator
    scorer: Scorer
    candidates: int
    tilt: float
    threshold: float
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield for every step the draft's candidates, and if none is kept, the target's too."""
        # The target needs room for one more token to return a likelihood.
        response = self.rules.with_logprobs(spare=1).start(query)
        while not response.ended:
            drafts = await self._write_drafts(response)
            draft = drafts[self._choose(response, "draft", [d.tilted for d in drafts])]
            accepted = draft.tilted >= self.threshold
            for other in drafts:
                if other is not draft or not accepted:
                    yield replace(other.candidate.drop(response), likelihood=other.likelihood)
            if accepted:
                yield replace(draft.candidate.keep(response), likelihood=draft.likelihood)
                continue
            targets = await write_candidates(
                response, self.target, "target", self.scorer, self.candidates
            )
            target = targets[self._choose(response, "target", [t.reward for t in targets])]
            for loser in others(targets, target):
                yield loser.drop(response)
            yield target.keep(response)

    async def _write_drafts(self, response: Response) -> list[_Weighed]:
        drafts = await write_candidates(response, self.draft, "draft", self.scorer, self.candidates)
        return await together(self._weigh(response, draft) for draft in drafts)

    async def _weigh(self, response: Response, draft: Candidate) -> _Weighed:
        likelihood = await self.target.log_likelihood(response.prefix("target"), draft.completion)
        response.record("draft", draft.completion, draft.score, draft.number, likelihood)
        correction = (likelihood.logprob - logprob(draft.completion)) / self.tilt
        return _Weighed(draft, likelihood, draft.reward + correction)

    def _choose(self, response: Response, purpose: str, rewards: Sequence[float]) -> int:
        """An index drawn with probability proportional to exp(β reward)."""
        highest = max(rewards)
        weights = [math.exp(self.tilt * (reward - highest)) for reward in rewards]
        left = response.draw(purpose) * sum(weights)
        for index, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return index
        return weights.index(max(weights))  # rounding left a little of the last
