"""What a client is told when its request is not answered, in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from rsd.errors import RsdError
from rsd.types import Role

INVALID = "invalid_request_error"
SERVER = "server_error"
FAILED = "the gateway failed on this request; its log says why"


class GatewayError(RsdError):
    """A refusal: HTTP `status` and the fields of OpenAI's error object. The message says nothing
    of the machines behind the gateway."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        kind = _KINDS.get(self.status, INVALID if self.status < 500 else SERVER)
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}

    def event(self) -> dict[str, Any]:
        """The event that ends a stream: the body, and in it the status, which no header has."""
        return {"error": {**self.body()["error"], "status": self.status}}

    def response(self) -> Response:
        return json_response(self.body(), self.status, self.headers)


class LostServer(RsdError):
    """The server of `role` failed while it worked on a request."""

    def __init__(self, role: Role, message: str) -> None:
        super().__init__(message)
        self.role = role


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON in ASCII: what a client sent and is told again need not be valid Unicode."""
    return Response(json.dumps(body), status, dict(headers or {}), "application/json")


_KINDS = {401: "authentication_error", 429: "rate_limit_error"}
