"""Scorer for Math-Shepherd (peiyi9979/math-shepherd-mistral-7b-prm), a plain language model.

Input, as the model card prepares it: `question Step 1: ... ки`, a newline, `Step 2: ... ки`, and
so on, after the tokenizer's beginning-of-sequence token. The reward of a step is the probability
of `+` against `-` in the logits at its `ки`, which are those of the token after it: a completion
of one token that begins there tells them. The text only ever grows at its end, and so do its ids,
because no token of this tokenizer reaches across the newline after a `ки`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rsd.backends.rewards import NextToken, measured, softmax
from rsd.backends.server import Server
from rsd.backends.tokenizer import plain_encode
from rsd.errors import ConfigError
from rsd.types import Score, Usage

_TAG = "ки"
_CANDIDATES = "+ -"
_LABELLED = re.compile(r"Step \d+:")


class MathShepherdScorer:
    """Rewards in [0, 1], one request a step. `tokenizer` is the model's (transformers)."""

    def __init__(self, server: Server, tokenizer: Any) -> None:
        encode = plain_encode(tokenizer)
        self._server = server
        self._tokenizer = tokenizer
        self._encode = encode
        candidates = encode(_CANDIDATES)
        self._next_token = NextToken(server, candidates)
        self._tag = encode(_TAG)[-1]
        known = len(candidates) == 2 and self._tag != tokenizer.unk_token_id
        if not known or tokenizer.bos_token_id is None:
            raise ConfigError(
                f"models.prm.tokenizer: {tokenizer.name_or_path} has no tokens for {_TAG!r} and "
                f"{_CANDIDATES!r}; it is no tokenizer of a model of kind math-shepherd"
            )

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        step_tokens = len(self._encode(steps[-1].strip())) + 1
        ids = self.input_ids(question, steps)
        return await measured(self._server, lambda: self._ask(ids), step_tokens=step_tokens)

    def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the reward model reads; the input of k steps begins that of k + 1."""
        lines = [_line(number, step) for number, step in enumerate(steps, start=1)]
        ids = [self._tokenizer.bos_token_id, *self._encode(f"{question} " + "\n".join(lines))]
        if ids[-1] != self._tag:
            raise ConfigError(
                f"models.prm.tokenizer: {self._tokenizer.name_or_path} does not end a step with "
                f"the token of {_TAG!r}; it is no tokenizer of a model of kind math-shepherd"
            )
        return ids

    async def _ask(self, ids: Sequence[int]) -> tuple[float, Usage]:
        logprobs, usage = await self._next_token(ids)
        return softmax(logprobs)[0], usage


def _line(number: int, step: str) -> str:
    """A step as the model was trained on it: numbered, if its writer did not do so, and tagged."""
    step = step.strip()
    label = "" if _LABELLED.match(step) else f"Step {number}:"
    return " ".join(part for part in (label, step, _TAG) if part)
