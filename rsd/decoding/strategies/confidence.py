"""Acceptance by the draft's own confidence, without a reward model.

A draft step is kept if the mean log-probability of its tokens reaches a threshold; otherwise the
target writes it. The comparison with RSD shows what a reward model adds to the draft's confidence.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from rsd.config import DecodingConfig
from rsd.decoding.parts import BuiltIn
from rsd.decoding.response import Rules
from rsd.errors import BackendError
from rsd.protocols import Generator
from rsd.types import Completion, Query, Step


@dataclass(frozen=True)
class ConfidenceRouting(BuiltIn):
    """A draft step is kept if its `mean_logprob` is at least `threshold` (<= 0, natural logarithm;
    0 keeps only certain steps)."""

    roles = ("draft", "target")
    keys = ("threshold",)
    label = "confidence δ={threshold:.9g}"
    judges_drafts = True

    draft: Generator
    target: Generator
    threshold: float
    rules: Rules

    @staticmethod
    def check(decoding: DecodingConfig) -> None:
        """Raises `ValueError` for a threshold that is not a log-probability."""
        if decoding.threshold > 0:
            raise ValueError(
                "confidence needs threshold at most 0, a mean log-probability such as -0.2"
            )

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps, and after each rejected one the target's; nothing is scored."""
        response = self.rules.with_logprobs().start(query)
        while not response.ended:
            draft = await response.write(self.draft, "draft")
            if mean_logprob(draft) >= self.threshold:
                yield response.keep("draft", draft)
            else:
                yield response.drop("draft", draft)
                yield response.keep("target", await response.write(self.target, "target"))


def logprob(completion: Completion) -> float:
    """The completion's log-probability. Raises `BackendError` if the generator gave none."""
    if completion.logprob is None:
        raise BackendError("the generator returned no log-probability although one was requested")
    return completion.logprob


def mean_logprob(completion: Completion) -> float:
    """Log-probability per generated token, including the tokens that ended the step."""
    return logprob(completion) / completion.usage.completion_tokens
