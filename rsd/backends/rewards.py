"""What the scorers share: the two requests that a reward can be read from, its check, its timing.

Both requests cost one forward pass over what the server's prefix cache does not hold, and take
several inputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from rsd.backends.coalescing import Coalescing
from rsd.backends.server import Server
from rsd.clock import unix_time
from rsd.types import Role, Score, Usage

Answer = tuple[list[float], Usage]

_MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)  # what reading a wrong answer raises


class Classes:
    """The probabilities of `classes` classes at the last of some token ids, by vLLM's
    `/classify`. Calls that wait for the server go together in one request. Raises `ScorerError`.
    """

    def __init__(self, server: Server, classes: int) -> None:
        self._server = server
        self._classes = classes
        self._together = Coalescing(self._ask)

    async def __call__(self, ids: Sequence[int]) -> Answer:
        return await self._together(ids)

    async def _ask(self, inputs: Sequence[Sequence[int]]) -> list[Answer]:
        body = {"model": self._server.config.served_name, "input": inputs}
        answer = await self._server.post("/classify", body)
        try:
            values = [list(item["probs"]) for item in _in_order(answer["data"], inputs)]
            for each in values:
                if len(each) != self._classes:
                    raise ValueError(f"{len(each)} classes instead of {self._classes}")
            return list(zip(values, _usages(answer, inputs), strict=True))
        except _MISSHAPEN as error:
            raise self._server.unusable(
                f"/classify did not answer one reward ({error!r}); is the model of the configured "
                f"kind, and served without a pooler override?"
            ) from error


class NextToken:
    """The natural log-probability of each of `tokens` as the token after some token ids.

    One completion of one token. The tokens are named in the request, so that none is lost however
    improbable it is. Calls that wait for the server go together in one request. Raises
    `ScorerError`, or `BackendError` if `server` is a generator.
    """

    def __init__(self, server: Server, tokens: Sequence[int]) -> None:
        self._server = server
        self._tokens = list(tokens)
        self._together = Coalescing(self._ask)

    async def __call__(self, ids: Sequence[int]) -> Answer:
        return await self._together(ids)

    async def _ask(self, prompts: Sequence[Sequence[int]]) -> list[Answer]:
        body = {
            "model": self._server.config.served_name,
            "prompt": prompts,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": len(self._tokens),
            "logprob_token_ids": self._tokens,
            "return_tokens_as_token_ids": True,
        }
        answer = await self._server.post("/v1/completions", body)
        try:
            values = []
            for choice in _in_order(answer["choices"], prompts):
                (found,) = choice["logprobs"]["top_logprobs"]
                values.append([float(found[f"token_id:{token}"]) for token in self._tokens])
            return list(zip(values, _usages(answer, prompts, generated=1), strict=True))
        except _MISSHAPEN as error:
            raise self._server.unusable(
                f"no log-probabilities of the tokens {self._tokens} in its completion "
                f"({error!r}); it must be vLLM 0.32 or later"
            ) from error


def probability(server: Server, value: object) -> float:
    """`value` if it is a number in [0, 1]. Raises `ScorerError` otherwise."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise server.unusable(f"reward is {value}; try --dtype bfloat16 or float32")
    if not 0 <= value <= 1:
        raise server.unusable(f"reward {value:g} is outside [0, 1]: it is no probability")
    return float(value)


def softmax(logprobs: Sequence[float]) -> list[float]:
    """The probabilities of a few tokens among themselves. NaN if a log-probability is."""
    top = max(logprobs)
    weights = [math.exp(logprob - top) for logprob in logprobs]
    return [weight / sum(weights) for weight in weights]


async def measured(
    server: Server,
    ask: Callable[[], Awaitable[tuple[float, Usage]]],
    *,
    step_tokens: int,
    role: Role = "prm",
) -> Score:
    """The reward and the usage that `ask()` gives, asked again as `server` persists, with the
    seconds of the attempt that was answered."""

    async def attempt() -> Score:
        started_at, clock = unix_time(), time.perf_counter()
        reward, usage = await ask()
        seconds = time.perf_counter() - clock
        return Score(reward, usage, step_tokens, started_at, seconds, role)

    return await server.persist(attempt)


def _in_order(items: Sequence[Any], inputs: Sequence[Sequence[int]]) -> list[Any]:
    """One item an input, in the order of the inputs. Raises `ValueError` where there is another
    number of them, or one does not say of which input it is."""
    by_index = {int(item["index"]): item for item in items}
    if len(items) != len(inputs) or by_index.keys() != set(range(len(inputs))):
        raise ValueError(f"answers {[item['index'] for item in items]} to {len(inputs)} inputs")
    return [by_index[place] for place in range(len(inputs))]


def _usages(
    answer: dict[str, Any], inputs: Sequence[Sequence[int]], generated: int = 0
) -> list[Usage]:
    """What each input cost. A server tells the cached tokens of a request as a whole; each input
    is given its share of them by length."""
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    cached = int(details.get("cached_tokens") or 0)
    ends = list(accumulate(len(ids) for ids in inputs))
    bounds = [0, *(cached * end // ends[-1] for end in ends)]
    return [
        Usage(1, len(ids), upper - lower, generated)
        for ids, (lower, upper) in zip(inputs, pairwise(bounds), strict=True)
    ]
