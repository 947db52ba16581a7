"""The problem that requests are of.

Its session goes with each request, so that a router before several servers keeps the problem where
its prefix is cached, and a server knows how many problems it is asked for.

    with one_problem("math500/7/0"):
        ...  # all requests in here are of one problem, also those of tasks started in here
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

HEADER = "X-Session-ID"


@dataclass(slots=True, eq=False)
class _Session:
    header: dict[str, str]
    loads: dict[Load, None] = field(default_factory=dict)
    over: bool = False


_session: ContextVar[_Session | None] = ContextVar("session", default=None)


class Load:
    """How many problems a server is asked for at the moment."""

    problems = 0

    def join(self) -> None:
        """A request of the current problem goes to the server."""
        session = _session.get()
        if session is not None and not session.over and self not in session.loads:
            session.loads[self] = None
            self.problems += 1


@contextmanager
def one_problem(name: str | None = None) -> Iterator[None]:
    """Requests inside the block are of one problem. The same name gives the same session, None
    one of its own."""
    identity = hashlib.blake2s(name.encode()).hexdigest()[:32] if name else uuid.uuid4().hex
    session = _Session({HEADER: identity})
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)
        session.over = True
        for load in session.loads:
            load.problems -= 1


def session_header() -> dict[str, str]:
    """The header of the current problem's requests; none outside of `one_problem`."""
    session = _session.get()
    return session.header if session else {}
