"""A scorer without a reward model: the target grades the newest step, as in SpecReason
(arXiv 2504.07891).

After the prompt and the steps so far, exactly as the target itself would continue them, stand the
end of the turn, a request to grade the last step, and the beginning of the answer. The target is
asked for one more token; of its distribution only the digits 0 to 9 count. The reward is the
expected grade over 9, in [0, 1]: finer than the most probable grade alone, and the same at every
temperature.

The prompt and the steps are in the target's prefix cache already or will be needed there, so a
grade costs the new step, a request of some sixty tokens, and no further model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rsd.backends.prompting import Prompts
from rsd.backends.rewards import NextToken, measured, softmax
from rsd.backends.server import Server
from rsd.errors import ConfigError
from rsd.types import Score, Usage

_DIGITS = tuple("0123456789")
_REQUEST = (
    "Grade the last step of the solution above, and that step only. Is what it states correct, "
    "and does it follow from what stands before it? Style, wording and length do not matter. "
    "Give one digit from 0 (certainly wrong) to 9 (certainly correct)."
)
_ANSWER = "The grade is "
_TURNS = {
    "<|im_start|>": ("<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"),
    "<|start_header_id|>": (
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
}
"""How a chat format, known by a marker in the prompt, begins a user's and an assistant's turn."""
_NO_TURNS = ("", "\n\n")
_REMEMBERED_TEXTS = 1 << 14


class JudgeScorer:
    """Rewards in [0, 1], one request a step to `server`, the target's. `prompts` render what the
    target continues, `separator` joins its steps."""

    def __init__(self, server: Server, *, prompts: Prompts, separator: str) -> None:
        self._server = server
        self._prompts = prompts
        self._separator = separator
        self._tail = _tail(prompts)
        self._grade: NextToken | None = None
        self._remembered: dict[tuple[str, bool], list[int]] = {}

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`. Raises `BackendError`: the server is a generator's."""
        prefix, newest = await self._input(question, steps)
        if self._grade is None:
            self._grade = NextToken(self._server, await self._digits())
        grade = self._grade
        return await measured(
            self._server,
            lambda: self._ask(grade, prefix + newest),
            step_tokens=len(newest),
            role="target",
        )

    async def input_ids(self, question: str, steps: Sequence[str]) -> list[int]:
        """What the target reads. All before the request begins the input of the next step."""
        prefix, newest = await self._input(question, steps)
        return prefix + newest

    async def _input(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids of the prompt and the earlier steps, and those of the newest and its request."""
        prompt = self._prompts.prefixes(question)["target"]
        if prompt.token_ids is None:
            head = await self._encode(prompt.text, special=True)
        else:
            head = list(prompt.token_ids)
        *earlier, newest = [await self._encode(step + self._separator) for step in steps]
        tail = await self._encode(self._tail)
        return [*head, *(token for ids in earlier for token in ids)], [*newest, *tail]

    async def _ask(self, grade: NextToken, ids: Sequence[int]) -> tuple[float, Usage]:
        logprobs, usage = await grade(ids)
        expected = sum(digit * share for digit, share in enumerate(softmax(logprobs)))
        return min(1.0, expected / (len(_DIGITS) - 1)), usage

    async def _digits(self) -> list[int]:
        """The ids of the digits. Raises `ConfigError` for a tokenizer that has no such tokens."""
        encoded = await asyncio.gather(*(self._encode(digit) for digit in _DIGITS))
        ids = [tokens[-1] for tokens in encoded if tokens]
        if len(set(ids)) != len(_DIGITS):
            raise ConfigError(
                f"models.prm.kind: judge needs a target whose digits are single tokens, and "
                f"{self._server.config.model} has others; choose a reward model"
            )
        return ids

    async def _encode(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids by the server's own tokenizer, asked for once for each text."""
        known = (text, special)
        if known not in self._remembered:
            ids = await self._server.tokenize(text, special=special)
            if len(self._remembered) >= _REMEMBERED_TEXTS:
                self._remembered.clear()
            self._remembered[known] = ids
        return self._remembered[known]


def _tail(prompts: Prompts) -> str:
    """What follows the steps: the end of the turn, the request, and the beginning of the grade."""
    chat = prompts.chats.get("target")
    if chat is not None:
        said = {"role": "assistant", "content": _ANSWER}
        turns = [*prompts.turns(""), said, {"role": "user", "content": _REQUEST}]
        _, _, tail = replace(chat, beginning="").render(turns).rpartition(_ANSWER)
        return tail + _ANSWER
    text = prompts.prefixes("")["target"].text
    user, assistant = next((turns for marker, turns in _TURNS.items() if marker in text), _NO_TURNS)
    return user + _REQUEST + assistant + _ANSWER
