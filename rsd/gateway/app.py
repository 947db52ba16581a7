"""The routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from openai.types import ErrorObject
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


class ErrorBody(BaseModel):
    """An error as OpenAI shapes it."""

    error: ErrorObject


_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
_ERROR = {"model": ErrorBody, "description": "the request is refused, and error says why"}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the answer, or its events if stream is true",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": _EVENT},
        },
    },
    "4XX": _ERROR,
    "5XX": _ERROR,
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

    @app.get("/v1/models", responses={"4XX": _ERROR})
    async def models() -> dict[str, Any]:
        listed = [gateway.described(served) for served in gateway.models.values()]
        return {"object": "list", "data": listed}

    @app.get("/v1/models/{name:path}", responses={"4XX": _ERROR})
    async def model(name: str) -> dict[str, Any]:
        return gateway.described(gateway.served(name))


def _add_operating_routes(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE, headers=POLICY)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    not_ready: dict[int | str, dict[str, Any]] = {503: {"description": "no model can answer"}}

    @app.get("/health/ready", responses=not_ready)
    @app.get("/health", responses=not_ready)
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
    @app.exception_handler(GatewayError)
    async def refused(request: Request, error: GatewayError) -> Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return invalid_body(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return wrong_route(error, request.method, request.url.path).response()
