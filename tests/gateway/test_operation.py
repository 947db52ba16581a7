"""Keys, limits, queue, deadline, health, metrics, and what happens when clients or servers go."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from cluster import Cluster
from examples import examples
from gateway.running import CHAT, PROMPT, Running, until, with_gateway

from rsd.types import ROLES, Role


def metric(gateway: Running, line: str) -> float:
    """The value of a line of `/metrics`, 0 if it is not there."""
    lines = gateway.gateway.metrics.text().decode().splitlines()
    return next((float(each.split()[-1]) for each in lines if each.startswith(line + " ")), 0.0)


def test_keys_guard_the_api_and_nothing_else(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        for wrong in ("none", "key-on", "key-one2"):
            with pytest.raises(openai.AuthenticationError) as refused:
                await gateway.client(wrong).models.list()
            assert refused.value.code == "invalid_api_key"
        for key in ("key-one", "key-two"):
            await gateway.client(key).chat.completions.create(model="draft", messages=CHAT)
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for path in ("/", "/health", "/health/live", "/metrics"):
                assert (await client.get(path)).status_code == 200
            headers = {"Authorization": "Basic key-one"}
            assert (await client.get("/v1/models", headers=headers)).status_code == 401

    with_gateway(cluster, test, keys=("key-one", "key-two"))


def test_without_keys_a_foreign_name_is_refused(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        port = gateway.url.rpartition(":")[2]
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for host, status in (
                (f"127.0.0.1:{port}", 200),
                (f"localhost:{port}", 200),
                (f"[::1]:{port}", 200),
                (f"attacker.example:{port}", 403),
                ("127.0.0.1.attacker.example", 403),
                ("[", 403),
            ):
                answer = await client.get("/v1/models", headers={"Host": host})
                assert answer.status_code == status, host

    with_gateway(cluster, test)


def test_a_full_queue_refuses_and_says_when_to_come_back(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("draft").latency_s = 60
        client = gateway.client()
        waiting = [
            asyncio.create_task(client.chat.completions.create(model="draft", messages=CHAT))
            for _ in range(3)
        ]
        await until(lambda: metric(gateway, "rsd_gateway_waiting") == 1)
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(model="draft", messages=CHAT, stream=True)
        assert refused.value.code == "queue_full"
        assert int(refused.value.response.headers["retry-after"]) >= 1
        assert metric(gateway, "rsd_gateway_running") == 2
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await gateway.settled()
        assert metric(gateway, "rsd_gateway_waiting") == 0
        assert metric(gateway, "rsd_gateway_running") == 0

    with_gateway(cluster, test, "gateway.concurrency=2", "gateway.queue=1")


@pytest.mark.parametrize("stream", [False, True])
def test_the_deadline_ends_the_work(cluster: Cluster, stream: bool) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").latency_s = 60
        with pytest.raises(openai.InternalServerError) as late:
            await gateway.client().completions.create(model="target", prompt=PROMPT, stream=stream)
        assert late.value.status_code == 504
        await gateway.settled()
        await until(lambda: cluster.apps["target"].state.cancelled == 1)

    with_gateway(cluster, test, "gateway.deadline_s=0.3")


def test_a_failure_after_the_first_step_is_an_event(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        cluster.faults("target").status = 500
        cluster.faults("target").matching = "= 30 pens."
        text = ""

        async def read() -> None:
            nonlocal text
            async for chunk in await gateway.client().completions.create(
                model="target", prompt=PROMPT, stream=True
            ):
                text += chunk.choices[0].text

        with pytest.raises(openai.APIError, match="target server is down") as raised:
            await read()
        assert isinstance(raised.value.body, dict)
        assert raised.value.body["status"] == 503
        assert text == "She has 10 + 20 = 30 pens."

    with_gateway(cluster, test)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_work(cluster: Cluster, stream: bool) -> None:
    async def test(gateway: Running) -> None:
        for role in ("draft", "prm"):
            cluster.faults(role).latency_s = 60
            asking = asyncio.create_task(
                gateway.client().chat.completions.create(model="rsd", messages=CHAT, stream=stream)
            )
            state = cluster.apps[role].state
            await until(lambda state=state: state.engine.counters.running == 1)
            asking.cancel()
            await gateway.settled()
            await until(lambda state=state: state.cancelled == 1)  # it hears of it a moment later
            cluster.faults(role).latency_s = 0
        assert metric(gateway, "rsd_gateway_cancelled_total") == 2

    with_gateway(cluster, test)


def test_many_requests_of_which_half_are_hung_up(cluster: Cluster) -> None:
    """Afterwards nothing is in work at any server, and no task is left."""
    requests = examples(200)
    chance = random.Random(5)

    async def one(gateway: Running, client: openai.AsyncOpenAI, leaves: bool) -> str:
        request: dict[str, Any] = {"model": "rsd", "messages": CHAT, "seed": chance.randrange(99)}
        stream = chance.random() < 0.5
        asking = asyncio.create_task(_read(client, request, stream))
        if leaves:
            await asyncio.sleep(chance.random() * 0.5)
            asking.cancel()
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    async def _read(client: openai.AsyncOpenAI, request: dict[str, Any], stream: bool) -> str:
        if not stream:
            answer = await client.chat.completions.create(**request)
            return answer.choices[0].message.content or ""
        async with await client.chat.completions.create(**request, stream=True) as chunks:
            return "".join([c.choices[0].delta.content or "" async for c in chunks])

    async def test(gateway: Running) -> None:
        for role in ("draft", "target", "prm"):
            cluster.faults(role).latency_s = 0.03
        async with gateway.client(timeout=300) as client:
            expected = await _read(client, {"model": "rsd", "messages": CHAT}, False)
            tasks = len(asyncio.all_tasks())
            outcomes = await asyncio.gather(
                *(one(gateway, client, number % 2 == 0) for number in range(requests))
            )
        await gateway.settled()
        assert gateway.in_work() == 0
        assert set(outcomes[1::2]) == {expected}
        left = [each for each in outcomes[::2] if isinstance(each, asyncio.CancelledError)]
        assert len(left) > requests // 8
        assert metric(gateway, "rsd_gateway_running") == 0
        await until(lambda: len(asyncio.all_tasks()) <= tasks)

    with_gateway(cluster, test, "gateway.queue=500")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["target", "draft"])
def test_a_lost_reward_model_is_done_without_and_said(
    cluster: Cluster, mode: str, stream: bool
) -> None:
    """It is lost after the first step: the rest is written by one model alone."""

    async def test(gateway: Running) -> None:
        client = gateway.client()
        expected = await client.chat.completions.create(model=mode, messages=CHAT)
        cluster.faults("prm").status = 500
        cluster.faults("prm").matching = "30 - 5"
        request: dict[str, Any] = {
            "model": "rsd",
            "messages": CHAT,
            "extra_body": {"rsd": {"threshold": 0.0, "include_steps": True}},
        }
        if stream:
            chunks = [
                chunk.choices[0].model_dump()
                async for chunk in await client.chat.completions.create(**request, stream=True)
            ]
            text = "".join(chunk["delta"].get("content") or "" for chunk in chunks)
            report = chunks[-1]["rsd"]
        else:
            choice = (await client.chat.completions.create(**request)).choices[0].model_dump()
            text, report = choice["message"]["content"], choice["rsd"]
        assert report["degraded"] == [{"lost": "prm", "mode": mode, "from_step": 1}]
        kept = [step for step in report["steps"] if step["accepted"]]
        assert [step["index"] for step in kept] == [0, 1, 2]
        assert [step["source"] for step in kept] == ["draft", mode, mode]
        lost = next(step for step in report["steps"] if not step["accepted"])  # no reward for it
        assert (lost["index"], lost["source"], lost["reward"]) == (1, "draft", None)
        assert report["tokens"]["draft"]["completion_tokens"] == sum(
            step["tokens"] for step in report["steps"] if step["source"] == "draft"
        )
        assert text.split("\n\n")[0] == expected.choices[0].message.content.split("\n\n")[0]
        assert "\\boxed{" in text
        line = f'rsd_gateway_degraded_total{{lost="prm",mode="{mode}"}}'
        assert metric(gateway, line) == 1
        assert metric(gateway, 'rsd_gateway_upstream_errors_total{role="prm"}') == 1

    with_gateway(cluster, test, f"gateway.on_prm_loss={mode}")


def test_which_losses_are_errors(cluster: Cluster) -> None:
    async def refused(gateway: Running, model: str) -> int:
        try:
            await gateway.client().chat.completions.create(model=model, messages=CHAT)
        except openai.APIStatusError as error:
            return error.status_code
        return 200

    async def test(gateway: Running) -> None:
        cluster.faults("prm").status = 500
        assert await refused(gateway, "rsd") == 503
        assert await refused(gateway, "draft") == 200
        cluster.faults("prm").status = None
        cluster.faults("draft").status = 500
        assert await refused(gateway, "rsd") == 200
        assert await refused(gateway, "draft") == 503
        cluster.faults("target").status = 500
        assert await refused(gateway, "rsd") == 503

    with_gateway(cluster, test, "gateway.on_prm_loss=error")


def open_breaker(gateway: Running, role: Role) -> None:
    """The server of `role` is found lost."""
    gateway.gateway._backends.breakers[role].trip("lost")


def test_health_follows_the_servers(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            ready = (await client.get("/health")).json()
            assert ready["status"] == "ready"
            assert ready["servers"] == {"draft": "up", "target": "up", "prm": "up"}
            open_breaker(gateway, "prm")
            models = (await client.get("/health/ready")).json()["models"]
            assert (models["rsd"], models["target"]) == ("degraded", "ok")
            answer = await gateway.client().chat.completions.create(model="rsd", messages=CHAT)
            assert answer.model_dump()["rsd"]["degraded"][0]["from_step"] == 0
            assert "prm" not in answer.model_dump()["rsd"]["tokens"]
            await gateway.gateway.health.probe()
            assert (await client.get("/health")).json()["models"]["rsd"] == "ok"
            for role in ROLES:
                open_breaker(gateway, role)
            assert (await client.get("/health/ready")).status_code == 503
            assert (await client.get("/health/live")).status_code == 200

    with_gateway(cluster, test, "gateway.health_interval_s=100")


def test_metrics_count_what_was_answered(cluster: Cluster) -> None:
    async def test(gateway: Running) -> None:
        answer = await gateway.client().chat.completions.create(
            model="rsd", messages=CHAT, extra_body={"rsd": {"threshold": 1.0}}
        )
        steps = len(answer.choices[0].model_dump()["rsd"]["steps"])
        answered = 'rsd_gateway_requests_total{model="rsd",status="200"}'
        await until(lambda: metric(gateway, answered) == 1)  # counted after it is sent
        name = "rsd_gateway_steps_total"
        assert metric(gateway, f'{name}{{source="draft",verdict="rejected"}}') == steps
        assert metric(gateway, f'{name}{{source="target",verdict="accepted"}}') == steps
        assert metric(gateway, "rsd_gateway_reward_count") == steps
        assert metric(gateway, 'rsd_gateway_stage_seconds_count{role="prm"}') == steps
        assert metric(gateway, "rsd_gateway_first_step_seconds_count") == 1
        assert metric(gateway, 'rsd_gateway_upstream_up{role="target"}') == 1

    with_gateway(cluster, test)


def test_requests_have_ids_and_the_log_no_prompts(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(gateway: Running) -> None:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            body = {"model": "draft", "messages": [{"role": "user", "content": "secret words"}]}
            for given, kept in (("my-id.1", True), ("bad id!", False)):
                answer = await client.post(
                    "/v1/chat/completions", json=body, headers={"X-Request-Id": given}
                )
                assert (answer.headers["x-request-id"] == given) == kept

    caplog.set_level(logging.INFO, "rsd.gateway")
    with_gateway(cluster, test)
    assert "POST /v1/chat/completions 200" in caplog.text
    assert "my-id.1" in caplog.text
    assert "secret" not in caplog.text
    with_gateway(cluster, test, "gateway.log_prompts=true")
    assert "secret words" in caplog.text


def test_sigterm_finishes_the_work_and_ends(cluster: Cluster, tmp_path: Path) -> None:
    """The command itself: it refuses to be reachable without keys, and drains."""
    tokenizer = json.loads((tmp_path / "tokenizer" / "tokenizer_config.json").read_text())
    tokenizer["chat_template"] = "{{ messages[-1]['content'] }}\n\n"
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    command = [sys.executable, "-m", "rsd", "gateway", str(cluster.path), "--port", "0"]
    command += ["-o", "decoding.top_p=0.9", "-o", "decoding.threshold=7"]
    environment = {k: v for k, v in os.environ.items() if k != "RSD_GATEWAY_KEYS"}
    open_to_all = subprocess.run(
        [*command, "--host", "0.0.0.0"], env=environment, capture_output=True, text=True
    )
    assert open_to_all.returncode == 2
    assert "RSD_GATEWAY_KEYS" in open_to_all.stderr
    with (
        (tmp_path / "told").open("w") as told,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=told, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            doubt, *_ = (tmp_path / "told").read_text().splitlines()
            assert doubt.startswith(
                "rsd: settings: decoding.threshold: rewards lie between 0 and 1"
            )
            assert doubt.endswith("; correct it, or write .inf if that is meant")
            url = line.split()[2]
            cluster.faults("target").latency_s = 0.5
            body = {"model": "target", "messages": CHAT, "stream": True}
            with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=60) as answer:
                events = answer.iter_lines()
                first = next(events)
                process.send_signal(signal.SIGTERM)
                rest = list(events)
            assert "assistant" in first
            assert rest[-2:] == ["data: [DONE]", ""] or "data: [DONE]" in rest
            assert process.wait(60) == 0
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{url}/models")
        finally:
            process.kill()
