"""Faults between rsd and the real demo servers."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest
from broken import FAULTS
from fault_proxy import FaultProxy, Schedule
from harness.common import Demo

from rsd.records import RunRecord, read_run
from rsd.runs import execute
from rsd.types import Role

pytestmark = pytest.mark.servers
PROBLEMS = 20
SEEDS: dict[Role, int] = {"draft": 15, "target": 31, "prm": 22}
"""Of schedules at RATE that break one of the first three requests, so that every server fails,
however few it gets: the target has some 17."""
RATE = 0.1


def run(demo: Demo, *overrides: str) -> RunRecord:
    config = demo.config(f"run.limit={PROBLEMS}", *overrides)
    return read_run(asyncio.run(execute(config)).directory)


def answers(record: RunRecord) -> dict[object, object]:
    return {key: (t.error, t.response) for key, t in record.trajectories.items()}


def test_a_run_among_faults_is_the_run_left_alone(demo: Demo) -> None:
    undisturbed = run(demo, "name=undisturbed")
    kinds = [fault for fault in FAULTS if fault not in ("stall", "stalled midway", "trickle")]
    config = demo.config()
    proxies: dict[Role, FaultProxy] = {
        role: FaultProxy(config.models.role(role).endpoint, Schedule(seed, rate=RATE, kinds=kinds))
        for role, seed in SEEDS.items()
    }
    with ExitStack() as stack:
        urls = {role: stack.enter_context(proxy.in_thread()) for role, proxy in proxies.items()}
        endpoints = (f"models.{role}.endpoint={url}/v1" for role, url in urls.items())
        disturbed = run(demo, "name=disturbed", *endpoints)
    assert all(proxy.injected for proxy in proxies.values())
    assert answers(disturbed) == answers(undisturbed)
    assert len(disturbed.trajectories) == PROBLEMS
    assert sum(t.retries for t in disturbed.trajectories.values()) > 0
