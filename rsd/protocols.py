"""The three interfaces between strategies, backends and runs.

A new model server is a new `Generator`, a new reward model is a new `Scorer`, a new decoding
method is a new `Strategy`; none needs to know the others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rsd.types import Chunk, Completion, Likelihood, Prefix, Query, Score, Step


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a generator samples: `temperature` >= 0 (0 is greedy), `top_p` in (0, 1], `top_k` >= 1
    or None for all tokens, `min_p` in [0, 1], `presence_penalty` in [-2, 2], `repetition_penalty`
    > 0 (1 is none), `stop` the strings that end a completion, `seed` per request or None.
    `logprobs` asks for `Completion.logprob`; with `ignore_eos` the model writes on where it would
    end."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    presence_penalty: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: bool = False
    ignore_eos: bool = False

    @property
    def is_plain_greedy(self) -> bool:
        """Whether each token is the most probable one by the model's own probabilities."""
        penalties = (self.presence_penalty, self.repetition_penalty)
        return self.temperature == 0 and penalties == (0, 1)

    @property
    def optional(self) -> dict[str, float]:
        """Those of the values in `NEUTRAL_SAMPLING`, by vLLM's names, that change something."""
        values = {key: getattr(self, key) for key in NEUTRAL_SAMPLING}
        return {key: it for key, it in values.items() if it != NEUTRAL_SAMPLING[key]}


NEUTRAL_SAMPLING = {
    key: getattr(Sampling(), key)
    for key in ("top_k", "min_p", "presence_penalty", "repetition_penalty")
}
"""The values with which a setting changes nothing. It is then neither sent nor part of a digest."""


class Generator(Protocol):
    """A language model behind a server. Draft and target are the same type."""

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """Continue `prefix` by at most `max_tokens` (>= 1) tokens.

        Raises `rsd.errors.BackendError`; `ContextError` when the prefix no longer fits.
        """
        ...

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """The log-probability of `completion`, which another model wrote after `prefix`.

        It needs context for prefix, completion and one more token. Raises as `generate` does, and
        `BackendError` if the two models exchange no token ids.
        """
        ...


@runtime_checkable
class StreamingGenerator(Generator, Protocol):
    """A generator that can also stream."""

    def stream(
        self, prefix: Prefix, *, max_tokens: int, unless_busy: bool = False
    ) -> AsyncGenerator[Chunk, None]:
        """Continue `prefix` greedily by at most `max_tokens` (>= 1) tokens, past any separator.

        The stream may end early or be empty, as it should with `unless_busy` while others wait for
        the model; call `generate` for the rest. Closing it cancels the request at the server.
        Raises as `generate` does.
        """
        ...


class Scorer(Protocol):
    """A process reward model behind a server."""

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """Reward of `steps[-1]` given the question and the steps before it.

        Higher is better; the range is the reward model's own ([0, 1] for all bundled kinds).
        Raises `rsd.errors.ScorerError` when there is no finite reward; `ContextError` when the
        input does not fit the reward model.
        """
        ...


class Strategy(Protocol):
    """A decoding method. It decodes one problem and knows of no other."""

    def decode(self, query: Query) -> AsyncIterator[Step]:
        """Yield every candidate step, rejected ones included, in the order of the decisions.
        `rsd.decoding.recording` collects those that an error leaves undecided.

        The last accepted step has `ends` set. A strategy neither retries nor catches errors of
        generators and scorers.
        """
        ...
