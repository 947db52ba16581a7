"""The routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from rsd import __version__
from rsd.gateway.delivery import Delivery
from rsd.gateway.edge import Edge
from rsd.gateway.errors import GatewayError, json_response
from rsd.gateway.gateway import Gateway
from rsd.gateway.page import PAGE, POLICY
from rsd.gateway.requests import SHOWN, ChatBody, CompletionBody


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error as OpenAI shapes it."""

    error: ErrorDetail


_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the answer, or its events if stream is true",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": _EVENT},
        },
    },
    **{
        status: {"model": ErrorBody, "description": about}
        for status, about in {
            400: "a field is wrong or not supported",
            401: "no valid API key",
            404: "no such model",
            408: "the body did not arrive in time",
            413: "the body is too large",
            429: "the queue is full; come back after Retry-After seconds",
            500: "a defect of the gateway",
            503: "a server is down and nothing may take its place",
            504: "the deadline has passed",
        }.items()
    },
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": about}
    for status, about in {401: "no valid API key", 404: "no such model"}.items()
}


def create_app(gateway: Gateway) -> FastAPI:
    """The ASGI application of `gateway`. Whoever runs it holds `gateway.watching()` open."""
    app = FastAPI(title="rsd gateway", version=__version__, docs_url=None, redoc_url=None)
    _add_openai_routes(app, gateway)
    _add_operating_routes(app, gateway)
    _add_error_handlers(app)
    app.add_middleware(Edge, keys=gateway.keys, policy=gateway.policy)
    return app


def _add_openai_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/chat/completions", responses=_ANSWER, response_class=Response)
    async def chat_completions(body: ChatBody) -> Response:
        return Delivery(gateway, gateway.chat_job(body))

    @app.post("/v1/completions", responses=_ANSWER, response_class=Response)
    async def completions(body: CompletionBody) -> Response:
        return Delivery(gateway, gateway.completion_job(body))

    @app.get("/v1/models", responses={401: _UNKNOWN[401]})
    async def models() -> dict[str, Any]:
        listed = [gateway.described(served) for served in gateway.models.values()]
        return {"object": "list", "data": listed}

    @app.get("/v1/models/{name:path}", responses=_UNKNOWN)
    async def model(name: str) -> dict[str, Any]:
        return gateway.described(gateway.served(name))


def _add_operating_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE, headers=POLICY)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @app.get("/health/ready", responses={503: {"description": "no model can answer"}})
    @app.get("/health", responses={503: {"description": "no model can answer"}})
    async def health() -> Response:
        states = {name: gateway.availability(each) for name, each in gateway.models.items()}
        ready = not gateway.draining and any(state != "down" for state in states.values())
        status = "draining" if gateway.draining else "ready" if ready else "not ready"
        body = {
            "status": status,
            "servers": gateway.health.states,
            "models": states,
        }
        return json_response(body, 200 if ready else 503)

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_error_handlers(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        return cast(GatewayError, error).response()

    async def invalid(request: Request, error: Exception) -> Response:
        return _as_refusal(cast(RequestValidationError, error)).response()

    async def http(request: Request, error: Exception) -> Response:
        known = cast(HTTPException, error)
        return GatewayError(
            known.status_code, str(known.detail), headers=dict(known.headers or {})
        ).response()

    app.add_exception_handler(GatewayError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _as_refusal(error: RequestValidationError) -> GatewayError:
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
