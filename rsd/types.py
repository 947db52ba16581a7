"""The values that pass between strategies, backends, runs and analysis.

All are frozen: a trajectory is written once and read many times. Times are seconds;
`started_at` is Unix time, so that intervals of different problems can be overlaid.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    for the reward model, and the seed of this sample (None: unseeded). `kind`, and the texts of
    the options A, B, C ..., `choices`, tell how answers are read and compared."""

    prompt: str
    question: str
    seed: int | None = None
    kind: AnswerKind = AnswerKind.MATH
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests to one model, as its server counted them.

    `prompt_tokens` counts the whole prompt of each request, and again for each further step that
    one request brings (lookahead); `cached_tokens` of these came from the server's prefix cache,
    or were just written; `completion_tokens` were generated; `wasted_tokens` came beside them,
    drafted ahead and discarded.
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
    """What a generator continues. `token_ids`, where known, are the prefix; `text` is then only
    their reading, and no server tokenizes it again."""

    text: str
    token_ids: tuple[int, ...] | None = None

    def extend(self, completion: Completion, separator: str) -> Prefix:
        """The prefix after `completion`: by its token ids if the generator gave them (they hold
        the separator as the model wrote it), by its text and `separator` otherwise."""
        text = self.text + completion.text + separator
        if completion.prompt_token_ids is None or completion.token_ids is None:
            return Prefix(text)
        return Prefix(text, completion.prompt_token_ids + completion.token_ids)


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a generator.

    `text` excludes the matched stop string; `matched_stop` is that string, or None when the
    model ended its answer or ran out of tokens (`finish_reason` tells which). `token_ids` are
    what was generated, the stop string's tokens included; they and `prompt_token_ids` are None
    where the generator works in text. `logprob`, if `Sampling.logprobs` asked for it, is the sum
    of the natural log-probabilities of everything generated, the tokens of the stop string or
    the end of sequence included, by the model as it is, before any sampling setting.
    `from_cache`: the step cache gave the answer; `usage` is then what the server counted when it
    was asked, times are those of the look-up.
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
    """The next tokens of a stream that continues `prompt_token_ids`: one token as a rule, several
    where they came too fast to be told apart. `text` is what they add to the text; it excludes
    the end of sequence. `finish_reason` is set on the last."""

    text: str
    token_ids: tuple[int, ...]
    prompt_token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"] | None = None


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable a model finds what another one wrote: `logprob` and `from_cache` as in
    `Completion`, and what it cost to read."""

    logprob: float
    usage: Usage
    started_at: float
    seconds: float
    from_cache: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """The reward of the newest step, and what it cost `role`, the model that gave it.

    `step_tokens` is the share of the scored input that belongs to the newest step alone; the
    rest is its prefix. `extra_tokens` of `usage.prompt_tokens` were read by further requests,
    those for earlier steps that an aggregated reward needs. `from_cache` is as in `Completion`.
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

    `ends` is set on the last accepted step. `score` is None for a step that was not scored;
    `likelihood` is the target's, of a draft step, where a strategy asked for it. `candidate`
    tells apart what one model writes for the same index. A step continues the accepted step
    before it, or else the one there whose `candidate` is `continues`: so samples and beams that
    lost can be followed. `paper_tokens` are the tokens of text and separator encoded again, the
    paper's count (profile `paper` only).
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

    `response` is the accepted steps joined by the step separator. Candidates that nobody decided
    about, since the solution ended, are the last of `steps`. A failed problem has `stop_reason`
    ERROR, the steps until then, and `error` in one line. `retries` are requests that were asked
    again, `lost_seconds` what went into attempts without an answer and into waiting for servers,
    summed over the requests.
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
