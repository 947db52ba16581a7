"""Several servers of a role: who gets which problem, and what becomes of it when one is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from backends.replica_fakes import INFO, Role, Server

from rsd.backends import (
    Recovery,
    Replicas,
    RetryStatistics,
    ServerInfo,
    counting_retries,
    one_problem,
)
from rsd.backends.replicas import open_replicas
from rsd.backends.retries import note
from rsd.errors import (
    BackendError,
    ConfigError,
    ContextError,
    RsdError,
    ServerChangedError,
    ServerLostError,
    UnusableAnswerError,
)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_a_problem_stays_where_it_is_with_all_its_tasks() -> None:
    async def main() -> None:
        role = Role(3)
        with one_problem():
            assert await role.ask() == "a"
            with one_problem():
                assert await role.ask() == "b"
            names = await asyncio.gather(*(asyncio.create_task(role.ask()) for _ in range(5)))
            assert set(names) == {"a"}

    run(main())


def test_a_new_problem_goes_where_the_fewest_are_and_of_equals_to_the_first() -> None:
    role = Role(3)
    leave = {name: asyncio.Event() for name in ("one", "two", "three", "four")}

    async def problem(name: str) -> str:
        with one_problem():
            place = await role.ask()
            await leave[name].wait()
            assert await role.ask() == place
            return place

    async def main() -> None:
        tasks = {name: asyncio.create_task(problem(name)) for name in ("one", "two", "three")}
        while role.replicas.problems != (1, 1, 1):
            await asyncio.sleep(0)
        leave["two"].set()
        assert await tasks["two"] == "b"
        assert role.replicas.problems == (1, 0, 1)
        tasks["four"] = asyncio.create_task(problem("four"))
        for event in leave.values():
            event.set()
        assert await tasks["four"] == "b"
        await asyncio.gather(*tasks.values())
        assert role.replicas.problems == (0, 0, 0)

    run(main())


@pytest.mark.parametrize("count", [1, 2])
def test_busy_is_a_server_with_more_than_four_problems(count: int) -> None:
    async def problem(role: Role, leave: asyncio.Event) -> None:
        with one_problem():
            await role.ask()
            await role.ask()
            await leave.wait()

    async def main() -> None:
        role, leave = Role(count), asyncio.Event()
        busy = []
        async with asyncio.TaskGroup() as problems:
            for number in range(1, 6 * count):
                problems.create_task(problem(role, leave))
                while sum(role.replicas.problems) < number:
                    await asyncio.sleep(0)
                busy.append([role.replicas.is_busy(place) for place in range(count)])
            leave.set()
        few = 4 * count
        assert not any(any(each) for each in busy[:few])
        assert busy[few] == [place == 0 for place in range(count)]
        assert all(busy[-1])
        assert not any(role.replicas.is_busy(place) for place in range(count))

    run(main())


def test_a_request_of_no_problem_goes_where_the_fewest_are() -> None:
    async def main() -> None:
        role = Role(2)
        names = await asyncio.gather(*(role.ask() for _ in range(6)))
        assert Counter(names) == {"a": 3, "b": 3}
        assert role.replicas.problems == (0, 0)

    run(main())


def test_the_problems_of_a_lost_replica_move_and_stay_moved() -> None:
    async def main() -> None:
        role = Role(3)
        with one_problem():
            assert await role.ask() == "a"
            lost = role.lose("a")
            assert [await role.ask(), await role.ask()] == ["b", "b"]
            assert role.replicas.problems == (0, 1, 0)
        with one_problem():
            assert await role.ask() == "b"  # of no new problem is it asked
        assert lost.asked == 2

    run(main())


@pytest.mark.parametrize("error", [BackendError, ContextError])
def test_an_error_about_the_request_does_not_move_it(error: type[RsdError]) -> None:
    async def main() -> None:
        role = Role(2)
        role.servers[0].failure = error("no")
        with one_problem():
            for _ in range(2):
                with pytest.raises(error):
                    await role.ask()
        assert role.servers[1].asked == 0

    run(main())


def test_an_unusable_answer_is_asked_for_elsewhere_and_its_server_kept() -> None:
    async def main() -> None:
        role = Role(2)
        role.servers[0].failure = UnusableAnswerError("no number")
        with one_problem():
            assert await role.ask() == "b"
            role.servers[0].failure = None
            with one_problem():
                assert await role.ask() == "a"

    run(main())


def test_a_replica_that_is_back_gets_new_problems(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        role = Role(2, cool_down_s=0)
        lost = role.lose("a")
        with one_problem():
            assert await role.ask() == "b"
            lost.failure = None
            while len(role.replicas.present) < 2:
                assert await role.ask() == "b"
            with one_problem():
                assert await role.ask() == "a"
        await role.replicas.aclose()

    run(main())
    assert [message.split(";")[0] for message in caplog.messages] == ["a is down", "a is back"]


def test_a_replica_is_not_looked_at_before_it_has_cooled_down() -> None:
    async def main() -> None:
        role = Role(2)
        lost = role.lose("a")
        for _ in range(5):
            with one_problem():
                assert await role.ask() == "b"
        assert (lost.asked, lost.looks) == (1, 0)

    run(main())


def test_a_replica_that_is_back_with_another_model_is_left_out() -> None:
    async def main() -> None:
        role = Role(2, cool_down_s=0)
        lost = role.lose("a")
        with one_problem():
            assert await role.ask() == "b"
            lost.failure, lost.serves = None, ServerInfo(("m",), "org/other", 4096)
            while lost.looks < 3:
                assert await role.ask() == "b"
            role.lose("b")
            with pytest.raises(ServerLostError, match="b is down"):
                await role.ask()
            with pytest.raises(ServerLostError, match="b is down"):  # it may still come back
                await role.ask()
        assert lost.asked == 1
        await role.replicas.aclose()

    run(main())


def test_without_any_replica_the_error_is_that_of_a_lost_server_until_one_is_back() -> None:
    async def main() -> None:
        role = Role(3)
        for name in "abc":
            role.lose(name)
        with one_problem():
            for _ in range(2):
                with pytest.raises(ServerLostError, match="is down"):
                    await role.ask()
            assert [server.asked for server in role.servers] == [1, 1, 1]  # then it only looked
            role.servers[1].failure = None
            assert await role.ask() == "b"  # at once, whatever the cool-down
        assert role.replicas.problems == (0, 0, 0)

    run(main())


@pytest.mark.parametrize(
    "met",
    [UnusableAnswerError("b: no number"), ServerLostError("b broke down", reached=True)],
)
def test_what_a_request_met_is_told_and_not_that_the_others_are_lost(met: RsdError) -> None:
    """Whoever waits for lost servers would ask the same of the same server for ever."""

    async def main() -> None:
        role = Role(2)
        role.lose("a")
        with one_problem():
            assert await role.ask() == "b"
            role.servers[1].failure = met
            with pytest.raises(type(met)) as told:
                await role.ask()
        assert told.value is met

    run(main())


def test_an_unusable_answer_fails_its_problem_though_a_lost_replica_may_come_back() -> None:
    async def main() -> None:
        role = Role(2)
        role.lose("a")
        recovery = Recovery([])  # without servers to look at: it would wait for ever
        with one_problem():
            assert await recovery.ask(role.ask) == "b"
            role.servers[1].failure = UnusableAnswerError("b: no number")
            async with asyncio.timeout(20):
                with pytest.raises(UnusableAnswerError):
                    await recovery.ask(role.ask)

    run(main())


def test_looking_for_a_lost_replica_is_no_setback_of_the_problem_that_happens_to_be_there() -> None:
    async def main() -> None:
        role = Role(2, cool_down_s=0)
        lost, retries = role.lose("a"), RetryStatistics()

        async def look() -> ServerInfo:
            lost.looks += 1
            note(retries=2, seconds=5.0)
            raise ServerLostError("a is down")

        lost.info = look  # type: ignore[method-assign]
        with counting_retries(retries), one_problem():
            while not lost.looks:
                assert await role.ask() == "b"
        assert (retries.retries, retries.seconds) == (1, 0.0)  # it moved
        await role.replicas.aclose()

    run(main())


def test_waiting_for_any_replica_is_lost_time_and_no_retry() -> None:
    async def main() -> None:
        role = Role(2)
        role.lose("a")
        role.lose("b")
        with pytest.raises(ServerLostError):
            await role.ask()
        role.servers[1].failure = None
        retries = RetryStatistics()
        with counting_retries(retries):
            assert await role.ask() == "b"
        assert retries.retries == 0
        assert retries.seconds > 0

    run(main())


def test_one_server_alone_is_asked_as_it_is() -> None:
    async def main() -> None:
        role = Role(1)
        server = role.lose("a")
        for _ in range(2):
            with pytest.raises(ServerLostError):
                await role.ask()
        assert (server.asked, server.looks) == (2, 0)

    run(main())


def test_a_request_that_brings_servers_down_is_not_handed_round() -> None:
    async def main() -> None:
        role = Role(4)
        for name in "abcd":
            role.lose(name, reached=True)
        with pytest.raises(ServerLostError):
            await role.ask()
        assert [server.asked for server in role.servers] == [1, 1, 0, 0]

    run(main())


def test_a_cancelled_problem_is_cancelled_at_its_replica_and_no_load_any_more() -> None:
    async def main() -> None:
        ended = []

        async def forever(place: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(place)

        async def problem(role: Role) -> None:
            with one_problem():
                await role.replicas.ask(forever)

        role = Role(2)
        tasks = [asyncio.create_task(problem(role)) for _ in range(3)]
        while role.replicas.problems != (2, 1):
            await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert ended == [0]
        assert role.replicas.problems == (1, 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert role.replicas.problems == (0, 0)

    run(main())


def test_a_request_that_outlives_its_problem_is_no_load_afterwards() -> None:
    async def main() -> None:
        role = Role(2)
        role.lose("a")
        with one_problem():
            late = asyncio.create_task(role.ask())
            await asyncio.sleep(0)
        assert await late == "b"
        assert role.replicas.problems == (0, 0)

    run(main())


def opened(*servers: Server) -> Replicas:
    return asyncio.run(open_replicas(servers))  # type: ignore[arg-type]


def test_replicas_that_are_down_at_the_start_are_lost_and_found_later() -> None:
    servers = [Server("a"), Server("b")]
    servers[0].failure = ServerLostError("a is down")
    replicas = opened(*servers)
    assert [str(server) for server in replicas.present] == ["b"]
    assert replicas.info == INFO
    servers[1].failure = ServerLostError("b is down")
    with pytest.raises(ServerLostError, match="a is down"):
        opened(*servers)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (ServerInfo(("m",), "org/other", 4096), "b serves org/other .* a org/model"),
        (ServerInfo(("m",), "org/model", 2048), "b serves .*2048 tokens, a .*4096"),
    ],
)
def test_replicas_must_serve_the_same(other: ServerInfo, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        opened(Server("a"), Server("b", other))


def test_a_changed_replica_alone_left_ends_the_run() -> None:
    async def main() -> None:
        role = Role(2)
        for server in role.servers:
            server.failure = ServerChangedError(f"{server} serves another model")
        with pytest.raises(ServerChangedError):
            await role.ask()

    run(main())
