"""What the scorers share: the two requests that a reward can be read from, and its timing.

Both requests cost one forward pass over what the server's prefix cache does not hold, and take
several inputs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence

from rsd.backends import answers
from rsd.backends.coalescing import Coalescing
from rsd.backends.server import Server
from rsd.clock import unix_time
from rsd.types import Role, Score, Usage

Answer = tuple[list[float], Usage]

_ALL_AT_ONCE = 1 << 20


def _under_way(server: Server) -> int:
    """How many requests are under way before others wait and go together: of several replicas
    each has its own problems, so none wait."""
    return 2 if server.config.replicas == 1 else _ALL_AT_ONCE


class Classes:
    """The probabilities of `classes` classes at the last of some token ids, by vLLM's
    `/classify`. Calls that wait for the server go together in one request. Raises `ScorerError`.
    """

    def __init__(self, server: Server, classes: int) -> None:
        self._server = server
        self._classes = classes
        self._together = Coalescing(self._ask, under_way=_under_way(server))

    async def __call__(self, ids: Sequence[int]) -> Answer:
        return await self._together(ids)

    async def _ask(self, inputs: Sequence[Sequence[int]]) -> list[Answer]:
        body = {"model": self._server.config.served_name, "input": inputs}
        answer = await self._server.post("/classify", body)
        with self._server.reading(
            "/classify did not answer one reward",
            "is the model of the configured kind, and served without a pooler override?",
        ):
            answers.of_model(answer, self._server.models)
            values = [
                [each.number(0, 1) for each in item["probs"].items(self._classes)]
                for item in answers.in_order(answer["data"], len(inputs))
            ]
            return list(zip(values, answers.usages(answer, list(map(len, inputs))), strict=True))


class NextToken:
    """The natural log-probability of each of `tokens` as the token after some token ids.

    One completion of one token. The tokens are named in the request, so that none is lost however
    improbable it is. Calls that wait for the server go together in one request. Raises
    `ScorerError`, or `BackendError` if `server` is a generator.
    """

    def __init__(self, server: Server, tokens: Sequence[int]) -> None:
        self._server = server
        self._tokens = list(tokens)
        self._together = Coalescing(self._ask, under_way=_under_way(server))

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
        with self._server.reading(
            f"no log-probabilities of the tokens {self._tokens} in its completion",
            "it must be vLLM 0.32 or later",
        ):
            answers.of_model(answer, self._server.models)
            values = []
            for choice in answers.in_order(answer["choices"], len(prompts)):
                (found,) = choice["logprobs"]["top_logprobs"].items(1)
                values.append([found[f"token_id:{token}"].logprob() for token in self._tokens])
            usages = answers.usages(answer, list(map(len, prompts)), generated=1)
            return list(zip(values, usages, strict=True))


def softmax(logprobs: Sequence[float]) -> list[float]:
    """The probabilities of a few tokens among themselves."""
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
