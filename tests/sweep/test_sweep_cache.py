"""A sweep over the threshold pays only for what differs, and says the same."""

from __future__ import annotations

import asyncio
import json
import secrets
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cluster import PROBLEMS, Cluster
from sweep.conftest import Rsd, Write

from rsd.config import Sweep, load_sweep
from rsd.errors import StoreError
from rsd.records import read_run
from rsd.runs import PreflightCheck, execute, identified
from rsd.types import ROLES

DELTAS = [0.1, 0.5, 0.9]
GRID = {"decoding.threshold": DELTAS}
SPEED = ("latency_s", "problems_per_s", "tokens_per_s", "busy")


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What preflight asks of the servers is not for the cache, nor to be counted here."""

    async def nothing(*_: object) -> list[PreflightCheck]:
        return []

    monkeypatch.setattr(import_module("rsd.runs.execute"), "preflight", nothing)


def asked(cluster: Cluster) -> int:
    """Completions and scores that the servers gave so far."""
    return sum(
        request.path in ("/v1/completions", "/classify")
        for app in cluster.apps.values()
        for request in app.state.requests
    )


def metrics(path: Path, *overrides: str) -> list[dict[str, Any]]:
    return [
        json.loads((point.directory / "metrics.json").read_text())["overall"]
        for point in load_sweep(path, overrides, identified).points
    ]


def without_speed(summary: dict[str, Any]) -> dict[str, Any]:
    """All but speed, and what the servers' prefix caches held."""
    tokens = {
        role: {key: count for key, count in counts.items() if key != "cached"}
        for role, counts in summary["tokens"].items()
    }
    left = {key: it for key, it in summary.items() if key not in (*SPEED, "seconds", "speed_void")}
    return {**left, "tokens": tokens}


@pytest.fixture
def both(rsd: Rsd, write: Write, cluster: Cluster) -> Any:
    """Runs a sweep without and with the cache; gives metrics, requests and outputs of each."""

    def both(*overrides: str, **keys: Any) -> Any:
        results = []
        for name, wanted in (("plain", "false"), ("cached", "null")):
            path, before = write(name=name, **keys), asked(cluster)
            set_ = (*overrides, f"run.cache={wanted}")
            options = [word for override in set_ for word in ("-o", override)]
            code, out, err = rsd("sweep", path, *options)
            assert code == 0, err
            results.append((metrics(path, *overrides), asked(cluster) - before, out))
        return results

    return both


@pytest.mark.parametrize(
    "overrides",
    [
        ["models.prm.aggregation=min", "decoding.prefix=text"],
        ["decoding.temperature=0.8", "decoding.candidates=2"],
    ],
)
def test_tables_are_equal_and_fewer_requests_are_made(both: Any, overrides: list[str]) -> None:
    overrides = ["decoding.lookahead=0", *overrides]
    (plain, asked_plain, _), (cached, asked_cached, _) = both(*overrides, grid=GRID)
    assert [without_speed(it) for it in cached] == [without_speed(it) for it in plain]
    assert asked_plain > 1.8 * asked_cached
    assert len({str(it["steps"]) for it in plain}) > 1


def test_a_sweep_says_what_its_cache_gave_and_that_speed_is_void(both: Any, write: Write) -> None:
    """And the rest is the same; without the cache, steps were also drafted ahead in vain."""
    (plain, _, out_plain), (cached, _, out) = both(grid=GRID)
    for key in ("accuracy", "steps", "acceptance_rate", "target_step_share"):
        assert [it[key] for it in plain] == [it[key] for it in cached]
    assert all(it["speed_void"] is None and it["latency_s"] for it in plain)
    first, *others = cached
    assert first["speed_void"] is None
    assert first["busy"]["draft"] > 0
    for summary in others:
        assert summary["speed_void"].startswith("the step cache gave ")
        assert [summary[key] for key in SPEED[:3]] == [None] * 3
        assert summary["busy"] == dict.fromkeys(ROLES)
    assert f"No speed is given for {len(DELTAS) - 1} of {len(DELTAS)} runs" in out

    sweep = load_sweep(write(name="cached", grid=GRID), (), identified)
    file, (hits, answers) = sweep.directory / "steps.sqlite", counted(sweep)
    size = f"{file.stat().st_size / 1e6:.1f} MB"
    share = f"{hits} of {answers} answers ({hits / answers:.0%})"
    assert f"Step cache: {share} came from {file} ({size})\n" in out
    assert "Step cache" not in out_plain
    assert not list((sweep.directory.parent / "plain").glob("*.sqlite*"))


def counted(sweep: Sweep) -> tuple[int, int]:
    """Answers from the cache, and all."""
    steps = [
        step
        for point in sweep.points
        for trajectory in read_run(point.directory).trajectories.values()
        for step in trajectory.steps
    ]
    hits = sum(step.from_cache + step.score_from_cache for step in steps)
    return hits, len(steps) + sum(step.reward is not None for step in steps)


def test_a_sweep_begun_again_finds_what_it_had_asked(
    rsd: Rsd, write: Write, cluster: Cluster
) -> None:
    path = write(grid={"decoding.threshold": DELTAS[:2]})
    rsd("sweep", path)
    before = asked(cluster)
    for point in load_sweep(path, (), identified).points:
        (point.directory / "trajectories.jsonl").unlink()
    code, _, _ = rsd("sweep", path)
    assert code == 0
    assert asked(cluster) == before


def test_a_run_has_a_cache_if_it_asks_for_one(cluster: Cluster, tmp_path: Path) -> None:
    def run(*overrides: str) -> int:
        before = asked(cluster)
        config = cluster.config(*overrides)
        outcome = asyncio.run(execute(config, tmp_path / secrets.token_hex(8)))
        assert (outcome.asked, outcome.failed) == (PROBLEMS, 0)
        return asked(cluster) - before

    assert run() > 0
    assert not list(tmp_path.rglob("*.sqlite"))
    assert run("run.cache=true") > 0
    assert (tmp_path / "runs" / "steps.sqlite").exists()
    assert run("run.cache=true", "decoding.seed=5") == 0  # which greedy decoding does not read
    assert run(f"run.cache={tmp_path / 'elsewhere.db'}") > 0
    assert (tmp_path / "elsewhere.db").exists()


def test_no_secret_is_stored(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRM_KEY", "sk-very-secret")
    file = tmp_path / "steps.sqlite"
    config = cluster.config("models.prm.api_key=${PRM_KEY}", f"run.cache={file}")
    asyncio.run(execute(config))
    assert b"very-secret" not in file.read_bytes()
    assert b"127.0.0.1" not in file.read_bytes()


def test_a_damaged_cache_stops_a_sweep_before_its_first_request(
    rsd: Rsd, write: Write, cluster: Cluster
) -> None:
    path = write(grid=GRID)
    file = load_sweep(path, (), identified).directory / "steps.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a database at all" * 500)
    code, out, err = rsd("sweep", path)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"rsd: {file}: SQLite says: file is not a database; delete it")
    assert asked(cluster) == 0
    with pytest.raises(StoreError, match="delete it"):
        asyncio.run(execute(load_sweep(path, (), identified).points[0].config))
