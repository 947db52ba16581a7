"""Scorer for Skywork-o1-Open-PRM (`Qwen2ForPrmModel`), served by `rsd.vllm_plugin`.

Input, as the model card prepares it: the ids of `bos + question + "\\n"` encoded as one text,
then for each step the ids of the step's text encoded alone and the last token id of the encoded
separator. The reward of a step is the sigmoid of the value head at its separator.

RSD asks for the newest step only, so one `classify` request with LAST pooling is enough. From
step to step the ids are only ever appended to: the server's prefix cache holds all but the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rsd.backends.rewards import Classes, measured
from rsd.backends.server import Server
from rsd.backends.tokenizer import plain_encode
from rsd.types import Score, Usage


class SkyworkScorer:
    """Rewards in [0, 1], one request a step. `tokenizer` is the model's (transformers)."""

    def __init__(self, server: Server, tokenizer: Any, *, separator: str) -> None:
        encode = plain_encode(tokenizer)
        self._server = server
        self._classes = Classes(server, 1)
        self._encode = lru_cache(maxsize=1 << 16)(lambda text: tuple(encode(text)))
        self._bos = tokenizer.bos_token or ""
        self._separator_id = encode(separator)[-1]

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        step_tokens = len(self._encode(steps[-1])) + 1
        ids = self.input_ids(question, steps)
        return await measured(self._server, lambda: self._ask(ids), step_tokens=step_tokens)

    def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the reward model reads; the input of k steps begins that of k + 1."""
        ids = list(self._encode(f"{self._bos}{question}\n"))
        for step in steps:
            ids += self._encode(step)
            ids.append(self._separator_id)
        return ids

    async def _ask(self, ids: Sequence[int]) -> tuple[float, Usage]:
        (value,), usage = await self._classes(ids)
        return value, usage
