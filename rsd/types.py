"""The values that strategies, backends, runs and analysis exchange.

All are frozen. Durations are in seconds; `started_at` is Unix time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from rsd.kinds import AnswerKind

Role = Literal["draft", "target", "prm"]
ROLES: tuple[Role, ...] = ("draft", "target", "prm")

Source = Literal["draft", "target"]
"""Who wrote a step."""


class StopReason(StrEnum):
    """Why the decoding of a problem ended."""

    EOS = "eos"  # the model ended its answer
    MAX_TOKENS = "max_tokens"  # the response reached decoding.max_tokens
    MAX_STEPS = "max_steps"  # the response reached decoding.max_steps
    CONTEXT = "context"  # prompt and response fill the smallest context of the models
    REPETITION = "repetition"  # the same steps came decoding.max_repeats times in a row
    ERROR = "error"  # a server or the strategy failed; Trajectory.error says how


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of a benchmark. `level` is the benchmark's own difficulty label, if any;
    `choices` are the texts of the options A, B, C ..., which `question` lists too; `kind` is how
    answers are read and compared."""

    task: str
    problem_id: str
    question: str
    gold: str
    level: str | None = None
    choices: tuple[str, ...] = ()
    kind: AnswerKind = AnswerKind.MATH


@dataclass(frozen=True, slots=True)
class Query:
    """What a strategy decodes: the rendered `prompt` for the generators, the bare `question`
    for the reward model, and the seed of this sample (None: unseeded). A model whose prompt is
    another, as of another chat template, has it in `prompts`. `kind` and `choices`, the texts of
    the options A, B, C ..., determine how answers are read and compared."""

    prompt: str
    question: str
    seed: int | None = None
    kind: AnswerKind = AnswerKind.MATH
    choices: tuple[str, ...] = ()
    prompts: Mapping[Source, Prefix] = field(default_factory=dict)

    def prefix(self, source: Source) -> Prefix:
        """The prompt of the model `source`."""
        return self.prompts.get(source) or Prefix(self.prompt)

    def after(self, kept: Sequence[Completion], separator: str) -> Query:
        """This query where the response begins with `kept`."""
        prompts = dict(self.prompts)
        for completion in kept:
            prompts = {it: prefix.extend(completion, separator) for it, prefix in prompts.items()}
        text = "".join(completion.text + separator for completion in kept)
        return replace(self, prompt=self.prompt + text, prompts=prompts)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests to one model, as its server counted them.

    `prompt_tokens` counts the whole prompt of each request, once more for each further step of one
    request (lookahead); `cached_tokens` of these came from the server's prefix cache or were just
    written; `completion_tokens` were generated; `wasted_tokens` were drafted ahead and discarded.
    """

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    wasted_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.wasted_tokens + other.wasted_tokens,
        )


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a generator continues: the `token_ids`, or the `text` where they are unknown."""

    text: str
    token_ids: tuple[int, ...] | None = None

    def extend(self, completion: Completion, separator: str) -> Prefix:
        """The prefix after `completion`: by its token ids if the generator gave them (they hold
        the separator as the model wrote it), by its text and `separator` otherwise. The completion
        may be of a model with another prompt."""
        text = self.text + completion.text + separator
        before = completion.prompt_token_ids if self.token_ids is None else self.token_ids
        if before is None or completion.token_ids is None:
            return Prefix(text)
        return Prefix(text, before + completion.token_ids)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a generator.

    `text` excludes the matched stop string; `matched_stop` is that string, or None when the
    model ended its answer or ran out of tokens (`finish_reason` tells which). `token_ids` are
    what was generated, the stop string's tokens included; they and `prompt_token_ids` are None
    where the generator works in text. `logprob`, if `Sampling.logprobs` asked for it, is the sum
    of the natural log-probabilities of everything generated, the tokens of the stop string or
    the end of sequence included, by the model as it is, before any sampling setting.
    `from_cache`: from the step cache; `usage` is then that of the original request, times are
    those of the look-up.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    matched_stop: str | None
    usage: Usage
    started_at: float
    seconds: float
    prompt_token_ids: tuple[int, ...] | None = None
    token_ids: tuple[int, ...] | None = None
    logprob: float | None = None
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next tokens of a stream that continues `prompt_token_ids`: usually one, several if they
    arrived together. `text` is what they add, without the end of sequence. `finish_reason` is set
    on the last chunk."""

    text: str
    token_ids: tuple[int, ...]
    prompt_token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"] | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log-probability that one model gives what another wrote, and its cost. `logprob` and
    `from_cache` are as in `Completion`."""

    logprob: float
    usage: Usage
    started_at: float
    seconds: float
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """The reward of the newest step by the model `role`, and its cost.

    `step_tokens` of the scored input belong to the newest step; the rest is its prefix.
    `extra_tokens` of `usage.prompt_tokens` were read to score earlier steps, for aggregated
    rewards. `from_cache` is as in `Completion`.
    """

    reward: float
    usage: Usage
    step_tokens: int
    started_at: float
    seconds: float
    role: Role = "prm"
    extra_tokens: int = 0
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A candidate step, kept or not. A rejected candidate has the `index` of its replacement.

    `ends` is set on the last accepted step. `score` is None if the step was not scored;
    `likelihood` is the target's, of a draft step, if the strategy asked for it. `candidate`
    numbers what one model writes for the same index. A step continues the accepted step before
    it, or the one whose `candidate` is `continues` (discarded samples and beams). `paper_tokens`
    counts text and separator encoded again, as in the paper (profile `paper` only).
    """

    index: int
    source: Source
    accepted: bool
    completion: Completion
    score: Score | None = None
    ends: StopReason | None = None
    candidate: int = 0
    paper_tokens: int | None = None
    continues: int | None = None
    likelihood: Likelihood | None = None

    @property
    def text(self) -> str:
        return self.completion.text

    @property
    def reward(self) -> float | None:
        return None if self.score is None else self.score.reward


@dataclass(frozen=True, slots=True)
class Trajectory:
    """How one sample of one problem was decoded; the unit of the store.

    `response` is the accepted steps joined by the step separator. Candidates left undecided when
    the solution ended are the last of `steps`. A failed problem has `stop_reason` ERROR, the steps
    until then, and `error` in one line. `retries` counts repeated requests; `lost_seconds` is the
    time of attempts without an answer and of waiting for servers, summed over the requests.
    """

    problem: Problem
    sample: int
    steps: tuple[Step, ...]
    response: str
    stop_reason: StopReason
    started_at: float
    seconds: float
    error: str | None = None
    retries: int = 0
    lost_seconds: float = 0.0
