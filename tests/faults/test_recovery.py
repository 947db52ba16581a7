"""What waits while a role is lost, and when it goes on; with servers made up here."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from rsd.backends import Backoff, CircuitBreaker, RetryStatistics, Server, counting_retries
from rsd.errors import ServerChangedError, ServerLostError, UnusableAnswerError


class MadeUpServer:
    """Answers while it is `up`; `looks` counts how often it was asked whether it does."""

    def __init__(self) -> None:
        self.up = True
        self.changed = False
        self.looks = 0
        self.sent = 0

    async def confirm(self) -> None:
        self.looks += 1
        await asyncio.sleep(0)
        if not self.up:
            raise ServerLostError("draft server: cannot be reached")
        if self.changed:
            raise ServerChangedError("draft server: serves another model")

    async def work(self) -> str:
        self.sent += 1
        await asyncio.sleep(0)
        if not self.up:
            raise ServerLostError("draft server: cannot be reached")
        return "done"

    def __str__(self) -> str:
        return "draft server"


def breaker_of(server: MadeUpServer) -> CircuitBreaker:
    return CircuitBreaker(cast(Server, server), waits=True)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


async def down_for_some_looks(server: MadeUpServer) -> None:
    before = server.looks
    while server.looks < before + 3:
        await asyncio.sleep(0.001)
    server.up = True


def test_all_wait_and_one_looks(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        server.up = False
        several = [asyncio.create_task(breaker.ask(server.work)) for _ in range(30)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        late = [asyncio.create_task(breaker.ask(server.work)) for _ in range(30)]
        await down_for_some_looks(server)
        assert await asyncio.gather(*several, *late) == ["done"] * 60
        assert server.sent == 30 + 60  # those that found out, and then each once
        assert server.looks <= 6

    with caplog.at_level(logging.WARNING):
        run(test)
    first, last = [record.getMessage() for record in caplog.records]
    assert first == "waiting for a server (Ctrl-C to stop): draft server: cannot be reached"
    assert re.fullmatch(r"draft server is back after \d+ s", last)


def test_the_wait_is_told_of_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CircuitBreaker, "remind_s", 0.0)

    async def test() -> None:
        server = MadeUpServer()
        server.up = False
        working = asyncio.create_task(breaker_of(server).ask(server.work))
        await down_for_some_looks(server)
        await working

    with caplog.at_level(logging.WARNING):
        run(test)
    reminders = [r.getMessage() for r in caplog.records if "is down for" in r.getMessage()]
    assert re.fullmatch(r"draft server is down for \d+ s; waiting \(Ctrl-C to stop\)", reminders[0])


def test_a_wait_counts_as_lost_time_and_the_repetition_once() -> None:
    async def test() -> None:
        server = MadeUpServer()
        server.up = False
        breaker, retries = breaker_of(server), RetryStatistics()
        with counting_retries(retries):
            working = asyncio.create_task(breaker.ask(server.work))
        await down_for_some_looks(server)
        await working
        assert retries.retries == 1
        assert retries.seconds > 0

    run(test)


def test_one_request_tries_before_the_others_go_on() -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        all_at_work = asyncio.Event()
        tries, at_work = 0, 0
        beside: list[int] = []

        async def work() -> str:  # the server answers when looked at, but does no work at first
            nonlocal tries, at_work
            tries += 1
            number = tries
            if number == 5:
                all_at_work.set()
            if 5 < number <= 10:
                beside.append(at_work)
            at_work += 1
            if number <= 5:
                await all_at_work.wait()  # all that find out do so at once
            else:
                await asyncio.sleep(0.001)
            at_work -= 1
            if number < 10:
                raise ServerLostError("draft server: answered 503")
            return "done"

        answers = await asyncio.gather(*(breaker.ask(work) for _ in range(5)))
        assert answers == ["done"] * 5
        assert beside == [0] * 5

    run(test)


def test_an_answer_to_anyone_ends_the_wait() -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        answered = asyncio.Event()

        async def slow() -> str:
            await answered.wait()
            return "done"

        earlier = asyncio.create_task(breaker.ask(slow))
        await asyncio.sleep(0)
        server.up = False
        waiting = [asyncio.create_task(breaker.ask(server.work)) for _ in range(2)]
        while not server.looks:
            await asyncio.sleep(0.001)
        server.up = True
        answered.set()
        assert await asyncio.gather(earlier, *waiting) == ["done"] * 3

    run(test)


def test_a_request_that_brings_servers_down_fails_and_holds_nobody_up() -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        tries = 0

        async def poison() -> str:
            nonlocal tries
            tries += 1
            await asyncio.sleep(0)
            raise ServerLostError("draft server: broke the connection", reached=True)

        with pytest.raises(ServerLostError, match="lost 5 times at this request"):
            await breaker.ask(poison)
        assert tries == 5
        assert await breaker.ask(server.work) == "done"

    run(test)


def test_an_unusable_answer_is_an_answer() -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)

        async def work() -> str:
            raise UnusableAnswerError("draft server: unusable answer")

        with pytest.raises(UnusableAnswerError):
            await breaker.ask(work)
        assert server.looks == 0

    run(test)


def test_another_model_ends_the_wait_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        server.up = False
        working = asyncio.create_task(breaker.ask(server.work))
        while server.looks < 2:
            await asyncio.sleep(0.001)
        server.changed = server.up = True
        with pytest.raises(ServerChangedError):
            await working

    with caplog.at_level(logging.WARNING):
        run(test)
    _, last = [record.getMessage() for record in caplog.records]
    assert last == "not back: draft server: serves another model"


def test_who_gives_up_lets_the_next_one_look() -> None:
    async def test() -> None:
        server = MadeUpServer()
        breaker = breaker_of(server)
        server.up = False
        first, second = (asyncio.create_task(breaker.ask(server.work)) for _ in range(2))
        while server.looks < 2:
            await asyncio.sleep(0.001)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await down_for_some_looks(server)
        assert await second == "done"

    run(test)


def test_pauses_grow_to_a_limit_and_differ() -> None:
    backoff = Backoff(first_s=1, most_s=8, jitter=0.5)
    for number, longest in ((0, 1), (1, 2), (3, 8), (10, 8), (10_000, 8)):
        pauses = {backoff.pause(number) for _ in range(20)}
        assert len(pauses) > 1
        assert all(longest / 2 <= pause <= longest for pause in pauses)
