"""The step cache: a request that was answered before is answered again without its server.

An answer is known by a digest of all that determines it, and of nothing else: the model as its
server names it, how to sample, the exact prefix or the text to score. So runs that differ only in
what they do with answers, such as those of a sweep over the threshold, share them. Unseeded
sampling above temperature 0 has no answer that could be given twice, and is never stored.

Equal requests that are under way at the same time are one request.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import partial
from hashlib import sha256
from typing import Any, Generic, TypeVar

from rsd import __version__
from rsd.backends.cache_store import StepStore
from rsd.backends.prompting import Prompts
from rsd.backends.server import ServerInfo
from rsd.clock import unix_time
from rsd.config import Config
from rsd.protocols import NEUTRAL_SAMPLING, Generator, Sampling, Scorer
from rsd.types import Completion, Likelihood, Prefix, Role, Score, Usage

Answer = TypeVar("Answer", Completion, Likelihood, Score)

Identity = Mapping[str, object]
"""What determines a model's answers beside the request; JSON can hold it."""


@dataclass(slots=True)
class _Flight(Generic[Answer]):
    """A request under way, and how many wait for it."""

    task: asyncio.Task[Answer]
    waiting: int = 0


class StepCache:
    """Answers out of `store`, or of an equal request that is under way, or else of a new one.

    What was not asked for anew is marked `from_cache` and has the times of the look-up; its usage
    is what the server counted when it was asked. Failures are not stored.
    """

    def __init__(self, store: StepStore) -> None:
        self._store = store
        self._flights: dict[bytes, _Flight[Any]] = {}

    async def answer(
        self,
        kind: type[Answer],
        key: bytes,
        ask: Callable[[], Coroutine[Any, Any, Answer]],
        sent: tuple[int, ...] | None = None,
    ) -> Answer:
        """The answer known by `key`, which `ask` would get from the server. `sent` are the token
        ids that the request holds, if any; an answer that repeats them is stored without."""
        started_at, clock = unix_time(), time.perf_counter()
        stored = self._store.get(key)
        if stored is not None:
            await asyncio.sleep(0)  # nothing else waits, and other problems want their turn
            found = _decode(kind, stored, sent)
        elif key in self._flights:
            found = await self._wait(key, self._flights[key])
        else:
            asked: _Flight[Answer] = _Flight(asyncio.create_task(self._ask(key, ask, sent)))
            self._flights[key] = asked
            return await self._wait(key, asked)
        seconds = time.perf_counter() - clock
        return replace(found, from_cache=True, started_at=started_at, seconds=seconds)

    async def _ask(
        self,
        key: bytes,
        ask: Callable[[], Coroutine[Any, Any, Answer]],
        sent: tuple[int, ...] | None,
    ) -> Answer:
        answer = await ask()
        self._store.put(key, _encode(answer, sent))
        return answer

    async def _wait(self, key: bytes, flight: _Flight[Answer]) -> Answer:
        """Wait for a request under way. The last that ceases to wait cancels it."""
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.task.done() or not flight.waiting:
                if self._flights.get(key) is flight:
                    del self._flights[key]
                if flight.task.cancel():
                    await asyncio.wait([flight.task])  # so that no request outlives its caller


class CachedGenerator:
    """`generator` behind the step cache. `model` is what determines its answers beside the
    request; `use_token_ids` tells whether it reads the ids of a prefix that has them."""

    def __init__(
        self, generator: Generator, cache: StepCache, *, model: Identity, use_token_ids: bool
    ) -> None:
        self._generator = generator
        self._cache = cache
        self._model = {**model, "token_ids": use_token_ids}
        self._use_token_ids = use_token_ids

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        """See `rsd.protocols.Generator.generate`."""
        ask = partial(self._generator.generate, prefix, max_tokens=max_tokens, sampling=sampling)
        if sampling.temperature > 0 and sampling.seed is None:
            return await ask()
        ids = prefix.token_ids if self._use_token_ids else None
        prompt = prefix.text if ids is None else ids
        key = _digest("generate", self._model, prompt, max_tokens, _sampled(sampling))
        return await self._cache.answer(Completion, key, ask, sent=ids)

    async def log_likelihood(self, prefix: Prefix, completion: Completion) -> Likelihood:
        """See `rsd.protocols.Generator.log_likelihood`."""
        read = (prefix.text, prefix.token_ids, completion.prompt_token_ids)
        key = _digest("likelihood", self._model, *read, completion.text, completion.token_ids)
        ask = partial(self._generator.log_likelihood, prefix, completion)
        return await self._cache.answer(Likelihood, key, ask)


