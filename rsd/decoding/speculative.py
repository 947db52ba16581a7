"""Reward-guided speculative decoding (RSD), arXiv 2501.19324, Algorithm 1.

The draft model writes a step, the process reward model scores it, and the step is kept if its
reward passes the acceptance rule. Otherwise the target model writes that step from the same
prefix; target steps are not scored. Drafting resumes at the next step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from rsd.decoding.acceptance import Weighting
from rsd.decoding.limits import Limits, Response
from rsd.decoding.seeds import seeded
from rsd.protocols import Generator, Sampling, Scorer
from rsd.types import Query, Step


class RewardGuidedSpeculativeDecoding:
    """Decode with draft, reward model and target.

    `weighting` maps a reward to the acceptance decision: a step is accepted if its weight is at
    least one half (the binary step function only takes the values 0 and 1).
    """

    def __init__(
        self,
        draft: Generator,
        target: Generator,
        scorer: Scorer,
        *,
        weighting: Weighting,
        limits: Limits,
        sampling: Sampling,
        separator: str = "\n\n",
    ) -> None:
        self._draft = draft
        self._target = target
        self._scorer = scorer
        self._weighting = weighting
        self._limits = limits
        self._sampling = replace(sampling, stop=(separator,))
        self._separator = separator

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps with their rewards, and after each rejected one the target's."""
        response = Response(query.prompt, self._separator, self._limits)
        ends = None
        while ends is None:
            index = len(response.steps)
            completion = await self._draft.generate(
                response.prefix,
                max_tokens=response.budget,
                sampling=seeded(self._sampling, query.seed, index, "draft"),
            )
            score = await self._scorer.score(query.question, [*response.steps, completion.text])
            accepted = self._weighting(score.reward) >= 0.5
            ends = response.ending(completion) if accepted else None
            yield Step(index, "draft", accepted, completion, score, ends)
            if not accepted:
                completion = await self._target.generate(
                    response.prefix,
                    max_tokens=response.budget,
                    sampling=seeded(self._sampling, query.seed, index, "target"),
                )
                ends = response.ending(completion)
                yield Step(index, "target", True, completion, ends=ends)
            response.accept(completion)
