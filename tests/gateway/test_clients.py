"""The fields that clients send, limits, load generators, usage in streams, and keep-alives."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest
from cluster import Cluster
from gateway.running import CHAT, PROMPT, QUESTION, Running, with_gateway

CHAT_PATH = "/v1/chat/completions"
ROUTES: dict[str, dict[str, Any]] = {
    CHAT_PATH: {"model": "target", "messages": CHAT},
    "/v1/completions": {"model": "target", "prompt": PROMPT},
    "/v1/responses": {"model": "target", "input": QUESTION},
}


async def post(gateway: Running, path: str, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        return await client.post(path, json=body)


IGNORED: dict[str, Any] = {
    "user": "someone", "verbosity": "low", "cache_salt": "x", "store": True, "seed": None,
    "service_tier": "auto", "metadata": {"a": "b"}, "prompt_cache_key": "x", "logprobs": None,
    "parallel_tool_calls": True, "reasoning_effort": "low", "chat_template_kwargs": {},
    "bad_words": [], "top_k": -1, "min_p": 0.0, "ignore_eos": False, "stop_token_ids": [],
    "frequency_penalty": 0, "presence_penalty": 0.0, "repetition_penalty": 1.0, "logit_bias": {},
    "response_format": {"type": "text"}, "n": None, "stop": None, "max_tokens": None,
    "stream": None, "tools": [{"type": "function"}], "tool_choice": "none",
}  # fmt: skip
IGNORED_AT: dict[str, dict[str, Any]] = {
    CHAT_PATH: {"add_special_tokens": False},
    "/v1/completions": {"add_special_tokens": True, "echo": False},
    "/v1/responses": {
        "reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "include": [],
        "truncation": "auto", "background": False, "previous_response_id": None,
    },
}  # fmt: skip


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    if "output" in body:
        return str(body["output"][0]["content"][0]["text"])
    (choice,) = body["choices"]
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


@pytest.mark.parametrize("path", ROUTES)
def test_fields_that_cannot_change_the_answer_are_ignored(cluster: Cluster, path: str) -> None:
    async def test(gateway: Running) -> None:
        plain = await post(gateway, path, ROUTES[path])
        full = await post(gateway, path, ROUTES[path] | IGNORED | IGNORED_AT[path])
        assert text_of(plain) == text_of(full)
        assert plain.json()["usage"] == full.json()["usage"]

    with_gateway(cluster, test)


IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    (path, change, param, words)
    for path in ROUTES
    for change, param, words in [
        ({"top_k": 20}, "top_k", "top_k is not supported"),
        ({"min_p": 0.1}, "min_p", "min_p is not supported"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs", "chat_template_kwargs is not"),
        ({"tools": [{"type": "function"}]}, "tools", "call no tools"),
        ({"tool_choice": "required"}, "tool_choice", "no tool can be forced"),
        ({"temprature": 1}, "temprature", "did you mean temperature?"),
        ({"stop": ["x"] * 17}, "stop", "at most 16 stop strings; 17 were sent"),
        ({"stop": 5}, "stop", "a string or a list of strings"),
    ]
] + [
    (CHAT_PATH, {"messages": [{"role": "user", "content": [IMAGE]}]}, "messages.0.content.0.type",
     "image_url is not supported"),
    (CHAT_PATH, {"stream": True, "stream_options": {"include_usag": True}},
     "stream_options.include_usag", "unknown option"),
    (CHAT_PATH, {"max_completion_tokens": 0}, "max_completion_tokens", "greater than or equal"),
    ("/v1/responses", {"max_output_tokens": 0}, "max_output_tokens", "greater than or equal"),
    ("/v1/responses", {"previous_response_id": "x"}, "previous_response_id", "not stored"),
    ("/v1/responses", {"conversation": "x"}, "conversation", "not stored"),
    ("/v1/responses", {"background": True}, "background", "not stored"),
    ("/v1/responses", {"text": {"format": {"type": "json_object"}}}, "text.format", "text.format"),
    ("/v1/responses", {"include": ["message.output_text.logprobs"]}, "include", "include is not"),
    ("/v1/responses", {"input": [{"type": "function_call_output"}]}, "input.0.type",
     "items of type message"),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
     "input.0.content.0.type", "input_image is not supported"),
    ("/v1/responses", {"input": [{"role": "system", "content": "x"}]}, "input", "no user turn"),
]  # fmt: skip


def test_other_fields_are_refused_by_name_and_the_log_says_why(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rsd.gateway")

    async def test(gateway: Running) -> None:
        for path, change, param, words in REFUSED:
            caplog.clear()
            answer = await post(gateway, path, ROUTES[path] | change)
            error = answer.json()["error"]
            assert answer.status_code == 400, (path, change, error)
            assert error["param"] == param, (path, change, error)
            assert words in error["message"], (path, change, error)
            assert error["message"] in caplog.text
            assert QUESTION not in caplog.text

    with_gateway(cluster, test)


def test_the_log_repeats_no_part_of_a_prompt(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A chat template may quote what it refuses."""
    caplog.set_level(logging.INFO, "rsd.gateway")

    async def test(gateway: Running) -> None:
        def refuse(turns: Any, **options: Any) -> str:
            raise ValueError(f"cannot render {turns}")

        gateway.gateway.chat._tokenizer.apply_chat_template = refuse
        answer = await post(gateway, CHAT_PATH, ROUTES[CHAT_PATH])
        assert QUESTION in answer.json()["error"]["message"]
        assert "chat template refuses these turns" in caplog.text
        assert QUESTION not in caplog.text

    with_gateway(cluster, test)


