"""Several servers of one role, each as good as the others.

A problem stays with one replica of each role, where its prefix is cached. A new problem goes to
the replica with the fewest. When a replica is lost its problems move to the others; a lost one is
looked at again from time to time, and gets new problems once it answers with the same model.

    with one_problem():
        ...  # all requests in here are of one problem, also those of tasks started in here
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from rsd.backends.retries import note
from rsd.backends.server import Server, ServerInfo
from rsd.errors import (
    ConfigError,
    RsdError,
    ServerChangedError,
    ServerLostError,
    UnusableAnswerError,
)

log = logging.getLogger(__name__)

COOL_DOWN_S = 5.0
_LOOK_S = 10.0
_MOST_LOSSES = 2
_BUSY = 4  # problems among which a stream makes others wait (docs/speed.md, Lookahead)

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Problem:
    """Where a problem is: the number of its replica, for each role that it asked."""

    at: dict[Replicas, int] = field(default_factory=dict)
    over: bool = False


_problem: ContextVar[_Problem | None] = ContextVar("problem", default=None)


@contextmanager
def one_problem() -> Iterator[None]:
    """Requests inside the block stay with one replica of each role, and count as its load."""
    problem = _Problem()
    token = _problem.set(problem)
    try:
        yield
    finally:
        _problem.reset(token)
        problem.over = True
        for replicas, place in problem.at.items():
            replicas.leave(place)


@dataclass(slots=True)
class _State:
    """What is known of a replica: its problems, why it is lost (None: it is not), and when to
    look at a lost one again."""

    problems: int = 0
    lost: RsdError | None = None
    look_at: float = 0.0
    looking: asyncio.Task[bool] | None = None


class Replicas:
    """The `servers` of a role. `info` is what each must serve; `lost` tells of those that do not
    answer, by their place, why.

    A lost one is looked at every `cool_down_s` seconds while there is work.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        info: ServerInfo,
        lost: Mapping[int, RsdError] | None = None,
        *,
        cool_down_s: float = COOL_DOWN_S,
    ) -> None:
        self.servers = tuple(servers)
        self.info = info
        self._cool_down_s = cool_down_s
        self._states = [_State() for _ in servers]
        for place, error in (lost or {}).items():
            self._lose(place, error)

    @property
    def present(self) -> tuple[Server, ...]:
        """The servers that are not lost, as far as is known."""
        states = zip(self.servers, self._states, strict=True)
        return tuple(server for server, state in states if state.lost is None)

    @property
    def problems(self) -> tuple[int, ...]:
        """How many problems each server has now."""
        return tuple(state.problems for state in self._states)

    def is_busy(self, place: int) -> bool:
        """Whether the server at `place` has more than a few problems, as `one_problem` tells."""
        return self._states[place].problems > _BUSY

    async def ask(self, request: Callable[[int], Awaitable[T]]) -> T:
        """What `request` gives for the place of the problem's replica, or if that fails to give
        a usable answer, for another place; each is tried at most once.

        Raises the last failure when none is left that could be asked, or when a second server was
        lost at work on this very request, which may be what brings them down. An error that says
        what is wrong with the request passes through. Outside of `one_problem` each request is a
        problem of its own.
        """
        problem = _problem.get()
        if len(self.servers) == 1:
            if problem is not None:
                self._settle(problem, 0)
            return await request(0)
        if problem is None or problem.over:
            with one_problem():
                return await self.ask(request)
        tried: set[int] = set()
        losses = 0
        failure: RsdError | None = None
        while True:
            place = await self._place(problem, tried, failure)
            if tried:
                note(retries=1)
            try:
                return await request(place)
            except (ServerLostError, ServerChangedError, UnusableAnswerError) as error:
                tried.add(place)
                if not isinstance(error, UnusableAnswerError):
                    self._lose(place, error)
                if not isinstance(error, ServerChangedError):
                    failure = error
                losses += isinstance(error, ServerLostError) and error.reached
                if len(tried) == len(self.servers) or losses == _MOST_LOSSES:
                    raise

    def leave(self, place: int) -> None:
        """A problem has no more requests for the server at `place`."""
        self._states[place].problems -= 1

    async def aclose(self) -> None:
        """End what goes on in the background; the servers are their opener's."""
        looking = [state.looking for state in self._states if state.looking is not None]
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def _place(self, problem: _Problem, tried: set[int], failure: RsdError | None) -> int:
        """Where to send the problem's next request; not to those `tried`, which are not all.
        `failure` is what it met there. Raises as `_first_back` does."""
        for place, state in enumerate(self._states):
            if state.lost and state.look_at <= time.monotonic():
                self._look(place)
        untried = [place for place in range(len(self.servers)) if place not in tried]
        fit = [place for place in untried if self._states[place].lost is None]
        fit = fit or [await self._first_back(untried, failure)]
        before = problem.at.get(self)
        if before in fit:
            return before
        place = min(fit, key=lambda place: self._states[place].problems)
        self._settle(problem, place)
        return place

    def _settle(self, problem: _Problem, place: int) -> None:
        """The problem is with the server at `place` now."""
        before = problem.at.get(self)
        if before == place or problem.over:
            return
        if before is not None:
            self.leave(before)
        problem.at[self] = place
        self._states[place].problems += 1

    async def _first_back(self, places: Sequence[int], failure: RsdError | None) -> int:
        """The first of the lost servers at `places` that is back. If none is, raises `failure`:
        it tells more of the request than that others are lost. Without it raises why: first of
        all that a server cannot be reached, for it may still come back as it was."""
        clock = time.perf_counter()
        try:
            for place in places:
                if await asyncio.shield(self._look(place)):
                    return place
        finally:
            note(seconds=time.perf_counter() - clock)
        if failure is not None:
            raise failure
        reasons = [state.lost for state in self._states if state.lost]
        down = [reason for reason in reasons if isinstance(reason, ServerLostError)]
        raise [*down, *reasons][0].with_traceback(None)

    def _lose(self, place: int, error: RsdError) -> None:
        state = self._states[place]
        if state.lost is None:
            log.warning("%s; the others take its problems", error)
        state.lost = error
        state.look_at = time.monotonic() + self._cool_down_s

    def _look(self, place: int) -> asyncio.Task[bool]:
        """Look whether a lost server is back; a look that is under way is enough. It is for all
        problems: what it costs is noted for none."""
        state = self._states[place]
        if state.looking is None:
            state.looking = asyncio.create_task(self._is_back(place), context=Context())
        return state.looking

    async def _is_back(self, place: int) -> bool:
        state, server = self._states[place], self.servers[place]
        try:
            async with asyncio.timeout(_LOOK_S):
                info = await checked_info(server)
            if difference := differing(str(server), info, "the others", self.info):
                server.forget()
                raise ServerChangedError(difference)
        except TimeoutError:
            state.lost = ServerLostError(f"{server}: no answer within {_LOOK_S:g} s")
        except RsdError as error:
            state.lost = error
        else:
            log.warning("%s is back", server)
            state.lost = None
        finally:
            state.looking = None
            state.look_at = time.monotonic() + self._cool_down_s
        return state.lost is None


