"""Whole runs against three fake servers."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster

from rsd.backends import Server, ServerInfo
from rsd.config import ModelConfig
from rsd.errors import ConfigError, RsdError
from rsd.records import MANIFEST, TRAJECTORIES, RunRecord, read_run
from rsd.runs import RunOutcome, execute, pending, regrade
from rsd.types import Role


def run(cluster: Cluster, *overrides: str) -> tuple[RunOutcome, RunRecord]:
    outcome = asyncio.run(execute(cluster.config(*overrides)))
    return outcome, read_run(outcome.directory)


def requests(cluster: Cluster) -> int:
    return sum(len(app.state.requests) for app in cluster.apps.values())


def answers(record: RunRecord) -> dict[str, tuple[object, ...]]:
    """What must not depend on when and how often a run was cut."""
    return {
        key[1]: (t.response, t.stop_reason, [(s.source, s.text, s.reward) for s in t.steps])
        for key, t in record.trajectories.items()
    }


def test_a_run_opens_each_server_once_and_asks_once_what_it_serves(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, described = [], []
    init, info = Server.__init__, Server.info

    def counted_init(server: Server, role: Role, config: ModelConfig) -> None:
        opened.append(role)
        init(server, role, config)

    async def counted_info(server: Server) -> ServerInfo:
        described.append(server.role)
        return await info(server)

    monkeypatch.setattr(Server, "__init__", counted_init)
    monkeypatch.setattr(Server, "info", counted_info)
    run(cluster, "tasks.limit=1")
    assert sorted(opened) == sorted(described) == ["draft", "prm", "target"]


def test_the_three_strategies_are_as_right_as_their_models(cluster: Cluster) -> None:
    right = {}
    for strategy in ("draft", "target", "rsd"):
        outcome, record = run(cluster, f"decoding.strategy={strategy}")
        assert (outcome.asked, outcome.failed) == (PROBLEMS, 0)
        assert len(record.trajectories) == len(record.grades) == PROBLEMS
        right[strategy] = sum(grade.correct is True for grade in record.grades.values())
    assert right["target"] == right["rsd"] == PROBLEMS
    assert 0 < right["draft"] < PROBLEMS


@pytest.mark.parametrize(
    "overrides",
    [
        ("decoding.strategy=confidence", "decoding.threshold=-0.25"),
        (
            "decoding.strategy=guided",
            "decoding.candidates=2",
            "decoding.temperature=0.7",
            "decoding.threshold=0.9",
        ),
    ],
    ids=["confidence", "guided"],
)
def test_strategies_that_weigh_log_probabilities_run_on_fakes_too(
    cluster: Cluster, overrides: tuple[str, ...]
) -> None:
    outcome, record = run(cluster, *overrides)
    assert (outcome.asked, outcome.failed) == (PROBLEMS, 0)
    steps = [step for t in record.trajectories.values() for step in t.steps]
    assert {step.source for step in steps if step.accepted} == {"draft", "target"}


def test_rsd_asks_the_target_only_where_the_draft_is_rejected(cluster: Cluster) -> None:
    _, record = run(cluster)
    steps = [step for t in record.trajectories.values() for step in t.steps]
    rejected = [step for step in steps if not step.accepted]
    by_target = [step for step in steps if step.source == "target"]
    assert 0 < len(rejected) == len(by_target) < len(steps) / 2
    assert all(step.reward is None for step in by_target)


def test_samples_are_independent_solutions_and_resume_one_by_one(cluster: Cluster) -> None:
    several = ("decoding.samples=3", "decoding.temperature=0.7")
    outcome, record = run(cluster, *several)
    assert (outcome.asked, outcome.failed) == (3 * PROBLEMS, 0)
    assert {key[2] for key in record.trajectories} == {0, 1, 2}
    assert len(record.grades) == 3 * PROBLEMS
    lines = (outcome.directory / TRAJECTORIES).read_text().splitlines(keepends=True)
    (outcome.directory / TRAJECTORIES).write_text("".join(lines[: PROBLEMS + 5]))
    config = cluster.config(*several)
    assert len(pending(config, outcome.directory)) == 2 * PROBLEMS - 5
    _, resumed = run(cluster, *several)
    assert {k: t.response for k, t in resumed.trajectories.items()} == {
        k: t.response for k, t in record.trajectories.items()
    }


def test_token_ids_and_text_give_the_same_answers(cluster: Cluster) -> None:
    _, by_ids = run(cluster, "decoding.prefix=tokens")
    assert by_ids.manifest.prefix == "tokens"
    _, by_text = run(cluster, "decoding.prefix=text")
    assert by_text.manifest.prefix == "text"
    assert answers(by_ids) == answers(by_text)


def test_a_finished_run_asks_no_server(cluster: Cluster) -> None:
    run(cluster)
    before = requests(cluster)
    run(cluster)
    assert requests(cluster) == before


@pytest.mark.parametrize(
    ("old", "new"), [("Ann has 13 pens", "Bob has 13 pens"), ('"id": "p3"', '"id": "other"')]
)
def test_answers_to_other_questions_are_not_taken_for_these(
    cluster: Cluster, old: str, new: str
) -> None:
    outcome, _ = run(cluster)
    file = cluster.config().tasks.data_dir / "demo" / "test.jsonl"
    file.write_text(file.read_text().replace(old, new))
    config, there = cluster.config(), outcome.directory
    for call in (
        lambda: asyncio.run(execute(config, there)),
        lambda: pending(config, there),
        lambda: asyncio.run(regrade(read_run(there).config, there)),
    ):
        with pytest.raises(ConfigError, match=r"its problem demo/p3 is not what the benchmark"):
            call()
    another, record = run(cluster)
    assert another.directory != there
    assert len(record.trajectories) == PROBLEMS


@pytest.mark.parametrize("kept", [0, 1, 5, PROBLEMS - 1])
def test_a_run_cut_anywhere_and_resumed_is_the_run_left_alone(cluster: Cluster, kept: int) -> None:
    outcome, whole = run(cluster)
    path = outcome.directory / TRAJECTORIES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:kept]) + lines[kept][:100])
    assert len(pending(cluster.config(), outcome.directory)) == PROBLEMS - kept
    _, resumed = run(cluster)
    assert answers(resumed) == answers(whole)
    assert len(path.read_bytes().splitlines()) == PROBLEMS
    assert len(resumed.grades) == PROBLEMS
    assert len(resumed.manifest.sessions) == 2


def test_a_run_resumed_otherwise_than_it_began_says_so(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, _ = run(cluster)
    path = outcome.directory / TRAJECTORIES
    whole = path.read_bytes()
    cut = b"".join(whole.splitlines(keepends=True)[:2])

    path.write_bytes(cut)
    run(cluster)
    assert "resumed with different settings" not in caplog.text

    path.write_bytes(cut)
    manifest = json.loads((outcome.directory / MANIFEST).read_text())
    manifest["models"]["draft"]["vllm_version"] = "0.1"
    (outcome.directory / MANIFEST).write_text(json.dumps(manifest))
    run(cluster, "models.target.serve.dtype=float16", "models.draft.serve.threads=2")
    (warning,) = [
        r.getMessage()
        for r in caplog.records
        if "resumed with different settings" in r.getMessage()
    ]
    assert warning.startswith(
        f"{outcome.directory}: resumed with different settings; results are mixed: "
        "models.target.serve.dtype has changed; vLLM of draft: "
    )
    assert warning.endswith(", was 0.1")


def test_a_failed_problem_is_a_record_and_is_tried_again(cluster: Cluster) -> None:
    faults = cluster.faults("target")
    faults.status, faults.matching = 400, "Ann has 13 pens"
    outcome, record = run(cluster, "decoding.threshold=.inf")
    assert outcome.failed == 1
    failed = record.trajectories["demo", "p3", 0]
    assert failed.error is not None
    assert failed.error.startswith("target server at http://127.0.0.1:")
    assert [step.source for step in failed.steps] == ["draft"]
    assert record.grades["demo", "p3", 0].how == "error"

    faults.status = None
    outcome, record = run(cluster, "decoding.threshold=.inf")
    assert outcome.failed == 0
    assert all(t.error is None for t in record.trajectories.values())


def test_a_reward_that_turns_nan_fails_its_problem_only(cluster: Cluster) -> None:
    config = cluster.config()
    behavior = cluster.apps["prm"].state.engine.behavior
    right = behavior.reward
    behavior.reward = lambda text: math.nan if "Ann has 15 pens" in text else right(text)
    outcome = asyncio.run(execute(config))
    failed = [t for t in read_run(outcome.directory).trajectories.values() if t.error]
    assert [t.problem_id for t in failed] == ["p5"]
    assert outcome.failed == 1


def test_a_lost_server_stops_a_run_before_its_first_problem(cluster: Cluster) -> None:
    config = cluster.config("models.prm.endpoint=http://127.0.0.1:9/v1")
    with pytest.raises(RsdError, match="prm server: http.*: cannot be reached"):
        asyncio.run(execute(config))


def test_grading_again_generates_nothing(cluster: Cluster) -> None:
    outcome, before = run(cluster)
    (outcome.directory / "grades.jsonl").write_text("")
    asked = requests(cluster)
    asyncio.run(regrade(before.config, outcome.directory))
    assert read_run(outcome.directory).grades.keys() == before.grades.keys()
    assert requests(cluster) == asked


def test_the_manifest_says_what_the_run_was_made_with(cluster: Cluster) -> None:
    outcome, _ = run(cluster)
    manifest = json.loads((outcome.directory / MANIFEST).read_text())
    assert manifest["parameters"] == {"draft": 1000, "target": 9000, "prm": 2000}
    assert manifest["models"]["prm"]["vllm_version"].startswith("0.32")
    assert manifest["versions"]["math-verify"]
    (session,) = manifest["sessions"]
    assert session["ended_at"] > session["started_at"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_runner_resumes_to_the_same_answers(
    cluster: Cluster, sent: signal.Signals, code: int
) -> None:
    _, whole = run(cluster, "name=whole")
    for role in ("draft", "target"):
        cluster.faults(role).latency_s = 0.1
    directory = cluster.config().directory
    command = [sys.executable, "-m", "rsd", "run", str(cluster.path), "-o", "run.concurrency=2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as runner:
        _wait_for_lines(directory / TRAJECTORIES, 3, runner)
        os.kill(runner.pid, sent)
        _, shown = runner.communicate(timeout=60)
    assert runner.returncode == code
    assert b"Traceback" not in shown
    for role in ("draft", "target"):
        cluster.faults(role).latency_s = 0
    cut = len((directory / TRAJECTORIES).read_bytes().splitlines())
    assert 3 <= cut < PROBLEMS
    _, resumed = run(cluster)
    assert answers(resumed) == answers(whole)
    assert len((directory / TRAJECTORIES).read_bytes().splitlines()) == PROBLEMS


def _wait_for_lines(path: Path, lines: int, runner: subprocess.Popen[bytes]) -> None:
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        assert runner.poll() is None, runner.communicate()
        time.sleep(0.02)
