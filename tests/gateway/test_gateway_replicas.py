"""A gateway over a role that has two servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
from cluster import Cluster
from gateway.running import CHAT, Running, running
from gateway.test_operation import metric
from openai.types.chat import ChatCompletion


async def health(gateway: Running) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        answer: dict[str, Any] = (await client.get("/health")).json()
    return answer


async def ask(gateway: Running) -> ChatCompletion:
    return await gateway.client().chat.completions.create(model="rsd", messages=CHAT)


def test_an_answer_stays_at_one_replica_and_answers_are_shared_out(cluster: Cluster) -> None:
    async def main(override: str) -> None:
        async with running(cluster, override) as gateway:
            await asyncio.gather(*(ask(gateway) for _ in range(6)))

    with cluster.replica("prm") as (other, override):
        asyncio.run(main(override))
        scores = [
            sum(len(it.body["input"]) for it in app.state.requests if it.path == "/classify")
            for app in (cluster.apps["prm"], other)
        ]
    assert scores[0] == scores[1] > 0


def test_a_role_is_up_while_one_of_its_servers_is(cluster: Cluster) -> None:
    async def main(override: str, close: Callable[[], None]) -> None:
        async with running(cluster, override, "gateway.health_interval_s=100") as gateway:
            whole = await ask(gateway)
            up = {"draft": ["up", "up"], "target": ["up"], "prm": ["up"]}
            assert (await health(gateway))["replicas"] == up
            await asyncio.to_thread(close)
            await gateway.gateway.health.probe()
            seen = await health(gateway)
            assert seen["servers"] == {"draft": "up", "target": "up", "prm": "up"}
            assert seen["replicas"] == up | {"draft": ["up", "down"]}
            assert seen["models"]["rsd"] == "ok"
            assert metric(gateway, 'rsd_gateway_upstream_up{role="draft"}') == 1
            assert metric(gateway, 'rsd_gateway_upstream_replicas_up{role="draft"}') == 1
            for answer in await asyncio.gather(*(ask(gateway) for _ in range(2))):
                assert answer.choices[0].message == whole.choices[0].message
                assert not answer.model_dump()["rsd"].get("degraded")

    with ExitStack() as stack:
        _, override = stack.enter_context(cluster.replica("draft"))
        asyncio.run(main(override, stack.close))
