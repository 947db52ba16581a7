"""Who may use the API: clients with a key, or where there are no keys, this machine."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rsd.config import is_loopback
from rsd.gateway.errors import GatewayError

API = "/v1/"
"""Paths below it are guarded by keys."""


class AuthenticationMiddleware:
    """`keys` are the accepted API keys, none if no key is asked for."""

    def __init__(self, app: ASGIApp, *, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [_digest(key.encode(errors="surrogateescape")) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if scope["type"] == "http":
                headers = Headers(scope=scope)
                self._check_host(headers)
                self._check_key(scope["path"], headers)
        except GatewayError as error:
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        """Without keys, only requests to a loopback name are answered: a foreign page in a browser
        on this machine could otherwise use the gateway by a host name that resolves to it."""
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
        if not self._keys or not path.startswith(API):
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


def _digest(key: bytes) -> bytes:
    """Of one length, so that the time of a comparison tells nothing of a key."""
    return hashlib.sha256(key).digest()
