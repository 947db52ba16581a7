"""The fake server over real connections."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import openai
import pytest
from fastapi import FastAPI

from rsd.errors import LaunchError
from rsd.protocols import Sampling
from rsd.testing import ByteTokenizer
from rsd.testing.fake_engine import Behavior
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live, live_in_thread

STEPS = "Step é 1.\n\nStep 2.\n\nSo 3."
IDS = ByteTokenizer().encode


def write(prompt: str, sampling: Sampling) -> str:
    """STEPS from where the prompt, a question and a blank line, has got to."""
    return STEPS.removeprefix(prompt.partition("\n\n")[2])


def reward(text: str) -> float:
    return 0.75 if text.endswith("right\n\n") else 0.25


def draft_app() -> FastAPI:
    return create_app(Behavior(write=write), served_name="draft", root="ck", max_model_len=64)


def prm_app() -> FastAPI:
    return create_app(Behavior(reward=reward), served_name="prm", max_model_len=64)


Url = str


@pytest.fixture(name="draft")
def _draft() -> Iterator[tuple[Url, FastAPI]]:
    app = draft_app()
    with live_in_thread(app) as url:
        yield url, app


@pytest.fixture(name="prm")
def _prm() -> Iterator[tuple[Url, FastAPI]]:
    app = prm_app()
    with live_in_thread(app) as url:
        yield url, app


def call(url: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def complete(url: str, **body: Any) -> dict[str, Any]:
    body = {"model": "draft", "prompt": "Q\n\n", "max_tokens": 50, "temperature": 0} | body
    status, text = call(f"{url}/v1/completions", body)
    return json.loads(text) | {"status": status}


def classify(url: str, **body: Any) -> dict[str, Any]:
    status, text = call(f"{url}/classify", {"model": "prm"} | body)
    return json.loads(text) | {"status": status}


def test_what_it_says_of_itself(draft: tuple[Url, FastAPI]) -> None:
    url, _ = draft
    assert call(f"{url}/health") == (200, "")
    assert json.loads(call(f"{url}/version")[1])["version"].startswith("0.32.0")
    (card,) = json.loads(call(f"{url}/v1/models")[1])["data"]
    assert (card["id"], card["root"], card["max_model_len"]) == ("draft", "ck", 64)


def test_a_step_ends_at_the_stop_string(draft: tuple[Url, FastAPI]) -> None:
    answer = complete(draft[0], stop=["\n\n"], return_token_ids=True)
    (choice,) = answer["choices"]
    assert choice["text"] == "Step é 1."
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "\n\n")
    assert choice["token_ids"] == IDS("Step é 1.\n\n")
    assert choice["prompt_token_ids"] == IDS("Q\n\n")
    assert answer["usage"]["prompt_tokens"] == 2
    assert answer["usage"]["completion_tokens"] == len(choice["token_ids"])


def test_the_last_step_ends_with_the_end_of_sequence(draft: tuple[Url, FastAPI]) -> None:
    answer = complete(
        draft[0], prompt=IDS("Q\n\nStep é 1.\n\nStep 2.\n\n"), stop="\n\n", return_token_ids=True
    )
    (choice,) = answer["choices"]
    assert (choice["text"], choice["finish_reason"], choice["stop_reason"]) == (
        "So 3.",
        "stop",
        None,
    )
    assert choice["token_ids"] == [*IDS("So 3."), ByteTokenizer.eos_id]


def test_without_being_asked_it_gives_no_token_ids(draft: tuple[Url, FastAPI]) -> None:
    (choice,) = complete(draft[0])["choices"]
    assert choice["token_ids"] is choice["prompt_token_ids"] is None


def test_a_list_of_prompts_gives_a_choice_each(draft: tuple[Url, FastAPI]) -> None:
    for prompts in (["Q\n\n", "QQ\n\n"], [IDS("Q\n\n"), IDS("QQ\n\n")]):
        answer = complete(draft[0], prompt=prompts, max_tokens=4)
        assert [(c["index"], c["text"]) for c in answer["choices"]] == [(0, "Step"), (1, "Step")]
        assert [c["finish_reason"] for c in answer["choices"]] == ["length"] * 2
        assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (5, 8)


def test_the_context_bounds_a_completion(draft: tuple[Url, FastAPI]) -> None:
    full = complete(draft[0], prompt="Q" * 60, max_tokens=10)
    assert full["usage"]["completion_tokens"] == 4
    assert full["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("body", "status", "param", "message"),
    [
        ({"prompt": "Q" * 70}, 400, "input_tokens", "maximum context length is 64 tokens"),
        ({"prompt": "Q" * 64}, 400, "max_tokens", "max_tokens must be at least 1, got 0."),
        ({"max_tokens": 65}, 400, "max_tokens", "cannot be greater than max_model_len=64"),
        ({"model": "nope"}, 404, "model", "The model `nope` does not exist."),
        ({"prompt": [999]}, 400, None, "Token id 999 is out of vocabulary"),
        ({"prompt": []}, 400, None, "at least one prompt"),
        ({"prompt": ""}, 400, "prompt", "must be provided and non-empty"),
        ({"prompt": {"a": 1}}, 400, "body.prompt", "validation error"),
        ({"n": 2}, 400, "n", "the fake server cannot do n=2"),
    ],
)
def test_refusals_are_vllms(
    draft: tuple[Url, FastAPI], body: dict[str, Any], status: int, param: str | None, message: str
) -> None:
    answer = complete(draft[0], **body)
    assert answer["status"] == status
    error = answer["error"]
    assert message in error["message"]
    assert (error["param"], error["code"]) == (param, status)


def test_roles_have_their_own_routes(draft: tuple[Url, FastAPI], prm: tuple[Url, FastAPI]) -> None:
    assert call(f"{draft[0]}/classify", {"input": "a"}) == (404, '{"detail":"Not Found"}')
    assert call(f"{prm[0]}/v1/completions", {"prompt": "a"}) == (404, '{"detail":"Not Found"}')


def test_texts_and_ids_are_scored_one_or_many(prm: tuple[Url, FastAPI]) -> None:
    texts = ["all right\n\n", "not so\n\n"]
    for inputs in (texts, [IDS(text) for text in texts]):
        answer = classify(prm[0], input=inputs)
        assert [item["probs"] for item in answer["data"]] == [[0.75], [0.25]]
        assert [item["index"] for item in answer["data"]] == [0, 1]
        assert answer["usage"]["prompt_tokens"] == sum(len(IDS(text)) for text in texts)
        assert classify(prm[0], input=inputs[0])["data"] == answer["data"][:1]
    assert classify(prm[0], input="x" * 65)["error"]["param"] == "input_tokens"
    assert classify(prm[0], input="a", model="nope")["status"] == 404
    assert "cannot be empty" in classify(prm[0], input=[[]])["error"]["message"]


def test_text_to_ids_and_back(draft: tuple[Url, FastAPI]) -> None:
    answer = json.loads(call(f"{draft[0]}/tokenize", {"model": "draft", "prompt": "a\n\nb"})[1])
    assert answer == {
        "count": 3,
        "max_model_len": 64,
        "tokens": IDS("a\n\nb"),
        "token_strs": None,
    }
    back = call(f"{draft[0]}/detokenize", {"model": "draft", "tokens": answer["tokens"]})
    assert json.loads(back[1]) == {"prompt": "a\n\nb"}


def test_what_is_written_is_as_likely_as_when_it_is_read() -> None:
    likely = Behavior(
        write=write, logprob=lambda prompt, token: -len(prompt) - sum(map(ord, token)) / 1e9
    )
    with live_in_thread(create_app(likely, served_name="draft", max_model_len=64)) as url:
        written = complete(url, stop="\n\n", logprobs=0, return_token_ids=True)["choices"][0]
        before, ids = written["prompt_token_ids"], written["token_ids"]
        read = complete(url, prompt=[*before, *ids], max_tokens=1, prompt_logprobs=0)
        first, *entries = read["choices"][0]["prompt_logprobs"]
        assert first is None
        found = [e[str(t)]["logprob"] for e, t in zip(entries, [*before[1:], *ids], strict=True)]
        assert found[-len(ids) :] == written["logprobs"]["token_logprobs"]
        assert read["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert complete(url, logprobs=1)["status"] == 400
        assert complete(url, logprobs=0, stream=True)["status"] == 400


def test_whole_blocks_of_a_prefix_are_cached_and_counted(draft: tuple[Url, FastAPI]) -> None:
    def cached(prompt: str) -> int:
        details = complete(draft[0], prompt=prompt, max_tokens=1)["usage"]["prompt_tokens_details"]
        return int(details["cached_tokens"])

    assert [cached(p) for p in ("a" * 40, "a" * 40, "a" * 20 + "b" * 20)] == [0, 32, 16]
    assert [cached(p) for p in ("c" * 32, "c" * 32)] == [0, 16]  # never the last token
    metrics = dict(
        line.rsplit(" ", 1)
        for line in call(f"{draft[0]}/metrics")[1].splitlines()
        if not line.startswith("#")
    )
    label = '{engine="0",model_name="draft"}'
    assert metrics[f"vllm:prefix_cache_queries_total{label}"] == "184.0"
    assert metrics[f"vllm:prefix_cache_hits_total{label}"] == "64.0"
    assert metrics[f"vllm:prompt_tokens_total{label}"] == "184.0"
    assert metrics[f"vllm:generation_tokens_total{label}"] == "5.0"
    assert metrics[f"vllm:num_requests_running{label}"] == "0.0"


def test_what_was_generated_is_cached_too(draft: tuple[Url, FastAPI]) -> None:
    complete(draft[0], stop=["\n\n"])
    usage = complete(draft[0], prompt="Q\n\nStep é 1.\n\nStep 2.")["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0  # 14 tokens: no whole block
    complete(draft[0])
    usage = complete(draft[0], prompt="Q\n\nStep é 1.\n\nStep 2.\n\n")["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 16


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (1.5, [1.5]),
        (None, [None]),
        (float("nan"), "Out of range float values are not JSON compliant"),
    ],
)
def test_rewards_to_order(prm: tuple[Url, FastAPI], value: float | None, seen: object) -> None:
    prm[1].state.faults.reward = value
    answer = classify(prm[0], input="right\n\n")
    if isinstance(seen, str):
        assert answer["status"] == 400
        assert seen in answer["error"]["message"]
    else:
        assert answer["data"][0]["probs"] == seen


def test_a_warm_score_may_differ_from_the_cold_one(prm: tuple[Url, FastAPI]) -> None:
    prm[1].state.faults.warm_drift = 0.125
    text = "x" * 30 + "right\n\n"
    scores = [classify(prm[0], input=text)["data"][0]["probs"] for _ in range(2)]
    assert scores == [[0.75], [0.875]]


def test_stop_strings_may_be_ignored(draft: tuple[Url, FastAPI]) -> None:
    draft[1].state.faults.ignore_stop = True
    (choice,) = complete(draft[0], stop=["\n\n"])["choices"]
    assert (choice["text"], choice["stop_reason"]) == (STEPS, None)


def test_failures_strike_the_prompts_they_match(draft: tuple[Url, FastAPI]) -> None:
    url, app = draft
    app.state.faults.matching, app.state.faults.status = "bad", 503
    assert complete(url, prompt="good\n\n")["status"] == 200
    failed = complete(url, prompt=IDS("bad\n\n"))
    assert (failed["status"], failed["error"]["code"]) == (503, 503)
    assert [record.status for record in app.state.requests] == [200, 503]


async def stream(client: openai.AsyncOpenAI, **options: Any) -> list[Any]:
    answer = await client.completions.create(
        model="draft", prompt="Q\n\n", max_tokens=50, stop=["\n\n"], stream=True, **options
    )
    async with answer:
        return [chunk async for chunk in answer]


def client_of(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=30)


@pytest.mark.parametrize("interval", [1, 4, 100])
def test_a_stream_brings_the_same_answer_in_pieces(interval: int) -> None:
    async def scenario() -> list[Any]:
        async with live(draft_app()) as url, client_of(url) as client:
            return await stream(
                client,
                stream_options={"include_usage": True, "continuous_usage_stats": True},
                extra_body={"return_token_ids": True, "stream_interval": interval},
            )

    *chunks, last = asyncio.run(scenario())
    choices = [chunk.choices[0] for chunk in chunks]
    ids = [token for choice in choices for token in choice.model_extra["token_ids"]]
    assert "".join(choice.text for choice in choices) == "Step é 1."
    assert ids == IDS("Step é 1.\n\n")
    assert [c.model_extra["prompt_token_ids"] for c in choices] == [
        IDS("Q\n\n"),
        *[None] * (len(choices) - 1),
    ]
    assert [c.finish_reason for c in choices] == [*[None] * (len(choices) - 1), "stop"]
    assert choices[-1].model_extra["stop_reason"] == "\n\n"
    assert chunks[0].usage.completion_tokens == min(interval, len(ids))
    assert last.choices == []
    assert last.usage.completion_tokens == len(ids)


def test_a_stream_without_usage_has_none() -> None:
    async def scenario() -> list[Any]:
        async with live(draft_app()) as url, client_of(url) as client:
            return await stream(client)

    assert {chunk.usage for chunk in asyncio.run(scenario())} == {None}


@pytest.mark.parametrize("streaming", [False, True])
def test_work_is_cancelled_when_the_client_leaves(streaming: bool) -> None:
    async def scenario() -> FastAPI:
        app = draft_app()
        app.state.faults.token_latency_s = 0.05 if streaming else 30
        async with live(app) as url, client_of(url) as client:
            if streaming:
                answer = await client.completions.create(
                    model="draft", prompt="Q\n\n", max_tokens=50, stream=True
                )
                await anext(aiter(answer))
                await answer.close()
            else:
                task = asyncio.create_task(
                    client.completions.create(model="draft", prompt="Q\n\n", max_tokens=50)
                )
                await until(lambda: app.state.engine.counters.running == 1)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await until(lambda: app.state.cancelled == 1)
        return app

    app = asyncio.run(asyncio.wait_for(scenario(), 30))
    (record,) = app.state.requests
    assert record.cancelled
    assert app.state.engine.counters.running == 0
    assert app.state.engine.counters.generation_tokens < len(IDS(STEPS))


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_a_dropped_connection_is_one_to_the_client() -> None:
    async def scenario() -> None:
        app = draft_app()
        app.state.faults.drop = True
        async with live(app) as url, client_of(url) as client:
            with pytest.raises(openai.APIConnectionError):
                await client.completions.create(model="draft", prompt="Q\n\n")

    asyncio.run(scenario())


def test_requests_in_work_do_not_hold_up_the_end() -> None:
    async def scenario() -> FastAPI:
        app = draft_app()
        app.state.faults.latency_s = 600
        async with client_of("http://unused") as client:
            async with live(app) as url:
                client = client.with_options(base_url=f"{url}/v1")
                task = asyncio.create_task(client.completions.create(model="draft", prompt="Q"))
                await until(lambda: app.state.engine.counters.running == 1)
            with pytest.raises(openai.APIError):
                await task
        return app

    assert asyncio.run(asyncio.wait_for(scenario(), 30)).state.cancelled == 1


def test_a_taken_port_is_an_error() -> None:
    with live_in_thread(draft_app()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(LaunchError, match=f"port {port}"), live_in_thread(draft_app(), port):
            pass


VLLM = find_spec("vllm")


def vllm_fields(module: str) -> dict[str, set[str]]:
    """Field names of the classes of a module of vLLM, from its source: importing it is slow."""
    assert VLLM is not None
    assert VLLM.submodule_search_locations is not None
    path = Path(VLLM.submodule_search_locations[0], "entrypoints", module, "protocol.py")
    return {
        node.name: {
            item.target.id
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
    }


@pytest.mark.skipif(VLLM is None, reason="vLLM is not installed")
def test_answers_have_the_fields_of_vllms(
    draft: tuple[Url, FastAPI], prm: tuple[Url, FastAPI]
) -> None:
    completions = vllm_fields("openai/completion")
    answer = complete(draft[0])
    del answer["status"]
    assert set(answer) == completions["CompletionResponse"]
    assert set(answer["choices"][0]) == completions["CompletionResponseChoice"]

    engine = vllm_fields("serve/engine")
    assert set(answer["usage"]) == engine["UsageInfo"]
    assert set(answer["usage"]["prompt_tokens_details"]) == engine["PromptTokenUsageInfo"]
    assert set(complete(draft[0], model="nope")["error"]) == engine["ErrorInfo"]
    (card,) = json.loads(call(f"{draft[0]}/v1/models")[1])["data"]
    assert set(card) == engine["ModelCard"]

    classification = vllm_fields("pooling/classify")
    scores = classify(prm[0], input="a")
    del scores["status"]
    assert set(scores) == classification["ClassificationResponse"]
    assert set(scores["data"][0]) == classification["ClassificationData"]

    tokens = json.loads(call(f"{draft[0]}/tokenize", {"prompt": "a"})[1])
    assert set(tokens) == vllm_fields("serve/tokenize")["TokenizeResponse"]
