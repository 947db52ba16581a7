"""Runs and checks of roles that have two servers."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack

import pytest
from cluster import PROBLEMS, Cluster

from rsd.backends import connect
from rsd.errors import BackendError, ConfigError
from rsd.records import Manifest, RunRecord, read_run
from rsd.runs import PreflightCheck, examine, execute
from rsd.runs.preflight import preflight
from rsd.testing.fake_engine import Behavior
from rsd.testing.tokenizers import ByteTokenizer

NOWHERE = "http://127.0.0.1:9/v1"


def checks(cluster: Cluster, *overrides: str) -> dict[str, PreflightCheck]:
    async def collect() -> dict[str, PreflightCheck]:
        return {check.name: check async for check in examine(cluster.config(*overrides))}

    return asyncio.run(collect())


def run(cluster: Cluster, *overrides: str) -> RunRecord:
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    assert outcome.failed == 0
    return read_run(outcome.directory)


def steps(record: RunRecord) -> dict[object, list[tuple[object, ...]]]:
    return {
        key: [(step.source, step.text, step.reward, step.accepted) for step in trajectory.steps]
        for key, trajectory in record.trajectories.items()
    }


def completions(app: object) -> int:
    requests = app.state.requests  # type: ignore[attr-defined]
    return sum(request.path == "/v1/completions" for request in requests)


def test_every_server_is_checked_and_named(cluster: Cluster) -> None:
    with cluster.replica("draft") as (_, drafts), cluster.replica("prm") as (_, prms):
        found = checks(cluster, drafts, prms)
    assert {check.status for check in found.values()} == {"ok"}
    assert {
        *("draft-2 server", "draft-2 model", "draft-2 context", "draft-2 stop", "draft replicas"),
        *("prm-2 server", "prm-2 tokenizer", "prm-2 rewards", "prm-2 cache", "prm replicas"),
    } <= set(found)
    assert "target replicas" not in found


def test_a_replica_that_is_down_is_a_warning_while_another_answers(cluster: Cluster) -> None:
    url = cluster.config().models.draft.endpoint
    found = checks(cluster, f"models.draft.endpoints=[{NOWHERE}, {url}]")
    (bad,) = (check for check in found.values() if check.status != "ok")
    assert (bad.name, bad.status) == ("draft server", "warning")
    assert "the others take its requests" in bad.fix
    assert "draft-2 stop" in found
    found = checks(cluster, f"models.draft.endpoints=[{NOWHERE}, {NOWHERE.replace('9', '19')}]")
    assert [found[name].status for name in ("draft server", "draft-2 server")] == ["fail"] * 2


def test_replicas_of_different_contexts_are_refused(cluster: Cluster) -> None:
    with cluster.replica("target", max_model_len=2048) as (_, override):
        check = checks(cluster, override)["target replicas"]
        assert check.status == "fail"
        for endpoint in cluster.config(override).models.target.endpoints:
            assert endpoint in check.detail
        with pytest.raises(BackendError, match="target replicas: .*4096 tokens.*2048"):
            asyncio.run(preflight(cluster.config(override)))

        async def open_and_close() -> None:
            async with connect(cluster.config(override)):
                pass

        with pytest.raises(ConfigError, match=r"2048 tokens, target server at .*4096"):
            asyncio.run(open_and_close())


def test_replicas_that_tokenize_or_score_differently_are_refused(cluster: Cluster) -> None:
    with cluster.replica("draft", tokenizer=ByteTokenizer(shift=7)) as (_, override):
        assert "tokenize differently" in checks(cluster, override)["draft replicas"].detail
    other = Behavior(reward=lambda text: 0.123)
    with cluster.replica("prm", other) as (_, override):
        found = checks(cluster, override)["prm replicas"]
        assert found.status == "fail"
        assert "0.123" in found.detail


def test_the_manifest_tells_every_endpoint_and_the_digest_none(cluster: Cluster) -> None:
    with cluster.replica("draft") as (app, override):
        record = run(cluster, override, "decoding.strategy=draft")
        assert completions(app) > 0
    urls = record.config.models.draft.endpoints
    served = record.manifest.models["draft"]
    assert (served.endpoint, *served.replicas) == urls
    assert record.manifest.digest == cluster.config("decoding.strategy=draft").digest
    older = record.manifest.model_dump(exclude={"models": {"draft": {"replicas"}}})
    assert Manifest.model_validate(older).models["draft"].replicas == ()


def test_a_run_whose_second_draft_server_is_closed_gives_the_same_steps(cluster: Cluster) -> None:
    alone = steps(run(cluster, f"run.output_dir={cluster.path.parent / 'alone'}"))
    asked_before = completions(cluster.apps["draft"])
    with ExitStack() as stack:
        app, override = stack.enter_context(cluster.replica("draft"))
        for faults in (app.state.faults, cluster.faults("prm")):
            faults.latency_s = 0.05

        def close() -> None:
            while completions(app) < 8:  # of its problems some are begun and none is done
                time.sleep(0.01)
            stack.close()

        closing = threading.Thread(target=close)
        closing.start()
        try:
            record = run(cluster, override, "run.on_server_loss=fail")
        finally:
            closing.join()
    assert steps(record) == alone
    assert len(record.trajectories) == PROBLEMS
    assert completions(cluster.apps["draft"]) > asked_before
    assert sum(t.retries for t in record.trajectories.values()) > 0
