"""The kinds of reward model beside Skywork's, on real vLLM servers as `rsd serve` starts them.

All is float32, and rewards lie in (0, 1): what is left between vLLM and the reference is the order
of sums.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.common import free_ports
from vllm_plugin.kinds_fixture import Checkpoint, grade, made

from rsd.backends import JudgeScorer, Server, open_scorer
from rsd.config import Config, parse
from rsd.serving import build, running
from rsd.types import Role, Score

pytestmark = pytest.mark.servers

TOLERANCE = 1e-5
KINDS = ("qwen25-math", "math-shepherd", "rlhflow")
BLOCK = 32
WORDS = "so then we add 12 and 30 which is 42 because \\frac{1}{2} of 84 = 42 or not".split()


def solution(seed: int, steps: int, words: int) -> tuple[str, list[str]]:
    """A question and steps of random words; another seed shares no beginning with it."""
    chosen = random.Random(seed)
    question = f"{chosen.random()}: how many pens are left?"
    return question, [" ".join(chosen.choices(WORDS, k=words)) + "." for _ in range(steps)]


@dataclass(frozen=True)
class Served:
    checkpoint: Checkpoint
    config: Config

    def score_all(self, question: str, steps: list[str], role: Role = "prm") -> list[Score]:
        """The score of each step as a strategy asks for it, one after the other."""

        async def ask() -> list[Score]:
            server = Server(role, self.config.models.role(role))
            try:
                scorer = open_scorer(self.config, server)
                return [
                    await scorer.score(question, steps[:count])
                    for count in range(1, len(steps) + 1)
                ]
            finally:
                await server.aclose()

        return asyncio.run(ask())

    def counter(self, name: str) -> int:
        url = self.config.models.prm.endpoint.removesuffix("/v1") + "/metrics"
        with urllib.request.urlopen(url, timeout=30) as response:
            lines = response.read().decode().splitlines()
        return round(sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{")))

    def hits_after(self, queries: int) -> int:
        """Prefix cache hits once the counters, updated behind the answers, reach `queries`."""
        deadline = time.monotonic() + 30
        while self.counter("vllm:prefix_cache_queries_total") < queries:
            assert time.monotonic() < deadline, "the prefix cache counters did not move"
            time.sleep(0.1)
        return self.counter("vllm:prefix_cache_hits_total")


def configured(kind: str, checkpoint: Path, port: int) -> Config:
    serve = {
        "device": "cpu",
        "dtype": "float32",
        "block_size": BLOCK,
        "max_model_len": 2048,
        "enforce_eager": True,
    }
    model: dict[str, Any] = {
        "model": str(checkpoint),
        "served_name": "served",
        "endpoint": f"http://127.0.0.1:{port}/v1",
        "serve": serve,
    }
    models = {"draft": model, "target": model, "prm": {**model, "kind": kind}}
    return parse({"name": "kinds", "models": models, "tasks": {"names": ["demo"]}}, "kinds.yaml")


@pytest.fixture(scope="module", params=KINDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = tmp_path_factory.mktemp(request.param)
    checkpoint = made(request.param, root / "checkpoint")
    (port,) = free_ports(1)
    config = configured(request.param, checkpoint.directory, port)
    with running([build(config, "prm")], log_dir=root / "logs", announce=print):
        yield Served(checkpoint, config)


def largest_difference(left: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def test_rewards_equal_the_reference(served: Served) -> None:
    for seed, steps, words in ((1, 1, 3), (2, 5, 9), (3, 3, 60), (4, 12, 20)):
        question, solved = solution(seed, steps, words)
        rewards = [score.reward for score in served.score_all(question, solved)]
        expected = served.checkpoint.rewards(question, solved)
        assert largest_difference(rewards, expected) < TOLERANCE
        # Rewards of neighbouring steps are so far apart that one in place of another is seen.
        assert all(abs(a - b) > 2 * TOLERANCE for a, b in itertools.pairwise(expected))


def test_a_growing_solution_is_read_from_the_prefix_cache(served: Served) -> None:
    question, steps = solution(5, 10, 25)
    queries = served.counter("vllm:prefix_cache_queries_total")
    before = served.hits_after(queries)
    scores = served.score_all(question, steps)
    lengths = [score.usage.prompt_tokens for score in scores]
    hits = served.hits_after(queries + sum(lengths)) - before
    # Each input finds all whole blocks of the one before it; the first may find its template.
    expected = sum(length // BLOCK * BLOCK for length in lengths[:-1])
    assert expected <= hits <= expected + 2 * BLOCK
    assert hits > 0.75 * sum(lengths)
    warm = served.score_all(question, steps)
    assert largest_difference([s.reward for s in scores], [s.reward for s in warm]) < TOLERANCE


def test_a_target_that_grades(served: Served) -> None:
    if served.config.models.prm.kind != "rlhflow":
        pytest.skip("one language model that grades is enough")
    judged = served.config.models.prm.model_copy(update={"kind": "judge"})
    models = served.config.models.model_copy(update={"prm": judged})
    judge = Served(served.checkpoint, served.config.model_copy(update={"models": models}))
    question, steps = solution(6, 4, 12)
    rewards = [score.reward for score in judge.score_all(question, steps, "target")]
    expected = [
        grade(served.checkpoint.directory, asyncio.run(judged_ids(judge, question, steps[:count])))
        for count in range(1, len(steps) + 1)
    ]
    assert largest_difference(rewards, expected) < TOLERANCE
    assert len(set(rewards)) == len(rewards)


async def judged_ids(judge: Served, question: str, steps: list[str]) -> list[int]:
    server = Server("target", judge.config.models.target)
    try:
        scorer = open_scorer(judge.config, server)
        assert isinstance(scorer, JudgeScorer)
        return await scorer.input_ids(question, steps)
    finally:
        await server.aclose()
