"""What clients do beside asking: their usual fields, browsers' preflights, probes, load tests."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

import httpx
import openai
import pytest
from cluster import Cluster
from gateway.running import CHAT, PROMPT, QUESTION, Running, until, with_gateway

CHAT_PATH = "/v1/chat/completions"
ROUTES: dict[str, dict[str, Any]] = {
    CHAT_PATH: {"model": "target", "messages": CHAT},
    "/v1/completions": {"model": "target", "prompt": PROMPT},
    "/v1/responses": {"model": "target", "input": QUESTION},
}


async def post(gateway: Running, path: str, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("path", ROUTES)
def test_fields_that_cannot_change_the_answer_are_ignored(cluster: Cluster, path: str) -> None:
    fields: dict[str, Any] = {
        "user": "someone", "verbosity": "low", "cache_salt": "x", "store": True,
        "metadata": {"a": "b"}, "prompt_cache_key": "x", "parallel_tool_calls": True,
        "reasoning_effort": "low", "chat_template_kwargs": {}, "bad_words": [], "top_k": -1,
        "min_p": 0.0, "ignore_eos": False, "stop_token_ids": [],
        "tools": [{"type": "function"}], "tool_choice": "none",
    }  # fmt: skip
    if path == "/v1/completions":
        fields |= {"add_special_tokens": True}
        del fields["reasoning_effort"]
    if path == CHAT_PATH:
        fields |= {"add_special_tokens": False}
    if path == "/v1/responses":
        fields |= {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "include": []}
        fields |= {"truncation": "auto", "background": False, "previous_response_id": None}
        del fields["reasoning_effort"]

    async def test(gateway: Running) -> None:
        plain, full = [await post(gateway, path, ROUTES[path] | more) for more in ({}, fields)]
        assert full.status_code == 200, full.text
        for key in ("choices", "output"):
            texts = [str(each.json().get(key)) for each in (plain, full)]
            assert [text.count("boxed") for text in texts] in ([1, 1], [0, 0])
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


ORIGIN = "http://localhost:3000"


@pytest.mark.parametrize("keys", [(), ("key",)])
def test_pages_of_allowed_origins_may_ask(cluster: Cluster, keys: tuple[str, ...]) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            asked = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
            }
            preflight = await client.options(CHAT_PATH, headers={"Origin": ORIGIN} | asked)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == ORIGIN
            assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
            foreign = await client.options(CHAT_PATH, headers={"Origin": "http://evil"} | asked)
            assert foreign.status_code == 400
            assert "access-control-allow-origin" not in foreign.headers
            key = {"Authorization": "Bearer key"}
            answer = await client.post(
                CHAT_PATH, json=ROUTES[CHAT_PATH], headers={"Origin": ORIGIN} | key
            )
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            refused = await client.get("/v1/models", headers={"Origin": ORIGIN})
            assert refused.status_code == (401 if keys else 200)
            assert refused.headers["access-control-allow-origin"] == ORIGIN

    with_gateway(cluster, test, f"gateway.allowed_origins=[{ORIGIN}]", keys=keys)


def test_without_allowed_origins_no_page_may_ask(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
            answer = await client.options(CHAT_PATH, headers=headers)
            assert answer.status_code == 405
            assert "gateway.allowed_origins" in answer.json()["error"]["message"]
            assert "access-control-allow-origin" not in answer.headers

    with_gateway(cluster, test)


def test_head_is_answered_where_get_is(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for path in ("/", "/health", "/health/live", "/metrics", "/v1/models"):
                head, get = await client.head(path), await client.get(path)
                assert (head.status_code, head.content) == (get.status_code, b"")
                assert head.headers["content-type"] == get.headers["content-type"]
            assert (await client.head("/v1/models/none")).status_code == 404
            assert (await client.head(CHAT_PATH)).status_code == 405
            assert (await client.get("/health/live")).json() == {"status": "live"}

    with_gateway(cluster, test)


def test_models_are_described_as_vllm_describes_them(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cards = (await gateway.client().models.list()).data
        context = min(app.state.engine.max_model_len for app in cluster.apps.values())
        for card in cards:
            assert card.owned_by == "rsd"
            assert 0 <= time.time() - card.created < 600
            assert card.model_dump()["max_model_len"] == context

    with_gateway(cluster, test)


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("POST", "/v1/messages", "/v1/chat/completions"),
        ("POST", "/v1/embeddings", "embedding model"),
        ("POST", "/v1/audio/speech", "/v1/chat/completions"),
        ("GET", "/v1/responses/resp_1", "/v1/responses"),
        ("GET", "/v1/files", "/v1/chat/completions"),
        ("POST", "/v1/no/such/thing", "/v1/models"),
    ],
)
def test_other_routes_say_what_to_call(
    cluster: Cluster, method: str, path: str, instead: str
) -> None:
    """And not by a 404, for which proxies stop using the whole model."""

    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            answer = await client.request(method, path, json={"model": "rsd"})
        error = answer.json()["error"]
        assert answer.status_code == 400
        assert error["code"] == "unsupported_endpoint"
        assert f"{method} {path} is not served here" in error["message"]
        assert instead in error["message"]

    with_gateway(cluster, test)


TURNS: list[Any] = [
    {"role": "user", "content": "Hello!"},
    {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
     "content": [{"type": "output_text", "text": "Good day.", "annotations": []}]},
    {"role": "user", "content": [{"type": "input_text", "text": QUESTION}]},
]  # fmt: skip


@pytest.mark.parametrize("model", ["rsd", "bon-8"])
def test_a_response_and_its_stream(cluster: Cluster, model: str) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        request: dict[str, Any] = {"model": model, "input": QUESTION, "extra_body": {"seed": 7}}
        whole = await client.responses.create(**request)
        chat = await client.chat.completions.create(model=model, messages=CHAT, seed=7)
        assert whole.output_text == chat.choices[0].message.content
        assert (whole.status, whole.object, whole.model) == ("completed", "response", model)
        assert whole.usage is not None
        assert chat.usage is not None
        assert whole.usage.input_tokens == chat.usage.prompt_tokens
        assert whole.usage.output_tokens == chat.usage.completion_tokens
        assert whole.model_dump()["rsd"]["strategy"] == chat.model_dump()["rsd"]["strategy"]

        events = [event async for event in await client.responses.create(**request, stream=True)]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        kinds = list(dict.fromkeys(event.type for event in events))
        assert kinds == [
            "response.created", "response.in_progress", "response.output_item.added",
            "response.content_part.added", "response.output_text.delta",
            "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "response.completed",
        ]  # fmt: skip
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert "".join(deltas) == whole.output_text
        last = events[-1]
        assert last.type == "response.completed"
        assert last.response.output_text == whole.output_text
        assert last.response.usage == whole.usage
        async with client.responses.stream(**request) as stream:
            final = await stream.get_final_response()
        assert final.output_text == whole.output_text

    with_gateway(cluster, test)


def test_a_response_reads_instructions_and_earlier_turns(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        await gateway.client().responses.create(
            model="rsd", input=TURNS, instructions="Be brief.", max_output_tokens=40
        )
        requests = cluster.apps["draft"].state.requests
        prompt = next(it.body["prompt"] for it in requests if QUESTION in str(it.body))
        for part in ("system\nBe brief.", "user\nHello!", "assistant\nGood day.", QUESTION):
            assert part in prompt

    with_gateway(cluster, test)


def test_a_response_that_fails_on_the_way_is_an_error_for_the_sdk(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").status = 500
        cluster.faults("target").matching = "= 30 pens."
        text = ""

        async def read() -> None:
            nonlocal text
            async for event in await gateway.client().responses.create(
                model="target", input=QUESTION, stream=True
            ):
                text += event.delta if event.type == "response.output_text.delta" else ""

        with pytest.raises(openai.APIError, match="target server is down"):
            await read()
        assert text == "She has 10 + 20 = 30 pens."
        cluster.faults("target").matching = ""
        with pytest.raises(openai.InternalServerError):
            await gateway.client().responses.create(model="target", input=QUESTION)

    with_gateway(cluster, test)


def test_rejected_steps_of_a_response_are_shown_and_no_text(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        steps, text = [], ""
        async for event in await gateway.client().responses.create(
            model="rsd",
            input=QUESTION,
            stream=True,
            extra_body={"rsd": {"threshold": 1.0, "include_steps": True}},
        ):
            if event.type == "response.output_text.delta":
                about = event.model_dump()["rsd"]["step"]
                steps.append(about)
                text += event.delta
                assert bool(event.delta) == about["accepted"]
        assert {step["accepted"] for step in steps} == {False, True}
        assert text == "\n\n".join(step["text"] for step in steps if step["accepted"])

    with_gateway(cluster, test)


def test_a_client_that_leaves_a_response_stops_the_work(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 60
        asking = asyncio.create_task(
            gateway.client().responses.create(model="target", input=QUESTION, stream=True)
        )
        await until(lambda: gateway.in_work() == 1)
        asking.cancel()
        await gateway.settled()

    with_gateway(cluster, test)
