"""The growing solution, and the rules by which its steps are sampled and it ends."""

from __future__ import annotations

import random
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Self

from rsd.decoding.discards import record
from rsd.decoding.repetition import Repetition
from rsd.decoding.seeds import derive
from rsd.protocols import Generator, Sampling, Scorer
from rsd.types import Completion, Likelihood, Prefix, Query, Score, Source, Step, StopReason

GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one solution, all >= 1.

    `max_tokens` and `max_steps` bound the response. It also ends when the same step or cycle of
    steps occurs `max_repeats` times in a row (`rsd.decoding.repetition`). `context` is the smallest
    context length, in tokens, of the models that read the solution.
    """

    max_tokens: int
    max_steps: int
    max_repeats: int
    context: int


@dataclass(frozen=True, slots=True)
class Rules:
    """How steps are sampled, what separates them, and what bounds a solution. `own` is how a model
    samples that does not do so by `sampling`."""

    limits: Limits
    sampling: Sampling = GREEDY
    separator: str = "\n\n"
    own: Mapping[Source, Sampling] = field(default_factory=dict)

    def start(self, query: Query) -> Response:
        """An empty response to `query`."""
        return Response(query, self)

    def with_logprobs(self, *, spare: int = 0) -> Self:
        """These rules with log-probabilities asked for, leaving `spare` tokens of the context."""
        return replace(
            self,
            sampling=replace(self.sampling, logprobs=True),
            own={source: replace(it, logprobs=True) for source, it in self.own.items()},
            limits=replace(self.limits, context=self.limits.context - spare),
        )


class Response:
    """The accepted part of one solution while it grows.

    A strategy has candidates for the next step written (`write`) and scored (`score`), then keeps
    or drops each; both return the `Step` to yield. A kept step that ends the solution sets `ended`.
    """

    def __init__(self, query: Query, rules: Rules) -> None:
        self.query = query
        self._prefix = Prefix(query.prompt)
        self._prefixes = query.prompts  # empty where all models read one prompt
        self.steps: list[str] = []
        self.ended: StopReason | None = None
        self._rules = rules
        self._repetition = Repetition()
        self._tokens = 0
        self._length = 0  # of prompt and response, in tokens; 0 before the first step
        self._last: int | None = None  # the number of the last kept candidate

    def prefix(self, source: Source) -> Prefix:
        """What the model `source` continues."""
        return self._prefixes.get(source, self._prefix)

    @property
    def index(self) -> int:
        """The index of the next step, from 0."""
        return len(self.steps)

    @property
    def budget(self) -> int:
        """Tokens that the next step may take; at least 1 until the response has ended. It keeps
        within the smallest context, so that every model can read every step."""
        limits = self._rules.limits
        return min(limits.max_tokens - self._tokens, limits.context - self._length)

    def sampling(self, source: Source, candidate: int = 0) -> Sampling:
        """How `source` samples its `candidate`-th candidate for the next step."""
        rules = self._rules
        sampling = replace(
            rules.own.get(source, rules.sampling), stop=(rules.separator,), seed=None
        )
        if self.query.seed is None or sampling.temperature == 0:
            return sampling  # a seed would change nothing and cost the server time
        number = (candidate,) if candidate else ()
        return replace(sampling, seed=derive(self.query.seed, self.index, source, *number))

    async def write(self, generator: Generator, source: Source, candidate: int = 0) -> Completion:
        """Let `generator` write a candidate for the next step; the response is unchanged."""
        completion = await generator.generate(
            self.prefix(source), max_tokens=self.budget, sampling=self.sampling(source, candidate)
        )
        self.record(source, completion, candidate=candidate)
        return completion

    async def score(
        self, scorer: Scorer, source: Source, completion: Completion, candidate: int = 0
    ) -> Score:
        """Let `scorer` score a candidate for the next step; the response is unchanged."""
        score = await scorer.score(self.query.question, self.with_candidate(completion))
        self.record(source, completion, score, candidate)
        return score

    def record(
        self,
        source: Source,
        completion: Completion,
        score: Score | None = None,
        candidate: int = 0,
        likelihood: Likelihood | None = None,
    ) -> None:
        """Record what is known of a candidate so far (`rsd.decoding.discards`)."""
        step = Step(self.index, source, False, completion, score, candidate=candidate)
        record(replace(step, continues=self._last, likelihood=likelihood))

    def with_candidate(self, completion: Completion) -> list[str]:
        """The steps so far and a candidate for the next, as a scorer reads them."""
        return [*self.steps, completion.text]

    def chance(self, probability: float) -> bool:
        """True with this probability, determined by the seed and the index of the next step."""
        return self.draw("chance") < probability

    def draw(self, purpose: str) -> float:
        """A uniform number in [0, 1) for one `purpose`, determined in the same way."""
        if self.query.seed is None:
            return random.random()  # noqa: S311 - a coin, not a secret
        return derive(self.query.seed, self.index, purpose) / (1 << 31)

    def keep(
        self, source: Source, completion: Completion, score: Score | None = None, candidate: int = 0
    ) -> Step:
        """Append `completion` as the next step."""
        self._repetition = self._repetition.after(completion.text)
        self.ended = self._ending(completion)
        step = replace(
            self.drop(source, completion, score, candidate), accepted=True, ends=self.ended
        )
        if self._prefixes:
            self._prefixes = {
                each: self._extended(prefix, completion) for each, prefix in self._prefixes.items()
            }
        else:
            self._prefix = self._extended(self._prefix, completion)
        self.steps.append(completion.text)
        self._tokens += completion.usage.completion_tokens
        used = completion.usage.prompt_tokens + completion.usage.completion_tokens
        self._length = used + self._longer(source)
        self._last = candidate
        return step

    def drop(
        self, source: Source, completion: Completion, score: Score | None = None, candidate: int = 0
    ) -> Step:
        """The rejected candidate as a step; the response is unchanged."""
        paper_tokens = self._paper_tokens(source, completion)
        return Step(self.index, source, False, completion, score, None, candidate, paper_tokens)

    def fork(self) -> Self:
        """A copy that grows on its own."""
        twin = copy(self)
        twin.steps = [*self.steps]
        return twin

    def _longer(self, source: Source) -> int:
        """By how many tokens the longest prompt exceeds that of `source`, as far as is known."""
        ids = {each: self.query.prefix(each).token_ids for each in self.query.prompts}
        lengths = {each: len(them) for each, them in ids.items() if them is not None}
        return max(lengths.values()) - lengths[source] if source in lengths else 0

    def _extended(self, prefix: Prefix, completion: Completion) -> Prefix:
        """The prefix of the next step if `completion` is kept."""
        return prefix.extend(completion, self._rules.separator)

    def _paper_tokens(self, source: Source, completion: Completion) -> int | None:
        """`Step.paper_tokens`."""
        return None

    def _ending(self, completion: Completion) -> StopReason | None:
        """Why the response ends with `completion`; None if it continues."""
        usage, limits = completion.usage, self._rules.limits
        if completion.finish_reason == "stop" and completion.matched_stop is None:
            return StopReason.EOS
        if usage.prompt_tokens + usage.completion_tokens >= limits.context:
            return StopReason.CONTEXT
        if completion.finish_reason == "length" or self._reaches_cap(completion):
            return StopReason.MAX_TOKENS
        if len(self.steps) + 1 >= limits.max_steps:
            return StopReason.MAX_STEPS
        if self._loops():
            return StopReason.REPETITION
        return None

    def _reaches_cap(self, completion: Completion) -> bool:
        """Whether `completion` uses up the tokens that a response may have."""
        return completion.usage.completion_tokens >= self.budget

    def _loops(self) -> bool:
        """Whether the step just kept closes a loop (`rsd.decoding.repetition`)."""
        return self._repetition.loops(self._rules.limits.max_repeats)
