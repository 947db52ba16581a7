"""A client's connection: HTTP/1.1 by uvicorn and httptools, with limits that uvicorn lacks: on a
request's head and its time, on the number of connections, and on how long an answer stays unread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rsd.config import GatewayConfig

log = logging.getLogger(__name__)

DEADLINE = "deadline"
"""Key of the request's `scope["state"]`: the time, by the event loop's clock, when the last byte of
its answer must be sent."""

_CHECK_S = 0.5  # how often the time limits are checked
_LAST_WORDS_S = 1.0  # after the deadline, to tell the client of it
_REFUSED_BODIES = 16  # of a refused body so many times the largest allowed are read
_PIECE = 4096  # bytes given to the parser at a time
_MOST_PIECES = 10_000  # of a body: chunks, or what arrived at once


class LimitedConnection(HttpToolsProtocol):
    """A connection that is closed when it exceeds a limit of `policy`.

    When `max_connections` are open, a new one replaces one whose request has not wholly arrived:
    first those that never had an answer, and of these the one that has waited longest.
    """

    def __init__(self, *, policy: GatewayConfig, **options: Any) -> None:
        super().__init__(**options)
        self._policy = policy
        self._answered = 0
        self._arrived = False  # the current request has, wholly
        self._in_body = False
        self._deaf = False
        self._pieces = 0  # of the body that is arriving
        self._unparsed = 0  # bytes since the last whole head or piece of a body
        self._head_due: float | None = None
        self._unsent = 0  # bytes in the transport's buffer at the last check
        self._waiting_since = self._last_moved = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_due = self.loop.time() + self._policy.header_timeout_s
        self._timer = self.loop.call_later(_CHECK_S, self._check_times)
        if len(self.connections) > self._policy.max_connections and not self._make_room():
            self._refuse(503, "Service Unavailable", "too many connections; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """A client that closes its side before it has its answer has left. Its work stops at once,
        even if unread bytes would keep the connection open."""
        if self._in_work():
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _PIECE):
            if self._deaf or self.transport.is_closing():
                return
            piece = data[start : start + _PIECE]
            self._unparsed += len(piece)
            super().data_received(piece)
            if self._unparsed > self._most_unparsed():
                self._refuse(431, "Request Header Fields Too Large", "the headers are too large")
        if self._head_due is None and not self._in_work() and not self._in_body:
            self._head_due = self.loop.time() + self._policy.header_timeout_s

    def on_headers_complete(self) -> None:
        """Called by the parser, which passes an exception to `send_400_response`."""
        if self._in_work():
            raise ValueError("a request before the last one is answered")
        self._unparsed = self._pieces = 0
        self._head_due = None
        super().on_headers_complete()  # raises for an invalid address, which is then a 400
        self._in_body = True

    def send_400_response(self, msg: str) -> None:
        """Called for bytes that are not HTTP. A pipelined request, sent before the last one is
        answered, is not read: the connection closes after that answer, and the client may ask
        again. (uvicorn would keep all of them, and not notice when their client leaves.)"""
        if self._in_work() and self._arrived:
            self._deaf = True
            self.cycle.keep_alive = False
        elif self._in_body and not self._in_work():  # the rest of a refused body
            self.transport.close()
        else:
            super().send_400_response(msg)

    def on_body(self, body: bytes) -> None:
        self._pieces += 1
        if self._pieces > _MOST_PIECES:
            raise ValueError("a body in too small chunks")
        if self._in_work():
            self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed = 0
        self._in_body = False
        self._arrived = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._answered += 1
        self._arrived = False
        self._waiting_since = self.loop.time()
        if self._in_body:  # the rest of a refused body
            self._head_due = self._waiting_since + self._policy.header_timeout_s
        super().on_response_complete()

    def resume_writing(self) -> None:
        self._last_moved = self.loop.time()
        super().resume_writing()

    def _most_unparsed(self) -> int:
        """More of a refused body is read, so that its client gets to read the reason."""
        if self._in_body and not self._in_work():
            return _REFUSED_BODIES * self._policy.max_body_bytes
        return self._policy.max_header_bytes

    def _in_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _make_room(self) -> bool:
        """Close the other connection that can best be spared. False if all are in work."""
        waiting = [
            each
            for each in self.connections
            if isinstance(each, LimitedConnection)
            and each is not self
            and not each._arrived
            and not each.transport.is_closing()
        ]
        if waiting:
            spared = min(waiting, key=lambda each: (each._answered > 0, each._waiting_since))
            spared.transport.abort()
        return bool(waiting)

    def _check_times(self) -> None:
        """End the connection if one of its time limits has passed."""
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent:
            self._last_moved = now
        self._unsent = unsent
        due = None if self.cycle is None else self.cycle.scope["state"].get(DEADLINE)
        late = due is not None and now > due + _LAST_WORDS_S and (unsent or self._in_work())
        if late or now > self._last_moved + self._policy.send_timeout_s:
            log.info("closed a connection whose client did not read its answer in time")
            self.transport.abort()
            return
        if self._head_due is not None and now > self._head_due and not self._in_work():
            self._refuse(408, "Request Timeout", "no whole request in time")
        self._timer = self.loop.call_later(_CHECK_S, self._check_times)

    def _refuse(self, status: int, phrase: str, why: str) -> None:
        """Close. The client is told why unless it gets an answer or had one to this request."""
        if not (self._in_work() or self._in_body or self.transport.is_closing()):
            log.info("refused a connection: %d, %s", status, why)
            head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: text/plain\r\n"
            rest = f"content-length: {len(why)}\r\nconnection: close\r\n\r\n{why}"
            self.transport.write((head + rest).encode())
        self.transport.close()
