"""The one place that reads what servers answer: every value is checked for type and range here.

    answer = Value.parse(content)
    tokens = answer["usage"]["completion_tokens"].count(most=100)

A `Value` is a part of an answer, and knows where in the answer it stands. What is not of the type
and range that is asked for raises `AnswerError`, which names the place and shows the value in
short; nothing here raises anything else, whatever the server has sent.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from reprlib import Repr
from typing import Any, Literal

from rsd.types import Usage

MOST_TOKENS = 2**31 - 1
"""The largest count of tokens, and the largest token id: vLLM keeps both in 32 bits."""
MOST_COUNT = 2**53
"""The largest count since a server's start: up to it every integer is a float, as in /metrics."""
LOWEST_LOGPROB = -9999.0
"""vLLM writes this for a log-probability of minus infinity, which JSON does not have."""

_LONGEST_NAME = 1000  # characters of a model's name or a version
_CHARACTERS_A_TOKEN = 256  # at most: the longest tokens in use are 128 spaces
_ROUNDING = 1e-3  # above 0, of a log-probability in half precision
_METRIC = re.compile(r"^vllm:(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", re.MULTILINE)

_short = Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60
_short.maxlevel, _short.maxlist, _short.maxdict = 2, 4, 4


def shown(value: object) -> str:
    """`value` for a message, in 300 characters at most; whatever JSON can hold."""
    try:
        return _short.repr(value)[:300]
    except ValueError:  # which is how Python refuses to write it
        return "an integer of over 4300 digits"


class AnswerError(Exception):
    """A server's answer cannot be used; the text says what is wrong with which part of it."""


@dataclass(frozen=True, slots=True)
class Value:
    """A part of an answer: what JSON can hold, None where it is missing, and where it stands."""

    value: object
    place: str = "answer"

    @classmethod
    def parse(cls, content: bytes) -> Value:
        """The object that the JSON text `content` holds."""
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:  # also: an integer of over 4300 digits
            raise AnswerError(f"answered what is no JSON: {content[:80]!r}") from error
        if not isinstance(value, dict):
            raise AnswerError(f"expected a JSON object, got {type(value).__name__}")
        return cls(value)

    def __getitem__(self, key: str) -> Value:
        """The field `key`; its value is None where there is none, or no object around it."""
        place = key if self.place == "answer" else f"{self.place}.{key}"
        return Value(self.value.get(key) if isinstance(self.value, dict) else None, place)

    def wrong(self, wanted: str) -> AnswerError:
        return AnswerError(f"{self.place} is {shown(self.value)} and not {wanted}")

    def items(self, count: int | None = None) -> list[Value]:
        """The items of a list, `count` of them unless that is None."""
        if not isinstance(self.value, list) or count not in (None, len(self.value)):
            raise self.wrong("a list" if count is None else f"a list of {count}")
        return [Value(item, f"{self.place}[{at}]") for at, item in enumerate(self.value)]

    def count(self, most: int, least: int = 0) -> int:
        """An integer in [least, most]; a boolean is none."""
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.wrong(f"an integer from {least} to {most}")
        return self.value

    def number(self, low: float, high: float) -> float:
        """A finite number in [low, high]; a boolean is none."""
        return float(self._within(low, high, f"a number from {low:g} to {high:g}"))

    def logprob(self) -> float:
        """A natural log-probability in [LOWEST_LOGPROB, 0]; minus infinity is the lowest."""
        value = self._within(-math.inf, _ROUNDING, "a log-probability")
        return float(min(max(value, LOWEST_LOGPROB), 0.0))

    def _within(self, low: float, high: float, wanted: str) -> int | float:
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(wanted)
        if not low <= value <= high:
            raise self.wrong(wanted)
        return value

    def text(self, most: int) -> str:
        """A text of at most `most` characters that a file can hold: no lone surrogate in it."""
        if not isinstance(self.value, str) or len(self.value) > most:
            raise self.wrong(f"a text of at most {most} characters")
        try:
            self.value.encode()
        except UnicodeEncodeError as error:
            raise self.wrong("a text that UTF-8 can encode") from error
        return self.value

    def token_ids(self, sent: Sequence[int] | None = None) -> tuple[int, ...]:
        """Token ids, at least 0 and at most MOST_TOKENS; those that were `sent`, if any."""
        ids = self.value
        if not isinstance(ids, list):
            raise AnswerError(
                "no token ids in the answer; set decoding.prefix to text for this server"
            )
        found = tuple(ids)
        if sent is not None:
            if found != sent:
                raise self.wrong("the token ids that were sent")
            return tuple(sent)  # and not `found`, in which true may stand for 1
        if found and (
            set(map(type, found)) != {int} or not 0 <= min(found) <= max(found) <= MOST_TOKENS
        ):
            raise self.wrong(f"a list of integers from 0 to {MOST_TOKENS}")
        return found


@dataclass(frozen=True, slots=True)
class Request:
    """What bounds the answer to a completion: the `models` that may give it, by name, the tokens
    asked for, the context length, and the stop strings; the prompt's token ids where ids were
    `sent`; whether token ids were `wanted`."""

    models: frozenset[str]
    max_tokens: int
    context: int
    stops: tuple[str, ...] = ()
    sent: tuple[int, ...] | None = None
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What a completion, or an event of its stream, brings; see `rsd.types.Completion`. The ids
    are None where none were wanted, and the prompt's also where an event leaves them out."""

    text: str
    finish_reason: Literal["stop", "length"] | None
    matched_stop: str | None
    token_ids: tuple[int, ...] | None
    prompt_token_ids: tuple[int, ...] | None


