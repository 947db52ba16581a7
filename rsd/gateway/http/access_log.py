"""What every request passes first: its id, its deadline, and a line in the log."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rsd.errors import printable
from rsd.gateway.errors import FAILED, REFUSAL, GatewayError
from rsd.gateway.http.connection import DEADLINE

log = logging.getLogger(__name__)
access = logging.getLogger("rsd.gateway.access")

CLIENT_CLOSED_REQUEST = 499
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LONGEST_LOGGED = 300  # characters of a path or a reason


class AccessLogMiddleware:
    """Logs every request with its status, and the reason if it was refused. A defect is logged,
    and told if nothing was sent. HEAD is answered as GET; the server leaves out the body.

    Pure ASGI: a wrapped `receive` would hide a client that leaves.
    """

    def __init__(self, app: ASGIApp, *, deadline_s: float) -> None:
        self._app = app
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        state = scope.setdefault("state", {})
        state[DEADLINE] = asyncio.get_running_loop().time() + self._deadline_s
        status = 0
        clock = time.perf_counter()

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            await self._app({**scope, "method": method}, receive, named)
        except Exception as error:
            if status:
                raise
            log.error("a request failed", exc_info=error)
            await GatewayError(500, FAILED).response()(scope, receive, named)
        finally:
            reason = state.get(REFUSAL, "")
            if not reason and scope["method"] == "OPTIONS" and status == 400:
                reason = "the preflight asks for what gateway.allowed_origins does not allow"
            access.info(
                "%s %s %s %d %.3fs %s%s",
                (scope.get("client") or ("-",))[0],
                scope["method"],
                printable(scope["path"])[:_LONGEST_LOGGED],
                status or CLIENT_CLOSED_REQUEST,
                time.perf_counter() - clock,
                request_id,
                printable(f": {reason}"[:_LONGEST_LOGGED]) if reason else "",
            )
