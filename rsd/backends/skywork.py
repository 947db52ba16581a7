"""Scorer for Skywork-o1-Open-PRM (`Qwen2ForPrmModel`), served by `rsd.vllm_plugin`.

Input, as the model card prepares it: the ids of `bos + question + "\\n"` encoded as one text,
then for each step the ids of the step's text encoded alone and the last token id of the encoded
separator. The reward of a step is the sigmoid of the value head at its separator.

RSD asks for the newest step only, so one `classify` request with LAST pooling is enough. From
step to step the ids are only ever appended to: the server's prefix cache holds all but the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from rsd.backends.server import Server
from rsd.errors import ConfigError
from rsd.types import Score, Usage

Encode = Callable[[str], list[int]]


class SkyworkScorer:
    """Rewards in [0, 1], one request a step.

    `encode` gives the token ids of a text, no special tokens added; `bos` is the tokenizer's
    beginning-of-sequence text ("" if it has none).
    """

    def __init__(self, server: Server, encode: Encode, *, bos: str, separator: str) -> None:
        self._server = server
        self._encode = lru_cache(maxsize=1 << 16)(lambda text: tuple(encode(text)))
        self._bos = bos
        self._separator_id = encode(separator)[-1]

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        ids = self.input_ids(question, steps)
        body = {"model": self._server.config.served_name, "input": [ids]}
        started_at, clock = time.time(), time.perf_counter()
        answer = await self._server.post("/classify", body)
        seconds = time.perf_counter() - clock
        return Score(
            reward=self._reward(answer),
            usage=Usage(requests=1, prompt_tokens=len(ids), cached_tokens=_cached(answer)),
            step_tokens=len(self._encode(steps[-1])) + 1,
            started_at=started_at,
            seconds=seconds,
        )

    def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the reward model reads; the input of k steps begins that of k + 1."""
        ids = list(self._encode(f"{self._bos}{question}\n"))
        for step in steps:
            ids += self._encode(step)
            ids.append(self._separator_id)
        return ids

    def _reward(self, answer: dict[str, Any]) -> float:
        try:
            (item,) = answer["data"]
            (reward,) = item["probs"]
        except (KeyError, TypeError, ValueError) as error:
            raise self._server.error(
                f"/classify did not answer one reward ({error!r}); is it a Skywork PRM, served "
                f"with --runner pooling and without a pooler override?"
            ) from error
        if not isinstance(reward, int | float) or not math.isfinite(reward):
            raise self._server.error(f"reward is {reward}; try --dtype bfloat16 or float32")
        if not 0 <= reward <= 1:
            raise self._server.error(f"reward {reward:g} is outside [0, 1]: no sigmoid applied")
        return float(reward)


def load_encode(tokenizer: str) -> tuple[Encode, str]:
    """The encode function and the bos text of a tokenizer, local or on the hub.

    Raises `ConfigError` when it cannot be loaded.
    """
    from transformers import AutoTokenizer  # slow to import

    try:
        loaded = AutoTokenizer.from_pretrained(tokenizer)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"models.prm.tokenizer: cannot load {tokenizer!r}: {reason}") from error

    def encode(text: str) -> list[int]:
        return list(loaded.encode(text, add_special_tokens=False))

    return encode, loaded.bos_token or ""


def _cached(answer: dict[str, Any]) -> int:
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or 0)