def completion(answer: Value, request: Request) -> tuple[Written, Usage]:
    """The answer of `/v1/completions` to one prompt."""
    of_model(answer, request.models)
    (choice,) = answer["choices"].items(1)
    cost = usage(answer, request.context, request.max_tokens)
    found = _written(choice, request, cost.completion_tokens)
    if found.finish_reason is None:
        raise choice["finish_reason"].wrong("stop or length")
    if found.matched_stop not in (None, *request.stops):
        raise choice["stop_reason"].wrong("a stop string of the request")
    for ids, counted, name in (
        (found.token_ids, cost.completion_tokens, "completion_tokens"),
        (found.prompt_token_ids, cost.prompt_tokens, "prompt_tokens"),
    ):
        if ids is not None and len(ids) != counted:
            raise answer["usage"][name].wrong(f"the number of its token ids, {len(ids)}")
    return found, cost


def chunk(event: Value, request: Request) -> Written:
    """An event of a stream of `/v1/completions`; only the first has the prompt's token ids."""
    of_model(event, request.models)
    (choice,) = event["choices"].items(1)
    return _written(choice, request, request.max_tokens)


def _written(choice: Value, request: Request, most: int) -> Written:
    ids = prompt = None
    if request.wanted:
        ids = choice["token_ids"].token_ids()
        if len(ids) > most:
            raise choice["token_ids"].wrong(f"at most {most} token ids")
        if choice["prompt_token_ids"].value is not None:
            prompt = choice["prompt_token_ids"].token_ids(request.sent)
    reason, matched = choice["finish_reason"], choice["stop_reason"].value
    if reason.value not in ("stop", "length", None):
        raise reason.wrong("stop or length")
    return Written(
        text=choice["text"].text(longest_text(most if ids is None else len(ids))),
        finish_reason=reason.value,
        matched_stop=matched if isinstance(matched, str) else None,
        token_ids=ids,
        prompt_token_ids=prompt,
    )


def longest_text(tokens: int) -> int:
    """The characters that so many tokens may have: one token more, for text held back before."""
    return _CHARACTERS_A_TOKEN * (tokens + 1)


def of_model(answer: Value, models: frozenset[str]) -> None:
    """Raise unless the answer says that one of `models` gave it."""
    if not isinstance(answer["model"].value, str) or answer["model"].value not in models:
        raise answer["model"].wrong(f"{', '.join(sorted(models))}, which was asked")


def usage(answer: Value, context: int, max_tokens: int) -> Usage:
    """What one prompt has cost, in tokens: it fits the `context`, and what is cached is of it."""
    counts = answer["usage"]
    prompt = counts["prompt_tokens"].count(context)
    return Usage(1, prompt, _cached(counts, prompt), counts["completion_tokens"].count(max_tokens))


def usages(answer: Value, lengths: Sequence[int], generated: int = 0) -> list[Usage]:
    """What each of several prompts of `lengths` tokens has cost. A server tells the cached tokens
    of a request as a whole; each prompt is given its share of them by length."""
    ends = list(accumulate(lengths))
    cached = _cached(answer["usage"], ends[-1])
    bounds = [0, *(cached * end // ends[-1] for end in ends)]
    return [
        Usage(1, length, upper - lower, generated)
        for length, (lower, upper) in zip(lengths, pairwise(bounds), strict=True)
    ]


def _cached(counts: Value, most: int) -> int:
    """The tokens that came from the prefix cache: 0 where the server does not tell."""
    details = counts["prompt_tokens_details"]
    if not isinstance(details.value, dict | None):
        raise details.wrong("an object")
    cached = details["cached_tokens"]
    return 0 if cached.value is None else cached.count(most)


def in_order(results: Value, inputs: int) -> list[Value]:
    """One result for each of so many inputs, in their order, which each tells by its `index`."""
    items = results.items(inputs)
    by_index = {item["index"].count(inputs - 1): item for item in items}
    if len(by_index) != inputs:
        raise AnswerError(f"{results.place} answers an input of {inputs} twice")
    return [by_index[place] for place in range(inputs)]


def cards(listing: Value, served_name: str) -> tuple[tuple[str, ...], frozenset[str], str, int]:
    """Of `/v1/models`: all names that are served; those of the model called `served_name`, or of
    the first one where there is no such; its checkpoint, and its context length in tokens."""
    models = listing["data"].items()
    names = [card["id"].text(_LONGEST_NAME) for card in models]
    if not names:
        raise listing["data"].wrong("a list of models")
    card = models[names.index(served_name) if served_name in names else 0]
    root = card["root"].text(_LONGEST_NAME)
    same = (name for name, its in zip(names, models, strict=True) if its["root"].value == root)
    context = card["max_model_len"].count(MOST_TOKENS, least=1)
    return tuple(names), frozenset(same), root, context


def version(answer: Value) -> str:
    """Of `/version`."""
    return answer["version"].text(_LONGEST_NAME)


def metrics(page: str) -> Iterator[tuple[str, str, float]]:
    """vLLM's samples at `/metrics`: name, without `vllm:` and `_total`, labels, and value. A
    value is any text that `float` reads; see `total`."""
    for name, labels, value in _METRIC.findall(page):
        try:
            yield name, labels, float(value)
        except ValueError:
            raise AnswerError(f"{name} is {shown(value)} and not a number") from None


def total(name: str, values: Sequence[float]) -> int:
    """The sum of a counter over a server's engines."""
    for value in values:
        Value(value, name).number(0, MOST_COUNT)
    return int(math.fsum(values))


def agrees(text: str, decoded: str) -> bool:
    """Whether `text` can be of the tokens that are `decoded` alone, which may show more: special
    tokens, the stop string, and white space otherwise. Half characters say nothing."""
    left: Any = iter(decoded)
    return all(char in left for char in text if not char.isspace() and char != "\ufffd")
