"""Scorer for RLHFlow/Llama3.1-8B-PRM-Mistral-Data and -Deepseek-Data, plain language models.

Input, as the model's repository prepares it: a chat in the tokenizer's template in which each
step is a turn of the user, the first one with the question and a space before it, and the
assistant answers `+` to each. The reward of a step is the probability of `+` against `-` as that
answer: a completion of one token that begins where the assistant's newest turn does tells it.
Earlier answers are `+` whatever their rewards were, so the ids are only ever appended to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rsd.backends.rewards import NextToken, measured, softmax
from rsd.backends.server import Server
from rsd.backends.tokenizer import plain_encode, single_token
from rsd.errors import ConfigError
from rsd.types import Score, Usage

_GOOD, _BAD = "+", "-"


class RlhflowScorer:
    """Rewards in [0, 1], one request a step. `tokenizer` is the model's (transformers)."""

    def __init__(self, server: Server, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ConfigError(
                f"models.prm.tokenizer: {tokenizer.name_or_path} has no chat template; it is no "
                f"tokenizer of a model of kind rlhflow"
            )
        self._server = server
        self._tokenizer = tokenizer
        self._encode = plain_encode(tokenizer)
        candidates = [single_token(tokenizer, text, "rlhflow") for text in (_GOOD, _BAD)]
        self._next_token = NextToken(server, candidates)
        asked, unasked = (self._render([_turn("x")], answered=a) for a in (False, True))
        self._closing = len(asked) - len(unasked) + 1  # end of turn, then the assistant's header

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        step_tokens = len(self._encode(steps[-1].strip())) + self._closing
        ids = self.input_ids(question, steps)
        return await measured(self._server, lambda: self._ask(ids), step_tokens=step_tokens)

    def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the reward model reads; the input of k steps begins that of k + 1."""
        first, *others = (step.strip() for step in steps)
        chat = [_turn(f"{question} {first}")]
        for step in others:
            chat += [{"role": "assistant", "content": _GOOD}, _turn(step)]
        return self._render(chat, answered=False)

    def _render(self, chat: list[dict[str, str]], *, answered: bool) -> list[int]:
        """Ids of a chat; the assistant's turn is begun unless the chat is `answered`."""
        text = self._tokenizer.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=not answered
        )
        return self._encode(text)

    async def _ask(self, ids: Sequence[int]) -> tuple[float, Usage]:
        logprobs, usage = await self._next_token(ids)
        return softmax(logprobs)[0], usage


def _turn(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}
