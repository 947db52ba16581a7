"""What every request passes: its id, the limit of its body, its key, and a line in the log.

Pure ASGI: a wrapped `receive` would hide a client that leaves.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsd.config import GatewayConfig, is_loopback
from rsd.gateway.errors import FAILED, GatewayError
from rsd.gateway.http.connection import DEADLINE

log = logging.getLogger(__name__)
access = logging.getLogger("rsd.gateway.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LARGE_BODY = 32 * 1024  # bytes
_LONGEST_LENGTH = 18  # digits of a Content-Length
_SEPARATORS = (b",", b"[", b"{", b":")  # every JSON value but the outermost follows one
_IS_SEPARATOR = np.isin(np.arange(256), np.frombuffer(b"".join(_SEPARATORS), np.uint8))
_GUARDED = "/v1/"
CLIENT_CLOSED_REQUEST = 499


class RequestMiddleware:
    """`keys` are the accepted API keys, none if no key is asked for."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[str], policy: GatewayConfig) -> None:
        self._app = app
        self._keys = [_digest(key.encode(errors="surrogateescape")) for key in keys]
        self._policy = policy
        self._large_bodies = 0  # that are arriving
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        deadline = asyncio.get_running_loop().time() + self._policy.deadline_s
        scope.setdefault("state", {}).update({"request_id": request_id, DEADLINE: deadline})
        status = CLIENT_CLOSED_REQUEST
        clock = time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            try:
                self._check_host(headers)
                self._check_key(scope["path"], headers)
                if scope["path"].startswith(_GUARDED):
                    receive = await self._read(headers, receive)
            except GatewayError as error:
                await error.response()(scope, receive, named)
            else:
                await self._answer(scope, receive, named)
        finally:
            seconds = time.perf_counter() - clock
            access.info(
                "%s %s %s %d %.3fs %s",
                (scope.get("client") or ("-",))[0],
                scope["method"],
                scope["path"].encode("unicode_escape").decode()[:200],
                status,
                seconds,
                request_id,
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer. A defect of it is logged, and told if nothing was sent."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun:
                raise
            log.error("a request failed", exc_info=error)
            await GatewayError(500, FAILED).response()(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """Without keys, only requests to a loopback name are answered: a foreign page in a browser
        on this machine could otherwise ask by a name of its own that leads here."""
        if self._keys:
            return
        try:
            host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        except ValueError:
            host = ""
        if not is_loopback(host):
            raise GatewayError(
                403,
                "without API keys only requests to localhost or 127.0.0.1 are answered; set keys",
                code="host_not_allowed",
            )

    def _check_key(self, path: str, headers: Headers) -> None:
        """Every key is compared, in constant time each."""
        if not self._keys or not path.startswith(_GUARDED):
            return
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = _digest(key.strip().encode("latin-1"))  # the bytes that the client sent
        right = [hmac.compare_digest(given, known) for known in self._keys]
        if scheme.lower() != "bearer" or not any(right):
            raise GatewayError(
                401,
                "give a valid API key as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, headers: Headers, receive: Receive) -> Receive:
        """Read the body within the limits; gives what replays it, and then the connection."""
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
                if len(body) > _LARGE_BODY and not large:
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

    async def _refuse_many_values(self, body: bytes) -> None:
        """Large bodies take their turns, one in a round of the event loop, so that others are
        answered between two of them."""
        most = self._policy.max_body_values
        async with self._turn if len(body) > _LARGE_BODY else nullcontext():
            if more_values(body, most):
                raise GatewayError(
                    400, f"the body holds more than {most} JSON values", code="too_many_values"
                )
            await asyncio.sleep(0)

    def _refuse_crowd(self) -> None:
        if self._large_bodies >= self._policy.max_large_bodies:
            raise GatewayError(
                503,
                f"{self._large_bodies} large bodies are arriving already; try again later",
                code="too_many_large_bodies",
                headers={"Retry-After": "1"},
            )


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


def _digest(key: bytes) -> bytes:
    """Of one length, so that the time of a comparison tells nothing of a key."""
    return hashlib.sha256(key).digest()
