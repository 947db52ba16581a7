"""The restated published loop, where tests/paper does not go: rewards of every token."""

from __future__ import annotations

import json

import httpx
from harness.lock_step import LockStep, Model, Solution, Written

from rsd.testing import ByteTokenizer


class WithBos(ByteTokenizer):
    bos_token = "<|endoftext|>"

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return super().encode(text)


def test_token_wise_rewards_are_asked_for_the_whole_batch_and_read_at_the_last_token() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        asked.append((request.url.path, [len(ids) for ids in body["input"]]))
        rows = [
            {"index": index, "data": [[0.5]] * (len(ids) - 1) + [[0.1 * index]]}
            for index, ids in enumerate(body["input"])
        ]
        return httpx.Response(200, json={"data": rows[::-1]})

    model = Model("http://server", "name", WithBos())
    loop = LockStep(model, model, model, token_wise=True)
    loop.client = httpx.Client(transport=httpx.MockTransport(answer))
    solutions = [Solution("Q"), Solution("Q", text="one\n\n")]
    drafts = [Written("two", True, 4), Written("three", True, 6)]
    assert loop.score(solutions, drafts) == [0.0, 0.1]
    # bos, question and newline; then each step and its separator.
    assert asked == [("/pooling", [3 + 4, 3 + 4 + 6])]
