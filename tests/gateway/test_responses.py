"""`/v1/responses` as OpenAI's own client sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from cluster import Cluster
from gateway.running import CHAT, QUESTION, Running, until, with_gateway

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