class CachedScorer:
    """`scorer` behind the step cache. `model` is what determines its rewards beside question and
    steps: the reward model, and how its input is made."""

    def __init__(self, scorer: Scorer, cache: StepCache, *, model: Identity) -> None:
        self._scorer = scorer
        self._cache = cache
        self._model = model

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        """See `rsd.protocols.Scorer.score`."""
        key = _digest("score", self._model, question, list(steps))
        return await self._cache.answer(Score, key, partial(self._scorer.score, question, steps))


def _sampled(sampling: Sampling) -> dict[str, object]:
    """`sampling` in a key. Settings that change nothing are left out, as older keys lack them."""
    changing = asdict(sampling)
    for key in NEUTRAL_SAMPLING.keys() - sampling.optional.keys():
        del changing[key]
    return changing


def generator_identity(config: Config, role: Role, info: ServerInfo) -> Identity:
    """The model that writes in the role `role`."""
    speculative = config.models.role(role).serve.speculative
    return {
        **_model(config, role, info),
        "context": info.context,
        "speculative": speculative and speculative.model_dump(mode="json", exclude={"parameters"}),
    }


def scorer_identity(config: Config, info: ServerInfo) -> Identity:
    """The model that rewards single steps, and how rsd asks it."""
    prm, decoding = config.models.prm, config.decoding
    return {
        **_model(config, config.models.scored_by, info),
        "rsd": __version__,
        "kind": prm.kind,
        "tokenizer": prm.tokenizer or prm.model,
        "separator": decoding.step_separator,
        "prompt": Prompts(config).prefixes("")["target"].text if prm.kind == "judge" else None,
    }


def _model(config: Config, role: Role, info: ServerInfo) -> Identity:
    """A model by all its names, whatever its role: where every server loads its model from a path
    such as /model, what the server says is not enough."""
    wanted = config.models.role(role)
    names = {"loaded": info.model, "served": wanted.served_name, "configured": wanted.model}
    return {**names, "vllm": info.version}


_OF_THE_MOMENT = {"started_at", "seconds", "from_cache"}
_TOKEN_IDS = ("prompt_token_ids", "token_ids")
_AS_SENT = True
"""In the place of prompt token ids: the request says them. Else a file would grow with the square
of a solution's length."""


def _digest(*parts: object) -> bytes:
    """A key of 32 bytes for `parts`, which JSON can hold."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def _encode(answer: Completion | Likelihood | Score, sent: tuple[int, ...] | None) -> bytes:
    """An answer as it is stored: all but what belongs to the moment it was given."""
    values = {
        field.name: getattr(answer, field.name)
        for field in fields(answer)
        if field.name not in _OF_THE_MOMENT
    }
    values["usage"] = astuple(answer.usage)
    if sent is not None and values.get("prompt_token_ids") == sent:
        values["prompt_token_ids"] = _AS_SENT
    return json.dumps(values, separators=(",", ":")).encode()


def _decode(kind: type[Answer], stored: bytes, sent: tuple[int, ...] | None) -> Answer:
    values = json.loads(stored)
    values["usage"] = Usage(*values["usage"])
    for name in _TOKEN_IDS:
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    if values.get("prompt_token_ids") is _AS_SENT:
        values["prompt_token_ids"] = sent
    return kind(**values, started_at=0.0, seconds=0.0)
