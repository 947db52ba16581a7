"""`rsd run` as a process that is killed at its writes, again and again, on the fake servers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import pytest
from cluster import PROBLEMS, Cluster

from rsd.records import GRADES, METRICS, TRAJECTORIES, read_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # no hang

KILLED = Path(__file__).with_name("killed.py")
SAMPLES = 7
MANY = (f"decoding.samples={SAMPLES}", "decoding.temperature=0.7", "run.concurrency=8")
OF_TIME = ("seconds", "latency_s", "problems_per_s", "tokens_per_s", "busy")
OF_SERVERS = ("cached",)  # what their prefix caches held
PARTS = (0.5, 1.0, 0.0)


def rsd_run(
    cluster: Cluster, overrides: tuple[str, ...], kill: tuple[int, float]
) -> subprocess.CompletedProcess[str]:
    """`rsd run` that is ended at the write and the part of it that `kill` names; never at 0."""
    arguments = [part for override in overrides for part in ("-o", override)]
    command = [sys.executable, str(KILLED), *map(str, kill), "run", str(cluster.path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kills_until_done(
    cluster: Cluster, overrides: tuple[str, ...], kills: Iterator[tuple[int, float]]
) -> int:
    """Give the same command until it ends by itself; how often it was killed."""
    for killed, kill in enumerate(kills):
        ended = rsd_run(cluster, overrides, kill)
        if ended.returncode == 0:
            return killed
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    raise AssertionError("it never ended")


def set_of(directory: Path) -> dict[object, object]:
    """All that a run found: steps and verdicts, without times."""
    run = read_run(directory)
    return {
        key: (
            t.response,
            t.stop_reason,
            [(s.index, s.source, s.text, s.reward, s.accepted, s.tokens) for s in t.steps],
            run.grades[key],
        )
        for key, t in run.trajectories.items()
    }


def timeless(metrics: Any) -> Any:
    if not isinstance(metrics, dict):
        return metrics
    left_out = (*OF_TIME, *OF_SERVERS)
    return {key: timeless(value) for key, value in metrics.items() if key not in left_out}


def assert_as_if_left_alone(cluster: Cluster, overrides: tuple[str, ...], n: int) -> None:
    assert rsd_run(cluster, ("name=alone", *overrides), (0, 0)).returncode == 0
    killed = cluster.config(*overrides).directory
    alone = cluster.config("name=alone", *overrides).directory
    assert set_of(killed) == set_of(alone)
    found, expected = (json.loads((it / METRICS).read_bytes()) for it in (killed, alone))
    assert timeless(found) == timeless(expected)
    assert found["overall"]["n"] == n
    for name in (TRAJECTORIES, GRADES):
        assert (killed / name).read_bytes().count(b"\n") == n
        assert not list(killed.glob(f".{name}.*"))
    assert {path.name for path in killed.glob("[a-z]*")} == {
        path.name for path in alone.glob("[a-z]*")
    }


def test_a_kill_at_every_50th_write_gives_the_same_set(cluster: Cluster) -> None:
    n = SAMPLES * PROBLEMS
    kills = kills_until_done(cluster, MANY, ((50, part) for part in cycle(PARTS)))
    assert kills >= 2 * n // 50 - 1  # each problem is two lines, and the last session's are fewer
    assert_as_if_left_alone(cluster, MANY, n)


def test_a_kill_at_ever_later_writes_gives_the_same_set(cluster: Cluster) -> None:
    """The first and the last writes are files that are replaced: configuration, manifest, torn
    lines, metrics."""
    few = ("run.limit=2", "run.concurrency=1", "decoding.lookahead=0")  # its waste is of time
    kills = kills_until_done(cluster, few, zip(count(1), cycle(PARTS), strict=False))
    assert kills >= 4
    assert_as_if_left_alone(cluster, few, 2)
