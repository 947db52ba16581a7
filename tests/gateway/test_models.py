"""What the ids of models stand for: their limits, their thresholds, and the servers they need."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from cluster import Cluster
from gateway.running import CHAT, Running, with_gateway

from rsd.errors import ConfigError
from rsd.gateway.catalog import catalog
from rsd.gateway.openai.jobs import make_job
from rsd.gateway.openai.requests import ChatRequest


def strictly(text: str) -> Any:
    """JSON as a browser reads it: without NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_judge_needs_no_third_server(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        assert set(gateway.gateway.health.up) == {"draft", "target"}

    with_gateway(cluster, test, "models.prm={kind: judge}")


def test_an_id_may_hold_a_slash(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        client = gateway.client()
        (listed,) = [model.id for model in (await client.models.list()).data]
        assert (await client.models.retrieve(listed)).id == listed == "org/rsd"

    with_gateway(cluster, test, "gateway.models={org/rsd: {strategy: rsd}}")


def test_a_limit_of_requests_is_no_default(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async def written(model: str, **options: Any) -> int:
            answer = await gateway.client().chat.completions.create(
                model=model, messages=CHAT, **options
            )
            assert answer.usage is not None
            return answer.usage.completion_tokens

        assert await written("short") == 5
        assert await written("plain") == 7
        assert await written("short", max_tokens=9) == 9

    models = "{short: {strategy: target, max_tokens: 5}, plain: {strategy: target}}"
    with_gateway(
        cluster, test, f"gateway.models={models}", "decoding.max_tokens=7", "gateway.max_tokens=20"
    )


def test_an_endless_threshold_is_told_as_json(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
            listed = await client.get("/v1/models")
            assert listed.status_code == 200
            assert strictly(listed.text)["data"][0]["rsd"]["threshold"] is None
            for stream in (False, True):
                body = {"model": "rsd", "messages": CHAT, "stream": stream}
                body |= {"stream_options": {"include_usage": True}} if stream else {}
                answer = await client.post("/v1/chat/completions", json=body)
                for line in answer.text.splitlines():
                    data = line.removeprefix("data: ")
                    if data and data != "[DONE]":
                        strictly(data)

    with_gateway(cluster, test, "decoding.threshold=.inf")


def test_a_class_that_cannot_be_imported_is_named_with_its_model(cluster: Cluster) -> None:
    config = cluster.config("gateway.models={mine: {strategy: 'no_such_module:Mine'}}")
    message = r"^gateway\.models\.mine\.strategy: cannot import 'no_such_module:Mine': "
    with pytest.raises(ConfigError, match=message):
        catalog(config)


@pytest.mark.parametrize("key", ["threshold_range=[0, .inf]", "drain_s=.inf"])
def test_what_must_be_finite(cluster: Cluster, key: str) -> None:
    with pytest.raises(ConfigError, match="finite"):
        cluster.config(f"gateway.{key}")


def test_the_operators_system_turn_is_for_chats_without_one(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        def prompt(*turns: dict[str, str]) -> str:
            body = ChatRequest.model_validate({"model": "target", "messages": list(turns)})
            return make_job(gateway.gateway, body).requests[0].prompt

        system = {"role": "system", "content": "Be brief."}
        assert prompt(CHAT[0]).startswith("<|im_start|>system\nThink.")
        assert "Think." not in prompt(system, CHAT[0])
        assert "Think." not in prompt({"role": "user", "content": "Hello!"}, system, CHAT[0])

    with_gateway(cluster, test, "gateway.system=Think.")
