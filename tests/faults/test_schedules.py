"""Runs whose servers fail by a schedule, drawn by seed: they end, and come to the answers of an
undisturbed run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from broken import FAULTS, HARMLESS, Fault
from cluster import fake_cluster
from examples import only_thorough
from fault_proxy import Schedule
from faults.conftest import Disturbed, disturbed_cluster

from rsd.backends import Backends, Prompts, connect
from rsd.grading import GraderPool
from rsd.records import RunRecord, read_run
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.runs.runner import decode_all
from rsd.runs.store import RunStore, manifest
from rsd.runs.strategies import connected_strategy, response_text
from rsd.tasks import load_problems
from rsd.types import ROLES

BLOCK = 50
PROBLEMS = 3

# A connection that the proxy accepts in the moment it closes never reaches its handler, so nobody
# closes it but the garbage collector, which warns.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SLOW: tuple[Fault, ...] = ("stall", "stalled midway", "trickle")
HURRIED = [f"models.{role}.timeout_s=1" for role in ROLES]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # no hang


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    with (
        fake_cluster(tmp_path_factory.mktemp("faults")) as cluster,
        disturbed_cluster(cluster) as there,
    ):
        yield there


def is_slow(seed: int) -> bool:
    """Whether timeouts are waited for. In a fifth of the schedules, and those one after the other:
    half of them with one problem at a time."""
    return seed % 10 in (3, 8)


def kinds(seed: int) -> list[Fault]:
    left_out = (() if is_slow(seed) else SLOW) + (() if seed % 5 == 2 else ("down",))
    return [kind for kind in FAULTS if kind not in left_out]


class Runs:
    """Runs of a few problems on the same connections, without preflight."""

    def __init__(self, disturbed: Disturbed, *overrides: str) -> None:
        self.disturbed = disturbed
        self.config = disturbed.config(*overrides)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Runs:
        self._grader = await self._open.enter_async_context(GraderPool(workers=1))
        self._backends: Backends = await self._open.enter_async_context(
            connect(self.config, wait=True)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def run(self, directory: Path, at_once: int = 3) -> RunRecord:
        problems = load_problems("demo", self.config.tasks.data_dir, PROBLEMS)
        with RunStore(self.config, directory) as store:
            store.write_manifest(
                manifest.begin(self.config, self._backends, None, {"demo": PROBLEMS})
            )
            await decode_all(
                [(problem, 0) for problem in problems],
                connected_strategy(self.config, self._backends, self._grader),
                store,
                self._grader,
                prompts=Prompts(self.config),
                join=response_text(self.config.decoding),
                seed=0,
                limiter=ConcurrencyLimiter(at_once),
                on_graded=lambda *_: None,
            )
        return read_run(directory)

    async def disturbed_run(self, seed: int, directory: Path, at_once: int = 3) -> RunRecord:
        for number, proxy in enumerate(self.disturbed.proxies.values()):
            proxy.schedule = Schedule(seed=3 * seed + number, rate=0.3, kinds=kinds(seed))
            proxy.injected.clear()
        try:
            return await self.run(directory, at_once)
        finally:
            for proxy in self.disturbed.proxies.values():
                proxy.schedule = None


def answers(record: RunRecord) -> dict[object, object]:
    return {
        key: (t.error, t.stop_reason, [(s.source, s.text, s.reward, s.accepted) for s in t.steps])
        for key, t in record.trajectories.items()
    }


def lines(record: RunRecord) -> int:
    return len((record.directory / "trajectories.jsonl").read_bytes().splitlines())


def injected(disturbed: Disturbed) -> Counter[Fault]:
    return sum((proxy.injected for proxy in disturbed.proxies.values()), Counter())


@pytest.mark.parametrize("first", [0, *only_thorough(BLOCK)])
def test_a_run_among_faults_is_the_run_left_alone(
    shared: Disturbed, first: int, tmp_path: Path
) -> None:
    async def runs() -> None:
        seen: set[Fault] = set()
        plain = "decoding.lookahead=0"
        async with Runs(shared, plain) as patient, Runs(shared, plain, *HURRIED) as hurried:
            undisturbed = await patient.run(tmp_path / "undisturbed")
            assert len(undisturbed.grades) == PROBLEMS
            assert sum(t.retries for t in undisturbed.trajectories.values()) == 0
            for seed in range(first, first + BLOCK):
                at_once = 1 + 2 * (seed % 2)
                several = hurried if is_slow(seed) else patient
                record = await several.disturbed_run(seed, tmp_path / str(seed), at_once)
                assert answers(record) == answers(undisturbed), seed
                assert record.grades == undisturbed.grades, seed
                assert lines(record) == PROBLEMS, seed
                faults = injected(shared)
                seen |= faults.keys()
                expected = sum(n for kind, n in faults.items() if kind not in HARMLESS)
                retries = sum(t.retries for t in record.trajectories.values())
                # How many requests find nobody there, how many problems have their scores in one
                # request, and what else takes a second, is chance.
                if at_once == 1 and "down" not in faults and several is patient:
                    assert retries == expected, (seed, faults)
                assert retries >= expected, (seed, faults)
        assert seen == set(FAULTS)

    asyncio.run(runs())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_lookahead_comes_to_the_same_answers_among_faults(
    shared: Disturbed, seed: int, tmp_path: Path
) -> None:
    async def runs() -> None:
        async with Runs(shared, "decoding.lookahead=auto", *HURRIED) as several:
            undisturbed = await several.run(tmp_path / "undisturbed")
            record = await several.disturbed_run(seed, tmp_path / "disturbed")
            assert answers(record) == answers(undisturbed)
            assert lines(record) == PROBLEMS

    asyncio.run(runs())
