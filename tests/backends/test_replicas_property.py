"""Whatever is lost, whenever, and however requests interleave: the results are the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from backends.replica_fakes import INFO, Server
from decoding.worlds import GREEDY, World, collect, rsd
from hypothesis import given, settings
from hypothesis import strategies as st

from rsd.backends import Replicas, one_problem
from rsd.backends.replicated import ReplicatedGenerator, ReplicatedScorer
from rsd.errors import ServerLostError
from rsd.types import Prefix, Query, Step

QUERIES = [Query(prompt=f"Q{n}\n", question=f"Q{n}", seed=n) for n in range(4)]


class Flaky:
    """A generator or scorer whose answers are lost on the way back when `fails` says so."""

    def __init__(self, steady: Any, fails: Callable[[], bool]) -> None:
        self._steady, self._fails = steady, fails

    async def generate(self, prefix: Prefix, **keys: Any) -> Any:
        return await self._unless_lost(self._steady.generate(prefix, **keys))

    async def score(self, question: str, steps: list[str]) -> Any:
        return await self._unless_lost(self._steady.score(question, steps))

    async def _unless_lost(self, answer: Awaitable[Any]) -> Any:
        given = await answer
        if self._fails():
            raise ServerLostError("down")
        return given


class Cluster:
    """The models of a world on `counts` servers a role, of which one each never fails. The others
    fail as `schedule` says, in the order of all their answers, and are back at once."""

    def __init__(self, world: World, counts: list[int], schedule: list[bool], steady: int) -> None:
        self._schedule = iter(schedule)
        self.losses = 0
        self.roles = []
        clients = []
        for model, count in zip((world.draft, world.target, world.scorer), counts, strict=True):
            servers: list[Any] = [Server(str(n)) for n in range(count)]
            self.roles.append(Replicas(servers, INFO, cool_down_s=0))
            clients.append(
                [model if n == steady % count else Flaky(model, self._fails) for n in range(count)]
            )
        self.draft: Any = ReplicatedGenerator(self.roles[0], clients[0])
        self.target: Any = ReplicatedGenerator(self.roles[1], clients[1])
        self.scorer: Any = ReplicatedScorer(self.roles[2], clients[2])

    def _fails(self) -> bool:
        lost = next(self._schedule, False)
        self.losses += lost
        return lost


async def decode(models: World | Cluster) -> list[list[Step]]:
    """The steps of all queries, decoded at the same time."""
    strategy = rsd(models.draft, models.target, models.scorer, sampling=GREEDY)

    async def problem(query: Query) -> list[Step]:
        with one_problem():
            return await collect(strategy, query)

    return await asyncio.gather(*map(problem, QUERIES))


async def decode_on(cluster: Cluster) -> list[list[Step]]:
    steps = await decode(cluster)
    for replicas in cluster.roles:
        assert set(replicas.problems) == {0}
        await replicas.aclose()
    return steps


@settings(max_examples=60, deadline=None)
@given(
    number=st.integers(0, 10**6),
    counts=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    schedule=st.lists(st.booleans(), max_size=60),
    steady=st.integers(0, 5),
)
def test_losses_never_change_a_result(
    number: int, counts: list[int], schedule: list[bool], steady: int
) -> None:
    alone = asyncio.run(decode(World(number)))
    cluster = Cluster(World(number, pauses=True), counts, schedule, steady)
    assert asyncio.run(decode_on(cluster)) == alone


def test_the_property_is_not_vacuous() -> None:
    cluster = Cluster(World(3, pauses=True), [3, 2, 3], [True, False] * 30, 1)
    asyncio.run(decode_on(cluster))
    assert cluster.losses > 5
