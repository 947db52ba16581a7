"""Refusals of bodies that do not validate, and of routes that are not served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from rsd.gateway.errors import SHOWN, GatewayError
from rsd.gateway.http.authentication import API

_CHAT = "call POST /v1/chat/completions"
_INSTEAD = {
    "messages": f"{_CHAT}; Anthropic's API is not spoken here",
    "chat": f"{_CHAT}; nothing is stored here, so nothing can be listed or retrieved",
    "responses": "call POST /v1/responses with the whole conversation; responses are not stored",
    "conversations": "call POST /v1/responses with the whole conversation as input",
    "assistants": f"{_CHAT} with the whole conversation",
    "threads": f"{_CHAT} with the whole conversation",
    "embeddings": "call a server of an embedding model",
    "rerank": "call a server of a reranking model",
    "moderations": "call a server of a moderation model",
    "audio": f"{_CHAT} with text",
    "images": f"{_CHAT} with text",
    "videos": f"{_CHAT} with text",
    "realtime": f"{_CHAT} with stream",
    "batches": f"{_CHAT} for each request; the gateway works on many at once",
    "files": f"{_CHAT} with the text itself",
    "uploads": f"{_CHAT} with the text itself",
}
"""What to call in place of a route, by the first part of its path below `/v1/`."""

_SERVED = "call /v1/chat/completions, /v1/completions, /v1/responses or /v1/models"


def wrong_route(error: HTTPException, method: str, path: str) -> GatewayError:
    """The refusal of a path or method that is not served, or of what else FastAPI raises.

    Below `/v1/` its status is 400: proxies such as LiteLLM stop using a model for all of their
    users after a 404.
    """
    status, code, message = error.status_code, None, str(error.detail)
    if status == 404 and path.startswith(API):
        first = path.removeprefix(API).partition("/")[0]
        what = f"{method} {path[:SHOWN]} is not served here"
        status, code = 400, "unsupported_endpoint"
        message = f"{what}; {_INSTEAD.get(first, _SERVED)}"
    elif status == 404:
        message = "nothing is served at this path; the API is at /v1/"
    elif status == 405:
        code, message = "method_not_allowed", f"{method[:SHOWN]} is not allowed at this path"
        if method == "OPTIONS":
            message += "; pages of other origins need gateway.allowed_origins"
    return GatewayError(status, message, code=code, headers=error.headers)


def invalid_body(error: RequestValidationError) -> GatewayError:
    """The first thing that is wrong with a body. Of what may have several shapes it is the
    complaint that goes deepest: the shape that was meant."""
    first, *others = error.errors()
    if first["type"] == "json_invalid":
        return GatewayError(400, "the body is not valid JSON")
    param = _place(first["loc"], error.body)
    for other in others:
        place = _place(other["loc"], error.body)
        if place[: len(param)] == param and len(place) > len(param):
            first, param = other, place
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown option"
    named = ".".join(str(part)[:SHOWN] for part in param) or None
    what = f"{named}: {message}" if named else f"the body: {message}"
    return GatewayError(400, what, param=named)


def _place(location: Sequence[int | str], body: Any) -> list[int | str]:
    """Where in `body` pydantic's `location` is, without the names of shapes that it tried there,
    and with the name of a field that is missing."""
    place: list[int | str] = []
    for part in location[1:]:
        if isinstance(body, list) and isinstance(part, int):
            body = body[part]
        elif isinstance(body, dict):
            body = body.get(part)
        else:
            continue
        place.append(part)
    return place
