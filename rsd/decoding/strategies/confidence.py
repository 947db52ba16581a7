"""Acceptance by the draft's own confidence, without a reward model.

A draft step is kept if the mean log-probability of its tokens reaches a threshold; otherwise the
target writes it. It tells what a reward model adds to what the draft itself knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from rsd.decoding.response import Rules
from rsd.errors import BackendError
from rsd.protocols import Generator
from rsd.types import Completion, Query, Step


class ConfidenceRouting:
    """A draft step is kept if the draft's `mean_logprob` of it is at least `threshold` (<= 0,
    natural logarithm; 0 keeps only what was certain)."""

    def __init__(
        self, draft: Generator, target: Generator, *, threshold: float, rules: Rules
    ) -> None:
        self._draft = draft
        self._target = target
        self._threshold = threshold
        self._rules = replace(rules, sampling=replace(rules.sampling, logprobs=True))

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield draft steps, and after each rejected one the target's; nothing is scored."""
        response = self._rules.start(query)
        while not response.ended:
            draft = await response.write(self._draft, "draft")
            if mean_logprob(draft) >= self._threshold:
                yield response.keep("draft", draft)
            else:
                yield response.drop("draft", draft)
                yield response.keep("target", await response.write(self._target, "target"))


def logprob(completion: Completion) -> float:
    """The completion's log-probability. Raises `BackendError` if the generator gave none."""
    if completion.logprob is None:
        raise BackendError("a generator gave no log-probability, which its protocol asks of it")
    return completion.logprob


def mean_logprob(completion: Completion) -> float:
    """Log-probability per generated token, the tokens that ended the step included."""
    return logprob(completion) / completion.usage.completion_tokens
