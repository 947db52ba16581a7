"""Log-probabilities from vLLM's answers: of what a model writes, and of what it reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from rsd.backends import CompletionsGenerator, Server
from rsd.config import ModelConfig
from rsd.errors import BackendError
from rsd.protocols import Sampling
from rsd.types import Completion, Likelihood, Prefix, Usage

URL = "http://127.0.0.1:9/v1"
PROMPT_IDS, IDS = (5, 6, 7), (6, 9)


def choice(**fields: Any) -> dict[str, Any]:
    """A choice as vLLM 0.32 answers it."""
    usual = {
        "index": 0,
        "text": "ab",
        "logprobs": None,
        "finish_reason": "stop",
        "stop_reason": "\n\n",
        "prompt_logprobs": None,
        "prompt_token_ids": list(PROMPT_IDS),
        "token_ids": list(IDS),
    }
    return usual | fields


def entry(token: int, logprob: float | None) -> dict[str, Any]:
    return {str(token): {"logprob": logprob, "rank": 1, "decoded_token": "?"}}


class Asked:
    """A generator whose server answers `answer`; `body` is the last request."""

    def __init__(self, answer: dict[str, Any], *, ids: bool = True) -> None:
        self.body: dict[str, Any] = {}

        async def post(path: str, body: Mapping[str, object]) -> bytes:
            self.body = dict(body)
            read = 5 if "prompt_logprobs" in body else 3
            usage = {"prompt_tokens": read, "completion_tokens": 2, "total_tokens": read + 2}
            values = {"id": "x", "object": "text_completion", "created": 0, "model": "m"}
            return json.dumps(values | {"choices": [answer], "usage": usage}).encode()

        server = Server("target", ModelConfig(model="m", served_name="m", endpoint=URL))
        server.http.post = post  # type: ignore[method-assign]
        self._generator = CompletionsGenerator(server, context=100, use_token_ids=ids)

    def generate(self, *, logprobs: bool) -> Completion:
        sampling = Sampling(stop=("\n\n",), logprobs=logprobs)

        return asyncio.run(self._generator.generate(Prefix("p"), max_tokens=9, sampling=sampling))

    def likelihood(self, completion: Completion) -> Likelihood:
        return asyncio.run(self._generator.log_likelihood(Prefix("p"), completion))


def written(**fields: Any) -> Completion:
    ids = {"prompt_token_ids": PROMPT_IDS, "token_ids": IDS}
    return Completion("ab", "stop", "\n\n", Usage(1, 3, 0, 2), 0.0, 0.0, **(ids | fields))


def test_what_a_model_writes_has_the_sum_of_all_its_tokens() -> None:
    asked = Asked(choice(logprobs={"token_logprobs": [-0.5, -1.25], "tokens": ["ab", "\n\n"]}))
    assert asked.generate(logprobs=True).logprob == -1.75
    assert asked.body["logprobs"] == 0


def test_log_probabilities_are_not_asked_for_unless_wanted() -> None:
    asked = Asked(choice())
    assert asked.generate(logprobs=False).logprob is None
    assert asked.body["logprobs"] is None


@pytest.mark.parametrize(
    "logprobs", [None, {"token_logprobs": [-0.5]}, {"token_logprobs": [-0.5, None]}]
)
def test_missing_log_probabilities_are_an_error_that_names_the_server(
    logprobs: dict[str, Any] | None,
) -> None:
    with pytest.raises(BackendError, match=r"target server at http.*no log-probabilities"):
        Asked(choice(logprobs=logprobs)).generate(logprobs=True)


def test_what_a_model_reads_is_what_the_other_wrote_token_by_token() -> None:
    """Each position holds the prompt's own token and, where another is likelier, that one too."""
    prompt = [None, entry(6, -9.0), entry(7, -9.0), entry(6, -0.25), entry(1, -0.1) | entry(9, -2)]
    asked = Asked(choice(prompt_logprobs=prompt))
    likelihood = asked.likelihood(written())
    assert likelihood.logprob == -2.25
    assert likelihood.usage == Usage(1, prompt_tokens=5, completion_tokens=2)
    assert asked.body["prompt"] == [*PROMPT_IDS, *IDS]
    assert (asked.body["prompt_logprobs"], asked.body["max_tokens"]) == (0, 1)


@pytest.mark.parametrize(
    "prompt",
    [
        None,
        [None, entry(6, -9.0), entry(7, -9.0), entry(6, -0.25)],
        [None, entry(6, -9.0), entry(7, -9.0), entry(6, -0.25), entry(8, -2.0)],
        [None, entry(6, -9.0), entry(7, -9.0), entry(6, -0.25), entry(9, None)],
    ],
    ids=["none", "too few", "another token", "no number"],
)
def test_an_answer_without_them_is_an_error_that_names_the_server(prompt: object) -> None:
    with pytest.raises(BackendError, match=r"target server at http.*no log-probabilities of its"):
        Asked(choice(prompt_logprobs=prompt)).likelihood(written())


@pytest.mark.parametrize(
    ("ids", "completion"), [(False, written()), (True, written(token_ids=None))]
)
def test_without_token_ids_it_says_what_is_needed(ids: bool, completion: Completion) -> None:
    with pytest.raises(BackendError, match="must share a tokenizer, and decoding.prefix must not"):
        Asked(choice(), ids=ids).likelihood(completion)
