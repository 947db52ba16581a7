"""Servers that serve another model than they did, or ids that are not those of their text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from fault_proxy import FaultProxy, Schedule
from faults.test_requests import disturbed_server, work

from rsd.backends import Server, ServerInfo
from rsd.errors import ServerChangedError, UnusableAnswerError


async def _after_a_fault(server: Server, proxy: FaultProxy) -> None:
    proxy.schedule = Schedule(seed=0, rate=1, kinds=["reset"], most=1)
    await work(server)


async def _after_a_pause(server: Server, proxy: FaultProxy) -> None:
    server._sure_until = 0.0  # as if nothing had been asked for a while
    await work(server)


async def _while_it_is_busy(server: Server, proxy: FaultProxy) -> None:
    server._confirm_at = 0.0  # as if it had been at work for a minute
    await work(server)


async def _by_its_answer(server: Server, proxy: FaultProxy) -> None:
    proxy.schedule = Schedule(seed=0, rate=1, kinds=["another model"], most=1)
    await work(server)


HOW = [_after_a_fault, _after_a_pause, _while_it_is_busy, _by_its_answer]


@pytest.mark.parametrize("how", HOW)
def test_another_model_behind_the_name_is_found_out(
    how: Callable[[Server, FaultProxy], Awaitable[None]],
) -> None:
    async def asked() -> None:
        async with disturbed_server("target") as (proxy, server):
            await work(server)
            proxy.model = "another"
            with pytest.raises(ServerChangedError, match="target server at .* serves another with"):
                await how(server, proxy)

    asyncio.run(asked())


def test_a_server_at_work_is_asked_what_it_serves_once_a_minute() -> None:
    async def asked() -> None:
        async with disturbed_server("target") as (_, server):
            looks = 0
            described = server._described

            async def looked() -> ServerInfo:
                nonlocal looks
                looks += 1
                return await described()

            server._described = looked  # type: ignore[method-assign]
            await work(server)
            assert looks == 0
            server._confirm_at = 0.0
            await asyncio.gather(*(work(server) for _ in range(5)))
            assert looks == 1

    asyncio.run(asked())


def test_ids_that_contradict_the_text_are_not_believed_until_they_agree() -> None:
    async def asked() -> None:
        async with disturbed_server("draft") as (proxy, server):
            assert await work(server) == "a"
            proxy.change = swapped
            with pytest.raises(UnusableAnswerError, match="'a' is not that of its token ids"):
                await work(server)
            proxy.change = None
            assert await work(server) == "a"

    asyncio.run(asked())


def swapped(path: str, asked: bytes, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Token ids of another text, of which no other part of the answer tells."""
    if path != "/v1/completions":
        return head, body
    answer = json.loads(body)
    for choice in answer["choices"]:
        choice["token_ids"] = [token + 1 for token in choice["token_ids"]]
    return head, json.dumps(answer).encode()
