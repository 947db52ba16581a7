"""Requests for one server, put together while others are under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from rsd.backends.retries import note
from rsd.errors import RsdError, ServerLostError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Coalescing(Generic[Item, Answer]):
    """Asks for single items by `ask`, which takes several and answers in their order.

    An item that comes while fewer than `under_way` requests are goes out at once; the others wait
    for one of them to end and go out together, at most `largest` in a request. So nothing is held
    back from a server that is idle.

    If a request of several fails, each is asked for on its own, so that none fails for its
    neighbour; a server that is lost is lost for all. A caller who is cancelled leaves the others
    as they are; a request that nobody waits for any more is cancelled.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        under_way: int = 2,
        largest: int = 64,
    ) -> None:
        self._ask = ask
        self._under_way = under_way
        self._largest = largest
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._requests: set[asyncio.Task[None]] = set()

    async def __call__(self, item: Item) -> Answer:
        """The answer to `item`. Raises what asking for it raises."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._send()
        try:
            return await answer
        except _Together:
            note(retries=1)
            (alone,) = await self._ask([item])
            return alone

    def _send(self) -> None:
        while len(self._requests) < self._under_way and (together := self._next()):
            request = asyncio.create_task(self._request(together))
            self._requests.add(request)
            request.add_done_callback(self._ended)
            answers = [answer for _, answer in together]
            for answer in answers:
                answer.add_done_callback(partial(_cancel_if_unwanted, request, answers))

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        """The first of those that wait, as many as go in a request."""
        together: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(together) < self._largest:
            item, answer = self._waiting.popleft()
            if not answer.cancelled():
                together.append((item, answer))
        return together

    def _ended(self, request: asyncio.Task[None]) -> None:
        self._requests.discard(request)
        self._send()

    async def _request(self, together: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            found = await self._ask([item for item, _ in together])
        except Exception as error:
            apart = len(together) > 1 and isinstance(error, RsdError) and not _is_lost(error)
            for _, answer in together:
                if not answer.done():
                    answer.set_exception(_Together() if apart else error)
        else:
            for (_, answer), value in zip(together, found, strict=True):
                if not answer.done():
                    answer.set_result(value)


class _Together(Exception):
    """A request of several has failed: each caller asks for its own item."""


def _is_lost(error: RsdError) -> bool:
    return isinstance(error, ServerLostError)


def _cancel_if_unwanted(
    request: asyncio.Task[None],
    answers: Sequence[asyncio.Future[Answer]],
    _: asyncio.Future[Answer],
) -> None:
    if all(answer.cancelled() for answer in answers):
        request.cancel()