def test_a_limit_above_the_operators_is_lowered_to_it(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        for limit in ("max_tokens", "max_completion_tokens"):
            options: dict[str, Any] = {limit: 10**6}
            chat = await client.chat.completions.create(model="target", messages=CHAT, **options)
            assert chat.choices[0].finish_reason == "length"
            assert chat.usage is not None
            assert chat.usage.completion_tokens == 9
        text = await client.completions.create(model="target", prompt=PROMPT, max_tokens=10**6)
        assert text.choices[0].finish_reason == "length"
        response = await client.responses.create(
            model="target", input=QUESTION, max_output_tokens=10**6
        )
        assert response.status == "incomplete"
        assert response.usage is not None
        assert response.usage.output_tokens == 9

    with_gateway(cluster, test, "gateway.max_tokens=9")


def test_a_limit_above_the_context_is_lowered_to_what_it_has_room_for(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        answer = await gateway.client().chat.completions.create(
            model="target", messages=CHAT, max_tokens=10**6, extra_body={"ignore_eos": True}
        )
        (listed,) = [
            each.model_dump()["max_model_len"]
            for each in (await gateway.client().models.list()).data
            if each.id == "target"
        ]
        assert answer.choices[0].finish_reason == "length"
        assert answer.usage is not None
        assert answer.usage.total_tokens == listed

    with_gateway(cluster, test, "decoding.max_tokens=1000000")


@pytest.mark.parametrize("model", ["rsd", "draft", "target"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_load_generator_gets_as_many_tokens_as_it_asks_for(
    cluster: Cluster, model: str, stream: bool
) -> None:
    async def test(gateway: Running) -> None:
        for limit in (7, 150, 500):
            request: dict[str, Any] = {"model": model, "messages": CHAT, "max_tokens": limit}
            request |= {"extra_body": {"ignore_eos": True}}
            client = gateway.client()
            if stream:
                options = {"include_usage": True}
                *_, last = [
                    chunk
                    async for chunk in await client.chat.completions.create(
                        **request, stream=True, stream_options=options
                    )
                ]
                usage = last.usage
            else:
                usage = (await client.chat.completions.create(**request)).usage
            assert usage.completion_tokens == limit

    with_gateway(cluster, test)


def test_a_template_that_reads_the_reasoning_effort_gets_it(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        tokenizer = gateway.gateway.chat._tokenizer
        tokenizer.chat_template += "{% if reasoning_effort %}[{{ reasoning_effort }}]{% endif %}"
        client = gateway.client()
        await client.chat.completions.create(
            model="target", messages=CHAT, reasoning_effort="high", max_tokens=3
        )
        await client.responses.create(
            model="target", input=QUESTION, reasoning={"effort": "low"}, max_output_tokens=3
        )
        requests = cluster.apps["target"].state.requests
        prompts = [str(each.body["prompt"]) for each in requests if "max_tokens" in each.body]
        assert [prompt[-6:] for prompt in prompts[-2:]] == ["[high]", "\n[low]"]

    with_gateway(cluster, test)


def test_running_usage_in_a_stream(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        options = {"include_usage": True, "continuous_usage_stats": True}
        chunks = [
            chunk
            async for chunk in await gateway.client().chat.completions.create(
                model="rsd", messages=CHAT, stream=True, stream_options=options
            )
        ]
        usages = [chunk.usage for chunk in chunks]
        assert None not in usages
        counts = [usage.completion_tokens for usage in usages]
        assert counts == sorted(counts)
        assert counts[0] < counts[1] < counts[-1]
        assert {usage.prompt_tokens for usage in usages} == {usages[-1].prompt_tokens}

    with_gateway(cluster, test)


@pytest.mark.parametrize("path", ROUTES)
def test_comments_while_nothing_can_be_sent(cluster: Cluster, path: str) -> None:
    """Also in the queue; SDKs skip them, and a failure after one is an event."""

    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 60
        body = ROUTES[path] | {"stream": True}
        async with (
            httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
            client.stream("POST", path, json=body) as working,
            client.stream("POST", path, json=body) as waiting,
        ):
            for answer in (working, waiting):
                assert answer.status_code == 200
                assert await anext(answer.aiter_lines()) == ": keep-alive"
        await gateway.settled()
        cluster.faults("target").latency_s = 0.2
        text = ""
        if path == CHAT_PATH:
            async for chunk in await gateway.client().chat.completions.create(
                model="target", messages=CHAT, stream=True
            ):
                text += chunk.choices[0].delta.content or ""
            assert "\\boxed{25}" in text
        cluster.faults("target").status = 500
        failed = await post(gateway, path, body)
        assert failed.status_code == 200
        (event,) = [line for line in failed.text.splitlines() if line.startswith("data: {")]
        assert json.loads(event.removeprefix("data: "))["error"]["status"] == 503

    with_gateway(cluster, test, "gateway.keep_alive_s=0.05", "gateway.concurrency=1")
