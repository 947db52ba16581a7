"""Server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Send

_KEEP_ALIVE = ": keep-alive\n\n"


class EventStream:
    """Sends events. The answer begins with the first one, so that what fails before it can still
    be refused with its own status.

    With `at_once` all are sent together at the end: HTTP/1.0 has no chunks.
    """

    def __init__(self, send: Send, *, at_once: bool = False) -> None:
        self.begun = False
        self._send = send
        self._kept: list[str] | None = [] if at_once else None
        self._order = asyncio.Lock()  # several answers of one request write
        self._last_sent = asyncio.get_running_loop().time()

    async def send(self, *events: Mapping[str, Any]) -> None:
        """Send `events`, each named by its `type` if it has one, as those of `/v1/responses` do."""
        for event in events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            await self._write(f"{name}data: {json.dumps(event)}\n\n", more=True)

    async def end(self, *, done: bool) -> None:
        """Send the last event, `[DONE]` if `done`, and end the answer."""
        await self._write("data: [DONE]\n\n" if done else "", more=False)

    @asynccontextmanager
    async def kept_alive(self, seconds: float) -> AsyncIterator[None]:
        """Send a comment whenever nothing was sent for `seconds`, so that no proxy or client takes
        the connection for dead; it also begins the answer."""
        if self._kept is not None:
            yield
            return
        keeping = asyncio.create_task(self._keep_alive(seconds))
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep_alive(self, seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            left = self._last_sent + seconds - clock()
            if left > 0:
                await asyncio.sleep(left)
            else:
                await self._write(_KEEP_ALIVE, more=True)

    async def _write(self, text: str, *, more: bool) -> None:
        async with self._order:
            self._last_sent = asyncio.get_running_loop().time()
            length = []
            if self._kept is not None:
                self._kept.append(text)
                if more:
                    return
                text = "".join(self._kept)
                length = [(b"content-length", str(len(text.encode())).encode())]
            if not self.begun:
                self.begun = True
                headers = [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                    *length,
                ]
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
            await self._send(body)