async def open_replicas(servers: Sequence[Server]) -> Replicas:
    """The `servers` of a role, one at least, as replicas. Those that cannot be reached are lost.

    Raises what `checked_info` raises for a server that is there, `ServerLostError` if none is,
    and `ConfigError` for two that differ.
    """
    found = await asyncio.gather(
        *(checked_info(server, server.first_info) for server in servers), return_exceptions=True
    )
    infos: dict[int, ServerInfo] = {}
    lost: dict[int, RsdError] = {}
    for place, result in enumerate(found):
        if isinstance(result, ServerInfo):
            infos[place] = result
        elif isinstance(result, ServerLostError):
            lost[place] = result
        else:
            raise result
    if not infos:
        raise lost[0]
    first = min(infos)
    for place, info in infos.items():
        one, other = str(servers[place]), str(servers[first])
        if difference := differing(one, info, other, infos[first]):
            raise ConfigError(difference)
    return Replicas(servers, infos[first], lost)


async def checked_info(server: Server, info: ServerInfo | None = None) -> ServerInfo:
    """The server's description: `info`, or what it says now. Raises if it serves another model
    than the configuration says."""
    info = info or await server.info()
    wanted = server.config
    if wanted.served_name not in info.served_names:
        raise server.error(
            f"serves {', '.join(info.served_names)}, not {wanted.served_name!r}; "
            f"check served_name and endpoints"
        )
    return info


def differing(one: str, info: ServerInfo, other: str, others: ServerInfo) -> str | None:
    """Why the server called `one` is no replica of those called `other`; None if it is."""
    if (info.model, info.context) == (others.model, others.context):
        return None
    return (
        f"{one} serves {info.model} with a context of {info.context} tokens, {other} "
        f"{others.model} with {others.context}; replicas must serve the same with the same context"
    )
