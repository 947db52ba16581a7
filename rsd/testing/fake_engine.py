"""What is behind the fake server's routes: a tokenizer, a writer or a reward model, a prefix
cache, counters, and faults on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rsd.protocols import Sampling
from rsd.testing.continuation import Continuation, cut
from rsd.testing.tokenizers import ByteTokenizer, Tokenizer

_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "top_k": (lambda it: it is None or it >= 1, "0 (disable), or at least 1"),
    "min_p": (lambda it: 0 <= it <= 1, "in [0, 1]"),
    "presence_penalty": (lambda it: -2 <= it <= 2, "in [-2, 2]"),
    "repetition_penalty": (lambda it: it > 0, "greater than zero"),
}
"""The values that vLLM accepts, and what it says of others."""


@dataclass(slots=True)
class Faults:
    """What is wrong with a server. All may be changed while it runs.

    Only for prompts that contain `matching`: `latency_s` delays an answer, as does `held` while
    it is true; `status` answers that HTTP status; `drop` closes the connection in the middle of
    an answer.
    `token_latency_s` delays each generated token; `ignore_stop` generates past stop strings.
    `reward` replaces every score: a number out of range, None (a JSON null), or NaN, to which
    vLLM answers 400. `warm_drift` is added to a score that used the prefix cache, or to the
    log-probability of the first token asked for.
    """

    latency_s: float = 0.0
    held: Callable[[], bool] = lambda: False
    status: int | None = None
    drop: bool = False
    matching: str = ""
    token_latency_s: float = 0.0
    ignore_stop: bool = False
    reward: float | Literal["right"] | None = "right"
    warm_drift: float = 0.0


@dataclass(slots=True)
class Behavior:
    """What a fake server serves: a language model if it has a `write`, a reward model if it has
    a `reward`, never both.

    `write(prompt, sampling)` is the whole rest of the answer after `prompt`; `reward(text)` is
    the probability of the last of `classes` (1 or 2) classes; `logprob(prompt, token)` is the
    log-probability of one token, given as text. All must depend on their arguments alone.
    """

    write: Callable[[str, Sampling], str] | None = None
    reward: Callable[[str], float] | None = None
    classes: int = 1
    logprob: Callable[[str, str], float] | None = None
    faults: Faults = field(default_factory=Faults)


@dataclass(slots=True)
class EngineCounters:
    """Totals since the start, in tokens; `running` is the number of requests in work."""

    running: int = 0
    prompt_tokens: int = 0
    generation_tokens: int = 0
    cache_queries: int = 0
    cache_hits: int = 0


class RequestError(Exception):
    """A request that vLLM refuses, with its status and the fields of its error body."""

    def __init__(
        self, message: str, param: str | None = None, status: int = 400, kind: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        kind = kind or "BadRequestError"
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": status}}


class PrefixCache:
    """Whole blocks of token ids seen before, as vLLM keeps them. Nothing is ever evicted. Blocks
    with another `salt` are other blocks."""

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        self._seen: set[int] = set()

    def look_up(self, ids: Sequence[int], salt: str | None = None) -> int:
        """How many leading tokens are cached; never the last one, whose output is wanted."""
        cached = 0
        for end, key in self._blocks(ids[:-1], salt):
            if key not in self._seen:
                break
            cached = end
        return cached

    def add(self, ids: Sequence[int], salt: str | None = None) -> None:
        self._seen.update(key for _, key in self._blocks(ids, salt))

    def _blocks(self, ids: Sequence[int], salt: str | None) -> list[tuple[int, int]]:
        """End and chained hash of each whole block."""
        blocks, key = [], hash(salt)
        for end in range(self.block_size, len(ids) + 1, self.block_size):
            key = hash((key, tuple(ids[end - self.block_size : end])))
            blocks.append((end, key))
        return blocks


@dataclass(frozen=True, slots=True)
class Generated:
    prompt_ids: list[int]
    cached: int
    continuation: Continuation


class FakeEngine:
    """Generates and scores, and counts as vLLM's engine does. No request ever waits."""

    def __init__(
        self,
        behavior: Behavior,
        *,
        served_name: str,
        max_model_len: int,
        tokenizer: Tokenizer | None = None,
        block_size: int = 16,
    ) -> None:
        self.behavior = behavior
        self.faults = behavior.faults
        self.served_name = served_name
        self.max_model_len = max_model_len
        self.tokenizer = tokenizer or ByteTokenizer()
        self.cache = PrefixCache(block_size)
        self.counters = EngineCounters()

    def ids_of(self, prompt: str | Sequence[int]) -> list[int]:
        """Token ids of a prompt. Raises `RequestError` if they do not fit the context."""
        ids = self.tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt)
        if unknown := [token for token in ids if token >= self.tokenizer.size]:
            raise RequestError(f"Token id {unknown[0]} is out of vocabulary")
        if len(ids) > self.max_model_len:
            at_least = "at least " if len(ids) == self.max_model_len + 1 else ""
            message = (
                f"This model's maximum context length is {self.max_model_len} tokens. However, "
                f"your prompt contains {at_least}{len(ids)} input tokens, which exceeds this limit "
                f"even without any output tokens. Please reduce the length of the input prompt. "
                f"(parameter=input_tokens, value={len(ids)})"
            )
            raise RequestError(message, "input_tokens")
        return ids

    def generate(
        self,
        ids: list[int],
        sampling: Sampling,
        max_tokens: int,
        salt: str | None = None,
        *,
        anew: bool = False,
    ) -> Generated:
        """Continue `ids` by at most `max_tokens`, fewer where the context leaves no room, and
        without a look at the prefix cache if `anew`. Whoever sends the tokens counts them."""
        assert self.behavior.write is not None
        for key, (fits, rule) in _RANGES.items():
            if not fits(value := getattr(sampling, key)):
                raise RequestError(f"{key} must be {rule}, got {value}.")
        if max_tokens > self.max_model_len:
            raise RequestError(
                f"max_tokens={max_tokens} cannot be greater than max_model_len="
                f"{self.max_model_len}. Please request fewer output tokens. "
                f"(parameter=max_tokens, value={max_tokens})",
                "max_tokens",
            )
        max_tokens = min(max_tokens, self.max_model_len - len(ids))
        if max_tokens < 1:
            message = f"max_tokens must be at least 1, got {max_tokens}."
            message += f" (parameter=max_tokens, value={max_tokens})"
            raise RequestError(message, "max_tokens")
        written = self.behavior.write(self.tokenizer.decode(ids), sampling)
        if sampling.ignore_eos:
            written += " ..." * max_tokens
        stops = () if self.faults.ignore_stop else sampling.stop
        continuation = cut(written, self.tokenizer, stops, max_tokens)
        cached = self._read(ids, salt, anew=anew)
        self.cache.add([*ids, *continuation.ids[:-1]], salt)
        return Generated(ids, cached, continuation)

    def logprobs(self, prompt: Generated, tokens: Sequence[int]) -> list[float]:
        """The log-probability of each of `tokens` as the first one generated after `prompt`."""
        assert self.behavior.logprob is not None
        text = self.tokenizer.decode(prompt.prompt_ids)
        values = [self.behavior.logprob(text, self.tokenizer.decode([token])) for token in tokens]
        return [values[0] + (self.faults.warm_drift if prompt.cached else 0.0), *values[1:]]

    def log_likelihoods(self, ids: Sequence[int], begin: int) -> list[float]:
        """The log-probability of each of `ids` from `begin` on, after all before it."""
        assert self.behavior.logprob is not None
        decode = self.tokenizer.decode
        places = range(begin, len(ids))
        return [self.behavior.logprob(decode(ids[:at]), decode([ids[at]])) for at in places]

    def score(self, ids: list[int], salt: str | None = None) -> list[float | None]:
        """The probability of each class at the last of `ids`."""
        assert self.behavior.reward is not None
        cached = self._read(ids, salt)
        self.cache.add(ids, salt)
        reward = self.faults.reward
        if reward == "right":
            drift = self.faults.warm_drift if cached else 0.0
            reward = self.behavior.reward(self.tokenizer.decode(ids)) + drift
        if self.behavior.classes == 1:
            return [reward]
        return [None if reward is None else 1 - reward, reward]

    def metrics(self) -> str:
        """The counters in the Prometheus text format, named as vLLM's."""
        counters = self.counters
        values = {
            "num_requests_running": counters.running,
            "num_requests_waiting": 0,
            "prompt_tokens_total": counters.prompt_tokens,
            "prompt_tokens_cached_total": counters.cache_hits,
            "generation_tokens_total": counters.generation_tokens,
            "prefix_cache_queries_total": counters.cache_queries,
            "prefix_cache_hits_total": counters.cache_hits,
        }
        labels = f'engine="0",model_name="{self.served_name}"'
        lines = []
        for name, value in values.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE vllm:{name} {kind}", f"vllm:{name}{{{labels}}} {float(value)}"]
        block = f'block_size="{self.cache.block_size}",enable_prefix_caching="True",engine="0"'
        lines += ["# TYPE vllm:cache_config_info gauge", f"vllm:cache_config_info{{{block}}} 1.0"]
        return "\n".join(lines) + "\n"

    def _read(self, ids: Sequence[int], salt: str | None, *, anew: bool = False) -> int:
        """Count a prompt; how much of it is cached."""
        cached = 0 if anew else self.cache.look_up(ids, salt)
        self.counters.prompt_tokens += len(ids)
        self.counters.cache_queries += len(ids)
        self.counters.cache_hits += cached
        return cached
