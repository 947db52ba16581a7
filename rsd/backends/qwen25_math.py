"""Scorer for Qwen2.5-Math-PRM (`Qwen2ForProcessRewardModel`), served by `rsd.vllm_plugin`.

Input, as the model card prepares it: the tokenizer's chat template with the system text below,
the question as the user's turn, and as the assistant's turn the steps, each followed by the token
`<extra_0>`. The reward of a step is the probability of the second of two classes at its
`<extra_0>`.

The card closes the assistant's turn. Attention is causal, so what follows the last `<extra_0>`
cannot change the class there, and the input ends with it: one `classify` request with LAST
pooling is enough, and from step to step the ids are only ever appended to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rsd.backends.rewards import Classes, measured
from rsd.backends.server import Server
from rsd.backends.tokenizer import plain_encode, single_token
from rsd.types import Score, Usage

_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
_STEP_END = "<extra_0>"


class Qwen25MathScorer:
    """Rewards in [0, 1], one request a step. `tokenizer` is the model's (transformers)."""

    def __init__(self, server: Server, tokenizer: Any) -> None:
        encode = plain_encode(tokenizer)
        self._server = server
        self._classes = Classes(server, 2)
        self._tokenizer = tokenizer
        self._encode = lru_cache(maxsize=1 << 16)(lambda text: tuple(encode(text)))
        self._step_end = single_token(tokenizer, _STEP_END, "qwen25-math")

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        step_tokens = len(self._encode(steps[-1])) + 1
        ids = self.input_ids(question, steps)
        return await measured(self._server, lambda: self._ask(ids), step_tokens=step_tokens)

    def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the reward model reads; the input of k steps begins that of k + 1."""
        head = self._tokenizer.apply_chat_template(
            [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": question}],
            tokenize=False,
            add_generation_prompt=True,
        )
        ids: list[int] = []
        for text in (head + steps[0], *steps[1:]):  # special tokens split a text into such parts
            ids += self._encode(text)
            ids.append(self._step_end)
        return ids

    async def _ask(self, ids: Sequence[int]) -> tuple[float, Usage]:
        (_, right), usage = await self._classes(ids)
        return right, usage
