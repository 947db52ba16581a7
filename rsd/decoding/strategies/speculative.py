"""Reward-guided speculative decoding (RSD), arXiv 2501.19324, Algorithm 1.

The draft model writes a step, the process reward model scores it, and the step is kept if its
reward passes the acceptance rule. Otherwise the target model writes that step from the same
prefix, unscored. Drafting resumes at the next step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from rsd.decoding.acceptance import RULE_KEYS, Weighting
from rsd.decoding.candidates import best, others, write_candidates
from rsd.decoding.lookahead import Drafts, Lookahead
from rsd.decoding.parts import BuiltIn, Parts
from rsd.decoding.response import Rules
from rsd.protocols import Generator, Scorer, Strategy
from rsd.types import ROLES, Query, Step


@dataclass(frozen=True)
class RewardGuidedSpeculativeDecoding(BuiltIn):
    """Decode with draft, reward model and target.

    A draft step is accepted with the probability that `weighting` gives its reward. `lookahead`
    is how many more steps may be drafted while a reward is awaited.
    """

    roles = ROLES
    keys = (*RULE_KEYS, "candidates")
    label = "RSD {rule}{several}"
    judges_drafts = can_calibrate = threshold_curve = True

    draft: Generator
    target: Generator
    scorer: Scorer
    weighting: Weighting
    rules: Rules
    lookahead: Lookahead = 0

    @classmethod
    def build(cls, parts: Parts) -> Strategy:
        """This strategy, or for several candidates the one that chooses among drafts."""
        several = parts.decoding.candidates > 1
        return BestDraftSpeculativeDecoding.build(parts) if several else super().build(parts)

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps with their rewards, and after each rejected one the target's."""
        response = self.rules.start(query)
        async with Drafts(self.draft, self.lookahead) as drafts:
            while not response.ended:
                draft = await drafts.next_step(response)
                score = await response.score(self.scorer, "draft", draft)
                if response.chance(self.weighting(score.reward)):
                    yield response.keep("draft", draft, score)
                else:
                    yield response.drop("draft", await drafts.give_up(draft), score)
                    yield response.keep("target", await response.write(self.target, "target"))


@dataclass(frozen=True)
class BestDraftSpeculativeDecoding(BuiltIn):
    """RSD in which the draft writes `candidates` (>= 1) of every step concurrently, and the rule
    decides about the one with the highest reward. With one candidate this is RSD."""

    draft: Generator
    target: Generator
    scorer: Scorer
    candidates: int
    weighting: Weighting
    rules: Rules

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps with their rewards, and where all are rejected also the target's."""
        response = self.rules.start(query)
        while not response.ended:
            drafts = await write_candidates(
                response, self.draft, "draft", self.scorer, self.candidates
            )
            draft = best(drafts)
            for loser in others(drafts, draft):
                yield loser.drop(response)
            if response.chance(self.weighting(draft.reward)):
                yield draft.keep(response)
            else:
                yield draft.drop(response)
                yield response.keep("target", await response.write(self.target, "target"))
