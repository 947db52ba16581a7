"""Refusals: what a client is told when its request is not answered, in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rsd.errors import RsdError
from rsd.types import Role

FAILED = "the gateway failed on this request; its log says why"
REFUSAL = "refusal"
"""Key of the request's `scope["state"]`: why it was refused, for the log."""
SHOWN = 100
"""So many characters of a client's own text may be repeated in a message."""

_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


class GatewayError(RsdError):
    """A refusal: HTTP `status` and the fields of OpenAI's error object.

    The message names no machine behind the gateway. `logged` replaces it in the log where it may
    repeat a part of a prompt.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        logged: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        self.logged = message if logged is None else logged

    def fields(self) -> dict[str, Any]:
        """OpenAI's error object."""
        other = "invalid_request_error" if self.status < 500 else "server_error"
        kind = _KINDS.get(self.status, other)
        return {"message": str(self), "type": kind, "param": self.param, "code": self.code}

    def response(self) -> Response:
        return _Refusal(self)


class _Refusal(Response):
    """The answer to a refused request. Its reason is left in the request's state."""

    def __init__(self, error: GatewayError) -> None:
        body = json.dumps({"error": error.fields()})
        super().__init__(body, error.status, error.headers, "application/json")
        self._reason = error.logged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[REFUSAL] = self._reason
        await super().__call__(scope, receive, send)


class LostServer(RsdError):
    """The server of `role` failed while it worked on a request."""

    def __init__(self, role: Role, message: str) -> None:
        super().__init__(message)
        self.role = role


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """JSON in ASCII: what a client sent and is told again need not be valid Unicode."""
    return Response(json.dumps(body), status, media_type="application/json")
