"""The clients against live fake servers: what they send, what they read, how they fail."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
from pathlib import Path

import pytest
from cluster import Cluster

from rsd.backends import CompletionsGenerator, Server, connect, open_scorer
from rsd.backends.checkpoint import count_parameters
from rsd.errors import BackendError, ConfigError, ContextError, ScorerError
from rsd.prompts import render
from rsd.protocols import Sampling
from rsd.testing.tokenizers import ByteTokenizer
from rsd.types import Completion, Prefix, Role, Score

SAMPLING = Sampling(stop=("\n\n",))
QUESTION = "Ann has 10 pens, gets 20 and loses 5. How many are left?"
PROMPT = render("qwen25-math-cot", QUESTION)


async def generate(
    cluster: Cluster, prefix: Prefix, max_tokens: int = 100, *, ids: bool = True
) -> Completion:
    server = Server("target", cluster.config().models.target)
    try:
        generator = CompletionsGenerator(server, context=4096, use_token_ids=ids)
        return await generator.generate(prefix, max_tokens=max_tokens, sampling=SAMPLING)
    finally:
        await server.aclose()


async def score(cluster: Cluster, *steps: str) -> Score:
    async with connect(cluster.config()) as backends:
        assert backends.scorer is not None
        return await backends.scorer.score(QUESTION, steps)


def last_body(cluster: Cluster, role: Role, path: str) -> dict[str, object]:
    bodies = [r.body for r in cluster.apps[role].state.requests if r.path == path]
    assert isinstance(bodies[-1], dict)
    return bodies[-1]


def test_a_step_ends_at_the_separator_and_its_ids_hold_it(cluster: Cluster) -> None:
    completion = asyncio.run(generate(cluster, Prefix(PROMPT)))
    assert completion.text == "She has 10 + 20 = 30 pens."
    assert (completion.finish_reason, completion.matched_stop) == ("stop", "\n\n")
    tokenizer = ByteTokenizer()
    assert completion.prompt_token_ids == tuple(tokenizer.encode(PROMPT))
    assert completion.token_ids == tuple(tokenizer.encode(completion.text + "\n\n"))
    assert completion.usage.requests == 1
    assert completion.usage.completion_tokens == len(completion.token_ids)


def test_a_prefix_with_ids_is_sent_as_ids(cluster: Cluster) -> None:
    async def two_steps() -> Completion:
        first = await generate(cluster, Prefix(PROMPT))
        return await generate(cluster, Prefix(PROMPT).extend(first, "\n\n"))

    second = asyncio.run(two_steps())
    assert second.text == "30 - 5 = 25 are left."
    sent = last_body(cluster, "target", "/v1/completions")["prompt"]
    assert sent == ByteTokenizer().encode(PROMPT + "She has 10 + 20 = 30 pens.\n\n")
    assert second.usage.cached_tokens > 0


def test_in_text_mode_no_ids_are_asked_for(cluster: Cluster) -> None:
    completion = asyncio.run(generate(cluster, Prefix(PROMPT, (1, 2)), ids=False))
    assert completion.token_ids is completion.prompt_token_ids is None
    body = last_body(cluster, "target", "/v1/completions")
    assert body["prompt"] == PROMPT
    assert "return_token_ids" not in body


def test_a_completion_cut_short_says_so(cluster: Cluster) -> None:
    completion = asyncio.run(generate(cluster, Prefix(PROMPT), max_tokens=4))
    assert (completion.finish_reason, completion.matched_stop) == ("length", None)
    assert completion.usage.completion_tokens == 4


def test_a_budget_beyond_the_context_is_not_asked_for(cluster: Cluster) -> None:
    asyncio.run(generate(cluster, Prefix(PROMPT), max_tokens=10**6))
    assert last_body(cluster, "target", "/v1/completions")["max_tokens"] == 4096


def test_a_prompt_beyond_the_context_is_a_context_error(cluster: Cluster) -> None:
    with pytest.raises(ContextError, match="target server at .*maximum context length"):
        asyncio.run(generate(cluster, Prefix("x" * 5000)))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"status": 400}, "fault on demand: 400"),
        ({"status": 503}, "answered 503"),
        ({"drop": True}, "broke the connection"),
    ],
)
def test_a_server_that_fails_is_named(
    cluster: Cluster, fault: dict[str, object], message: str
) -> None:
    for key, value in fault.items():
        setattr(cluster.faults("target"), key, value)
    with pytest.raises(BackendError, match=f"target server at http://127.0.0.1.*{message}"):
        asyncio.run(generate(cluster, Prefix(PROMPT)))


def test_a_server_that_does_not_answer_in_time_is_named(cluster: Cluster) -> None:
    cluster.faults("target").latency_s = 5

    async def hurried() -> None:
        config = cluster.config("models.target.timeout_s=0.1").models.target
        server = Server("target", config)
        generator = CompletionsGenerator(server, context=4096, use_token_ids=True)
        try:
            await generator.generate(Prefix(PROMPT), max_tokens=5, sampling=SAMPLING)
        finally:
            await server.aclose()

    with pytest.raises(BackendError, match=r"no answer within 0\.1 s"):
        asyncio.run(hurried())


def test_a_cancelled_request_is_cancelled_at_the_server(cluster: Cluster) -> None:
    cluster.faults("target").latency_s = 30

    async def give_up() -> None:
        task = asyncio.create_task(generate(cluster, Prefix(PROMPT)))
        while not cluster.apps["target"].state.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while not cluster.apps["target"].state.cancelled:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(give_up(), 20))


def test_the_reward_model_reads_the_model_cards_input(cluster: Cluster) -> None:
    steps = ("She has 10 + 20 = 30 pens.", "")
    result = asyncio.run(score(cluster, *steps))
    tokenizer = ByteTokenizer()
    encode, separator = tokenizer.encode, tokenizer.encode("\n\n")[-1]
    bos = "<|endoftext|>"
    (sent,) = last_body(cluster, "prm", "/classify")["input"]  # type: ignore[misc]
    expected = encode(f"{bos}{QUESTION}\n") + encode(steps[0]) + [separator, separator]
    assert sent == expected
    assert result.usage.prompt_tokens == len(expected)
    assert result.step_tokens == 1


def test_the_input_of_a_longer_solution_begins_with_the_shorter(cluster: Cluster) -> None:
    async def inputs() -> list[list[int]]:
        server = Server("prm", cluster.config().models.prm)
        scorer = open_scorer(cluster.config(), server)
        steps = ["a = 1", "b = 2\nc = 3", "", "done"]
        try:
            return [scorer.input_ids(QUESTION, steps[:n]) for n in range(1, 5)]  # type: ignore[attr-defined]
        finally:
            await server.aclose()

    grown = asyncio.run(inputs())
    for shorter, longer in itertools.pairwise(grown):
        assert longer[: len(shorter)] == shorter


def test_a_solution_beyond_the_reward_models_context_is_a_context_error(
    cluster: Cluster,
) -> None:
    with pytest.raises(ContextError, match="prm server at .*maximum context length"):
        asyncio.run(score(cluster, "x" * 5000))


@pytest.mark.parametrize(
    ("reward", "message"),
    [(float("nan"), "not JSON compliant|nan"), (None, "None and not a num"), (1.5, "1.5 and not")],
)
def test_what_is_no_reward_is_an_error(
    cluster: Cluster, reward: float | None, message: str
) -> None:
    cluster.faults("prm").reward = reward
    with pytest.raises(ScorerError, match=f"prm server at .*({message})"):
        asyncio.run(score(cluster, "a step"))


def test_connecting_to_another_model_is_refused(cluster: Cluster) -> None:
    async def open_and_close() -> None:
        async with connect(cluster.config("models.draft.served_name=other")):
            pass

    with pytest.raises(BackendError, match="serves draft, not 'other'"):
        asyncio.run(open_and_close())


def test_ids_need_equal_tokenizers(cluster: Cluster) -> None:
    cluster.apps["target"].state.engine.tokenizer = ByteTokenizer(shift=7)

    async def uses_ids(*overrides: str) -> bool:
        async with connect(cluster.config(*overrides)) as backends:
            return backends.use_token_ids

    assert asyncio.run(uses_ids()) is False
    with pytest.raises(ConfigError, match=r"decoding.prefix: tokens needs"):
        asyncio.run(uses_ids("decoding.prefix=tokens"))


def test_parameters_are_counted_from_the_header(tmp_path: Path) -> None:
    tensors = {
        "model.embed_tokens.weight": {"dtype": "BF16", "shape": [7, 3], "data_offsets": [0, 42]},
        "lm_head.weight": {"dtype": "BF16", "shape": [7, 3], "data_offsets": [42, 84]},
        "v_head.summary.bias": {"dtype": "BF16", "shape": [1], "data_offsets": [84, 86]},
        "__metadata__": {"format": "pt"},
    }
    header = json.dumps(tensors).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(86))
    assert count_parameters(str(tmp_path)) == 43
    assert count_parameters(str(tmp_path), without_lm_head=True) == 22
    assert count_parameters("Qwen/Qwen2.5-Math-7B-Instruct") is None


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3087467144\n",
        struct.pack("<Q", 500) + b'{"model.embed_tokens.weight": {"dty',
        b"",
    ],
    ids=["not fetched by Git LFS", "torn", "empty"],
)
def test_parameters_of_a_checkpoint_that_is_not_whole_are_unknown(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert count_parameters(str(tmp_path)) is None
