"""The whole path on three real vLLM servers with the bundled models and all 200 problems."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from harness.common import DEMO, Demo

from rsd.analysis import analyze, compare
from rsd.backends import connect
from rsd.prompts import render
from rsd.protocols import Sampling
from rsd.records import TRAJECTORIES, RunRecord, read_run
from rsd.runs import examine, execute, identified
from rsd.tasks import load_problems
from rsd.types import Prefix, Usage

pytestmark = pytest.mark.servers
PROBLEMS = 200


@cache
def run(demo: Demo, *overrides: str) -> RunRecord:
    outcome = asyncio.run(execute(demo.config(*overrides)))
    assert outcome.failed == 0
    return read_run(outcome.directory)


def strategy(demo: Demo, name: str) -> RunRecord:
    return run(demo, f"name={name}", f"decoding.strategy={name}")


def responses(record: RunRecord) -> dict[str, str]:
    return {key[1]: trajectory.response for key, trajectory in record.trajectories.items()}


def test_doctor_finds_nothing_wrong(demo: Demo) -> None:
    async def collect() -> list[tuple[str, str, str]]:
        return [(c.name, c.status, c.detail) async for c in examine(demo.config())]

    checks = asyncio.run(collect())
    assert [check for check in checks if check[1] != "ok"] == []
    assert len(checks) == 15


def test_the_models_are_as_good_as_their_card_claims(demo: Demo) -> None:
    target = analyze(strategy(demo, "target")).metrics.overall
    draft = analyze(strategy(demo, "draft")).metrics.overall
    assert target.n == draft.n == PROBLEMS
    assert target.accuracy is not None
    assert target.accuracy >= 0.9
    assert draft.accuracy is not None
    assert 0.25 <= draft.accuracy <= 0.7


def test_rsd_loses_little_to_the_target_and_costs_less(demo: Demo) -> None:
    rsd, target = analyze(strategy(demo, "rsd")), analyze(strategy(demo, "target"))
    paired = compare(rsd, target)
    assert paired.pairs == PROBLEMS
    assert paired.difference is not None
    assert paired.difference > -0.05
    assert paired.flops_ratio.prm_once is not None
    assert paired.flops_ratio.prm_once <= 0.7


def test_the_prefix_cache_serves_the_generators(demo: Demo) -> None:
    for record in (strategy(demo, "target"), strategy(demo, "rsd")):
        tokens = analyze(record).metrics.overall.tokens["target"]
        assert tokens.cached > 0


def test_the_extreme_thresholds_are_the_models_alone(demo: Demo) -> None:
    limit = "run.limit=40"
    for threshold, name in (("-.inf", "draft"), (".inf", "target")):
        extreme = responses(run(demo, limit, f"decoding.threshold={threshold}"))
        alone = responses(strategy(demo, name))
        assert len(extreme) == 40
        assert extreme == {key: alone[key] for key in extreme}


def test_lookahead_changes_no_step(demo: Demo) -> None:
    def decoded(lookahead: int) -> RunRecord:
        settings = (f"decoding.lookahead={lookahead}", f"name=lookahead{lookahead}")
        return run(demo, "run.limit=20", "run.concurrency=1", *settings)

    def told(record: RunRecord) -> dict[str, object]:
        steps = {key[1]: trajectory.steps for key, trajectory in record.trajectories.items()}
        return {
            key: [(s.source, s.text, s.tokens, s.accepted) for s in its]
            for key, its in steps.items()
        }

    def drafted(record: RunRecord) -> list[Usage]:
        return [trajectory.usage["draft"] for trajectory in record.trajectories.values()]

    without, ahead = decoded(0), decoded(2)
    assert told(ahead) == told(without)
    assert sum(it.requests for it in drafted(ahead)) < sum(it.requests for it in drafted(without))
    assert sum(it.wasted_tokens for it in drafted(without)) == 0
    assert sum(it.wasted_tokens for it in drafted(ahead)) > 0


def test_a_likelihood_read_again_is_the_one_that_was_written(demo: Demo) -> None:
    config = demo.config("run.limit=5")
    problems = load_problems("demo", config.tasks.data_dir, limit=5)

    async def both() -> list[tuple[float | None, float, float]]:
        found = []
        async with connect(config) as servers:
            draft, target = servers.generator("draft"), servers.generator("target")
            for problem in problems:
                prefix = Prefix(render(config.decoding.prompt, problem.question))
                sampling = Sampling(stop=("\n\n",), logprobs=True)
                written = await draft.generate(prefix, max_tokens=60, sampling=sampling)
                own = await draft.log_likelihood(prefix, written)
                others = await target.log_likelihood(prefix, written)
                found.append((written.logprob, own.logprob, others.logprob))
        return found

    for written, own, others in asyncio.run(both()):
        assert own == pytest.approx(written, abs=1e-3)
        assert others != pytest.approx(written, abs=1e-3)


def test_the_strategies_that_ask_for_probabilities_use_both_models(demo: Demo) -> None:
    confidence = ("decoding.strategy=confidence", "decoding.threshold=-0.05")
    guided = ("decoding.strategy=guided", "decoding.candidates=2", "decoding.temperature=0.7")
    for settings in (confidence, guided):
        record = run(demo, "run.limit=10", *settings)
        steps = [step for it in record.trajectories.values() for step in it.steps if step.accepted]
        assert {step.source for step in steps} == {"draft", "target"}


def test_text_and_token_ids_say_the_same(demo: Demo) -> None:
    by_text = responses(run(demo, "run.limit=40", "decoding.prefix=text"))
    by_ids = responses(strategy(demo, "rsd"))
    assert by_text == {key: by_ids[key] for key in by_text}


def test_samples_with_a_seed_can_be_repeated(demo: Demo) -> None:
    settings = ("run.limit=20", "decoding.temperature=1.0", "decoding.seed=7")
    first = responses(run(demo, *settings, "name=first"))
    again = responses(run(demo, *settings, "name=again"))
    other = responses(run(demo, *settings[:2], "decoding.seed=8", "name=other"))
    assert first == again
    assert first != other


def test_a_killed_run_resumes_to_the_same_answers(demo: Demo) -> None:
    directory = identified(demo.config("name=killed")).directory
    command = [sys.executable, "-m", "rsd", "run", str(DEMO), *demo.arguments("name=killed")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as runner:
        _wait_for_lines(directory / TRAJECTORIES, 20, runner)
        os.kill(runner.pid, signal.SIGKILL)
        runner.communicate(timeout=60)
    assert len((directory / TRAJECTORIES).read_bytes().splitlines()) < PROBLEMS
    resumed = run(demo, "name=killed")
    lines = (directory / TRAJECTORIES).read_bytes().splitlines()
    assert len(lines) == len(resumed.trajectories) == PROBLEMS
    assert responses(resumed) == responses(strategy(demo, "rsd"))


def _wait_for_lines(path: Path, lines: int, runner: subprocess.Popen[bytes]) -> None:
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        assert runner.poll() is None, runner.communicate()
        time.sleep(0.02)
