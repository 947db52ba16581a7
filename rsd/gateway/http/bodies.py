"""Bodies of requests, read whole within limits of size, time and number before they are parsed."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import numpy as np
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsd.config import GatewayConfig
from rsd.gateway.errors import GatewayError
from rsd.gateway.http.access_log import CLIENT_CLOSED_REQUEST
from rsd.gateway.http.authentication import API

_LARGE = 32 * 1024  # bytes
_LONGEST_LENGTH = 18  # digits of a Content-Length
_SEPARATORS = (b",", b"[", b"{", b":")  # every JSON value but the outermost follows one
_IS_SEPARATOR = np.isin(np.arange(256), np.frombuffer(b"".join(_SEPARATORS), np.uint8))


class BodyLimitMiddleware:
    """Gives the application each body of `/v1/` as one message, or refuses it."""

    def __init__(self, app: ASGIApp, *, policy: GatewayConfig) -> None:
        self._app = app
        self._policy = policy
        self._large_bodies = 0  # that are arriving
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http" and scope["path"].startswith(API):
                receive = await self._read(Headers(scope=scope), receive)
        except GatewayError as error:
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _read(self, headers: Headers, receive: Receive) -> Receive:
        """Read the body; gives what replays it, and then the connection."""
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or len(announced) > _LONGEST_LENGTH:
            raise GatewayError(400, "Content-Length is not a number of bytes")
        self._refuse_long(int(announced))
        seconds = self._policy.body_timeout_s
        try:
            async with asyncio.timeout(seconds):
                body = await self._whole(receive)
        except TimeoutError:
            raise GatewayError(408, f"no whole body within {seconds:g} s") from None
        await self._refuse_many_values(body)
        left = iter([{"type": "http.request", "body": body, "more_body": False}])
        del body

        async def replay() -> Message:
            return next(left, None) or await receive()

        return replay

    async def _whole(self, receive: Receive) -> bytes:
        body, large = bytearray(), False
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GatewayError(CLIENT_CLOSED_REQUEST, "the body broke off")
                body += message.get("body", b"")
                self._refuse_long(len(body))
                if len(body) > _LARGE and not large:
                    self._refuse_crowd()
                    self._large_bodies += 1
                    large = True
                if not message.get("more_body", False):
                    return bytes(body)
        finally:
            self._large_bodies -= large

    def _refuse_long(self, size: int) -> None:
        most = self._policy.max_body_bytes
        if size > most:
            raise GatewayError(413, f"the body is larger than {most} bytes", code="body_too_large")

    def _refuse_crowd(self) -> None:
        if self._large_bodies >= self._policy.max_large_bodies:
            raise GatewayError(
                503,
                f"{self._large_bodies} large bodies are arriving already; try again later",
                code="too_many_large_bodies",
                headers={"Retry-After": "1"},
            )

    async def _refuse_many_values(self, body: bytes) -> None:
        """Large bodies take turns, one in a round of the event loop, so that other requests are
        answered between two of them."""
        most = self._policy.max_body_values
        async with self._turn if len(body) > _LARGE else nullcontext():
            if more_values(body, most):
                message = f"the body holds more than {most} JSON values"
                raise GatewayError(400, message, code="too_many_values")
            await asyncio.sleep(0)


def more_values(body: bytes, most: int) -> bool:
    """Whether a JSON document holds more than `most` values, keys of objects counted too. It is
    counted without parsing it, in a time that does not depend on how it is nested; of what is not
    valid JSON the result is an estimate."""
    if sum(map(body.count, _SEPARATORS)) < most:
        return False
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"")  # each quote begins or ends a text
    characters = np.frombuffer(bare, np.uint8)
    in_text = np.bitwise_xor.accumulate(characters == ord('"'))
    return int(np.count_nonzero(_IS_SEPARATOR[characters] & ~in_text)) >= most
