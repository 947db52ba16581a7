"""Roles with two replicas behind the real vllm-router."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from cluster import PROBLEMS, Cluster
from fastapi import FastAPI
from gateway.running import CHAT, running

from rsd.config import Config
from rsd.config.models import STRIDE
from rsd.records import RunRecord, read_run
from rsd.runs import examine, execute
from rsd.runs.preflight.checks import PreflightCheck
from rsd.serving import build
from rsd.testing.fake_vllm import create_app
from rsd.testing.server import live_in_thread
from rsd.types import Role

pytest.importorskip("vllm_router")
PATIENCE_S = 120
_QUESTION_TOKENS = 40


@dataclass
class Replicas:
    """Two fake servers of `role` behind a router; `stop` closes one of them."""

    apps: list[FastAPI]
    override: list[str]
    exits: list[ExitStack] = field(default_factory=list)

    def stop(self, place: int) -> None:
        self.exits[place].close()

    def problems(self, place: int) -> list[str]:
        """What tells the problems apart of which the replica was asked for steps or rewards: their
        sessions, which the router passes on with completions only, or the beginning of the input.
        """
        found = []
        for request in self.apps[place].state.requests:
            if request.path == "/v1/completions":
                found.append(str(request.session))
            elif request.path == "/classify":
                found += [str(ids[:_QUESTION_TOKENS]) for ids in request.body["input"]]
        return found


@contextmanager
def routed(cluster: Cluster, role: Role, free_port: int) -> Iterator[Replicas]:
    """Two more servers of `role`, and a router before them at `free_port`."""
    model = cluster.config().models.role(role)
    url = f"http://127.0.0.1:{free_port}/v1"
    override = [f"models.{role}.endpoint={url}", f"models.{role}.replicas=2"]
    found = Replicas([], override)
    with ExitStack() as stack:
        for number in (1, 2):
            behavior = cluster.apps[role].state.engine.behavior
            app = create_app(behavior, served_name=role, root=model.model)
            found.exits.append(stack.enter_context(ExitStack()))
            found.exits[-1].enter_context(live_in_thread(app, free_port + STRIDE * number))
            found.apps.append(app)
        command = build(cluster.config(*override), role)
        process = subprocess.Popen(
            command.argv, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        wait_until_ready(url)
        yield found


def wait_until_ready(url: str) -> None:
    import httpx

    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/models").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("the router does not answer")


@pytest.fixture
def port() -> int:
    """A port with room above it for the replicas and the router's metrics."""
    import socket

    for candidate in range(21000, 40000, 7):
        ports = [candidate + STRIDE * number for number in range(4)]
        try:
            for each in ports:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return candidate
    raise AssertionError("no free ports")


def run(cluster: Cluster, *overrides: str) -> RunRecord:
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    assert outcome.failed == 0
    return read_run(outcome.directory)


def steps(record: RunRecord) -> dict[object, list[tuple[object, ...]]]:
    return {
        key: [(step.source, step.text, step.reward, step.accepted) for step in trajectory.steps]
        for key, trajectory in record.trajectories.items()
    }


def checks(config: Config) -> dict[str, PreflightCheck]:
    async def collect() -> dict[str, PreflightCheck]:
        return {check.name: check async for check in examine(config)}

    return asyncio.run(collect())


@pytest.mark.parametrize("role", ["draft", "prm"])
def test_a_problem_stays_at_one_replica_and_answers_do_not_depend_on_it(
    cluster: Cluster, port: int, role: Role
) -> None:
    alone = run(cluster, f"run.output_dir={cluster.path.parent / 'alone'}")
    with routed(cluster, role, port) as replicas:
        assert {check.status for check in checks(cluster.config(*replicas.override)).values()} == {
            "ok"
        }
        checked = {name for place in (0, 1) for name in replicas.problems(place)}
        record = run(cluster, *replicas.override)
        assert steps(record) == steps(alone)
        first, second = (set(replicas.problems(place)) - checked for place in (0, 1))
    assert len(first | second) == PROBLEMS
    assert not first & second  # prefixes stay cached
    assert first
    assert second
    served = record.manifest.models[role]
    assert (served.replicas, record.manifest.digest) == (2, alone.manifest.digest)
    assert record.manifest.sessions[-1].served[role].read > 0  # of both, by their own counters


def test_a_killed_replica_loses_no_problem_and_one_that_is_back_is_used(
    cluster: Cluster, port: int
) -> None:
    alone = run(cluster, f"run.output_dir={cluster.path.parent / 'alone'}")
    with routed(cluster, "draft", port) as replicas:
        for faults in (*(app.state.faults for app in replicas.apps), cluster.faults("prm")):
            faults.latency_s = 0.05

        def close() -> None:
            while len(replicas.problems(1)) < 4:  # of its problems some are begun, none is done
                time.sleep(0.01)
            replicas.stop(1)

        closing = threading.Thread(target=close)
        closing.start()
        record = run(cluster, *replicas.override)
        closing.join()
        assert steps(record) == steps(alone)
        assert len(record.trajectories) == PROBLEMS

        app = create_app(
            cluster.apps["draft"].state.engine.behavior,
            served_name="draft",
            root=cluster.config().models.draft.model,
        )
        with live_in_thread(app, port + 2 * STRIDE):
            time.sleep(3)  # the router looks once a second
            again = run(
                cluster, *replicas.override, f"run.output_dir={cluster.path.parent / 'again'}"
            )
            assert any(request.path == "/v1/completions" for request in app.state.requests)
    assert steps(again) == steps(alone)


def test_the_gateway_does_without_one_replica_but_not_without_both(
    cluster: Cluster, port: int
) -> None:
    async def health(gateway: Any) -> str:
        await gateway.gateway.health.probe()
        return str(gateway.gateway.health.states["draft"])

    async def main(replicas: Replicas) -> None:
        async with running(cluster, *replicas.override, "gateway.health_interval_s=100") as gateway:
            client = gateway.client()
            whole = await client.chat.completions.create(model="rsd", messages=CHAT)
            await asyncio.to_thread(replicas.stop, 0)
            await asyncio.sleep(3)
            assert await health(gateway) == "up"
            answer = await client.chat.completions.create(model="rsd", messages=CHAT)
            assert answer.choices[0].message == whole.choices[0].message
            assert not answer.model_dump()["rsd"].get("degraded")
            await asyncio.to_thread(replicas.stop, 1)
            await asyncio.sleep(3)
            assert await health(gateway) == "down"

    with routed(cluster, "draft", port) as replicas:
        asyncio.run(main(replicas))
