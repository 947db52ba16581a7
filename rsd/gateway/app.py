"""The routes."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from rsd import __version__
from rsd.gateway.errors import GatewayError, json_response
from rsd.gateway.gateway import Gateway
from rsd.gateway.http.access_log import AccessLogMiddleware
from rsd.gateway.http.authentication import AuthenticationMiddleware
from rsd.gateway.http.bodies import BodyLimitMiddleware
from rsd.gateway.http.delivery import Delivery
from rsd.gateway.openai.jobs import make_job
from rsd.gateway.openai.refusals import invalid_body, wrong_route
from rsd.gateway.openai.requests import ChatRequest, CompletionRequest, ResponsesRequest
from rsd.gateway.page import PAGE, POLICY


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """An error as OpenAI shapes it."""

    error: ErrorDetail


_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_ERRORS = {
    400: "a field is wrong or not supported",
    401: "no valid API key",
    404: "no such model",
    408: "the body did not arrive in time",
    413: "the body is too large",
    429: "the queue is full; come back after Retry-After seconds",
    500: "a defect of the gateway",
    503: "a server is down and nothing may take its place",
    504: "the deadline has passed",
}


def _described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors in the OpenAPI document."""
    return {status: {"model": ErrorBody, "description": _ERRORS[status]} for status in statuses}


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the answer, or its events if stream is true",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": _EVENT},
        },
    },
    **_described(*_ERRORS),
}


def create_app(gateway: Gateway) -> FastAPI:
    """The ASGI application of `gateway`. Whoever runs it holds `gateway.watching()` open."""
    app = FastAPI(title="rsd gateway", version=__version__, docs_url=None, redoc_url=None)
    _add_openai_routes(app, gateway)
    _add_operating_routes(app, gateway)
    _add_error_handlers(app)
    # The last one added is passed first. Preflights have no key, and a browser shows the answer
    # to a request without one only if CORS allows it: so CORS comes before authentication.
    app.add_middleware(BodyLimitMiddleware, policy=gateway.policy)
    app.add_middleware(AuthenticationMiddleware, keys=gateway.keys)
    if gateway.policy.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=gateway.policy.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    app.add_middleware(AccessLogMiddleware, deadline_s=gateway.policy.deadline_s)
    return app


def _add_openai_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.post("/v1/chat/completions", responses=_ANSWER, response_class=Response)
    async def chat_completions(body: ChatRequest) -> Response:
        return Delivery(gateway, make_job(gateway, body))

    @app.post("/v1/completions", responses=_ANSWER, response_class=Response)
    async def completions(body: CompletionRequest) -> Response:
        return Delivery(gateway, make_job(gateway, body))

    @app.post("/v1/responses", responses=_ANSWER, response_class=Response)
    async def responses(body: ResponsesRequest) -> Response:
        return Delivery(gateway, make_job(gateway, body))

    @app.get("/v1/models", responses=_described(401))
    async def models() -> dict[str, Any]:
        listed = [gateway.described(served) for served in gateway.models.values()]
        return {"object": "list", "data": listed}

    @app.get("/v1/models/{name:path}", responses=_described(401, 404))
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
            "replicas": gateway.health.replicas,
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
        return invalid_body(cast(RequestValidationError, error)).response()

    async def http(request: Request, error: Exception) -> Response:
        return wrong_route(cast(HTTPException, error), request.method, request.url.path).response()

    app.add_exception_handler(GatewayError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
