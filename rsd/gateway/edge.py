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
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsd.config import is_loopback
from rsd.gateway.errors import FAILED, GatewayError

log = logging.getLogger(__name__)
access = logging.getLogger("rsd.gateway.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_BODY_S = 30.0
_GUARDED = "/v1/"
CLIENT_CLOSED_REQUEST = 499


class Edge:
    """`keys` are the accepted API keys, none if no key is asked for."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[str], max_body_bytes: int) -> None:
        self._app = app
        self._keys = [_digest(key) for key in keys]
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
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
        given = _digest(key.strip())
        right = [hmac.compare_digest(given, known) for known in self._keys]
        if scheme.lower() != "bearer" or not any(right):
            raise GatewayError(
                401,
                "give a valid API key as Authorization: Bearer KEY",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, headers: Headers, receive: Receive) -> Receive:
        """Read the body as far as the limit; gives what replays it, and then the connection."""
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._max_body_bytes:
            raise self._too_large()
        body, messages = 0, []
        try:
            async with asyncio.timeout(_BODY_S):
                while True:
                    message = await receive()
                    messages.append(message)
                    body += len(message.get("body", b""))
                    if body > self._max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise GatewayError(408, f"no whole body within {_BODY_S:g} s") from None
        left = iter(messages)

        async def replay() -> Message:
            return next(left, None) or await receive()

        return replay

    def _too_large(self) -> GatewayError:
        return GatewayError(
            413, f"the body is larger than {self._max_body_bytes} bytes", code="body_too_large"
        )


def _digest(key: str) -> bytes:
    """Of one length, so that a comparison tells nothing of a key's."""
    return hashlib.sha256(key.encode(errors="replace")).digest()
