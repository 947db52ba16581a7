"""A server that answers as vLLM 0.32's OpenAI-compatible server does, with no model behind it.

    app = create_app(Behavior(write=lambda prompt, sampling: "Step 1: ...\\n\\nSo \\\\boxed{4}."))
    async with live(app) as url: ...  # rsd.testing.server

A language model has `/v1/completions`, a reward model `/classify`; both have `/v1/models`,
`/tokenize`, `/detokenize`, `/metrics`, `/health` and `/version`. Parameters that change what is
answered and are not imitated (`n`, `echo`, ...) are refused. `app.state.requests` lists the
requests so far, `app.state.cancelled` counts those whose client left before the end, and
`app.state.faults` may be changed at any time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from rsd.protocols import Sampling
from rsd.testing import fake_wire as wire
from rsd.testing.fake_engine import Behavior, FakeEngine, Generated, RequestError
from rsd.testing.tokenizers import CheckpointTokenizer, Tokenizer

VERSION = "0.32.0+rsd.fake"
"""What `/version` answers: the vLLM that is imitated, and that it is not that vLLM."""

_CLIENT_CLOSED_REQUEST = 499


@dataclass(slots=True)
class RequestRecord:
    """A request as the server saw it: `session` is its X-Session-ID; `status` is None while it is
    in work."""

    path: str
    body: dict[str, Any]
    session: str | None = None
    status: int | None = None
    cancelled: bool = False


def create_app(
    behavior: Behavior,
    *,
    served_name: str = "model",
    root: str | None = None,
    max_model_len: int = 4096,
    tokenizer: Tokenizer | Path | None = None,
    block_size: int = 16,
    prompt_tokens_details: bool = True,
) -> FastAPI:
    """A fake server of one model, called `served_name` and loaded, it says, from `root`.

    `tokenizer` may be the directory of a real one; None is `ByteTokenizer`. `block_size` is that
    of the prefix cache, in tokens; `prompt_tokens_details` is the vLLM flag that has cached
    tokens reported with each completion.
    """
    engine = FakeEngine(
        behavior,
        served_name=served_name,
        max_model_len=max_model_len,
        tokenizer=CheckpointTokenizer(tokenizer) if isinstance(tokenizer, Path) else tokenizer,
        block_size=block_size,
    )
    app = FastAPI(openapi_url=None)
    app.state.engine = engine
    app.state.faults = behavior.faults
    app.state.requests = []
    app.state.cancelled = 0
    app.add_exception_handler(RequestValidationError, _invalid)
    _add_common_routes(app, engine, root or served_name)
    if behavior.write is not None:
        _add_completions(app, engine, prompt_tokens_details)
    if behavior.reward is not None:
        _add_classify(app, engine)
    return app


def _add_common_routes(app: FastAPI, engine: FakeEngine, root: str) -> None:
    @app.get("/health")
    async def health() -> Response:
        return Response()

    @app.get("/version")
    async def version() -> dict[str, str]:
        return {"version": VERSION}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return wire.model_list(engine, root)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(engine.metrics())

    @app.post("/tokenize")
    async def tokenize(body: wire.FakeTokenizeBody, request: Request) -> Response:
        async def answer() -> Response:
            ids = engine.tokenizer.encode(body.prompt)
            length = engine.max_model_len
            return JSONResponse(
                {"count": len(ids), "max_model_len": length, "tokens": ids, "token_strs": None}
            )

        return await _answer(request, engine, body, answer)

    @app.post("/detokenize")
    async def detokenize(body: wire.FakeDetokenizeBody, request: Request) -> Response:
        async def answer() -> Response:
            return JSONResponse({"prompt": engine.tokenizer.decode(body.tokens)})

        return await _answer(request, engine, body, answer)


def _add_completions(app: FastAPI, engine: FakeEngine, details: bool) -> None:
    @app.post("/v1/completions")
    async def completions(body: wire.FakeCompletionBody, request: Request) -> Response:
        async def answer() -> Response:
            body.refuse_unsupported(logprobs=engine.behavior.logprob is not None)
            prompts = [engine.ids_of(prompt) for prompt in body.prompts()]
            if fault := await _fault(engine, prompts):
                return fault
            sampling = Sampling(
                temperature=1.0 if body.temperature is None else body.temperature,
                top_p=1.0 if body.top_p is None else body.top_p,
                top_k=None if body.top_k in (0, -1) else body.top_k,
                min_p=body.min_p or 0.0,
                presence_penalty=body.presence_penalty or 0.0,
                repetition_penalty=1.0
                if body.repetition_penalty is None
                else body.repetition_penalty,
                stop=body.stops(),
                seed=body.seed,
                ignore_eos=body.ignore_eos,
            )
            limit = engine.max_model_len if body.max_tokens is None else body.max_tokens
            anew = body.prompt_logprobs is not None  # for which vLLM leaves its cache unread
            results = [
                engine.generate(ids, sampling, limit, body.cache_salt, anew=anew) for ids in prompts
            ]
            if body.stream:
                events = _stream(request, engine, body, results[0], details)
                return StreamingResponse(events, media_type="text/event-stream")
            for result in results:
                tokens = len(result.continuation.ids)
                await asyncio.sleep(engine.faults.token_latency_s * tokens)
                engine.counters.generation_tokens += tokens
            return JSONResponse(wire.completion(engine, body, results, details))

        return await _answer(request, engine, body, answer)


def _add_classify(app: FastAPI, engine: FakeEngine) -> None:
    @app.post("/classify")
    async def classify(body: wire.FakeClassifyBody, request: Request) -> Response:
        async def answer() -> Response:
            prompts = [engine.ids_of(text) for text in body.inputs()]
            if fault := await _fault(engine, prompts):
                return fault
            scores = [engine.score(ids, body.cache_salt) for ids in prompts]
            return JSONResponse(wire.classification(engine, prompts, scores))

        return await _answer(request, engine, body, answer)


async def _answer(
    request: Request,
    engine: FakeEngine,
    body: wire.FakeBody,
    answer: Callable[[], Awaitable[Response]],
) -> Response:
    """Log the request, check its model, and answer it unless its client leaves first."""
    record = RequestRecord(
        request.url.path,
        body.model_dump(exclude_unset=True),
        request.headers.get("x-session-id"),
    )
    request.state.record = record
    request.app.state.requests.append(record)

    async def work() -> Response:
        with _in_work(request, engine):
            try:
                body.check_model(engine.served_name)
                return await answer()
            except RequestError as error:
                return _refused(error)
            except ValueError as error:  # such as a NaN, for which JSON has no number
                return _refused(RequestError(str(error)))

    response = await _unless_disconnected(request, work())
    record.status = response.status_code
    return response


async def _unless_disconnected(request: Request, work: Awaitable[Response]) -> Response:
    """Do `work`, but cancel it when the client disconnects, as vLLM does."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


@contextmanager
def _in_work(request: Request, engine: FakeEngine) -> Iterator[None]:
    """Count the request as running, and as cancelled if it does not get to its end."""
    engine.counters.running += 1
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        request.state.record.cancelled = True
        request.app.state.cancelled += 1
        raise
    finally:
        engine.counters.running -= 1


async def _stream(
    request: Request,
    engine: FakeEngine,
    body: wire.FakeCompletionBody,
    result: Generated,
    details: bool,
) -> AsyncIterator[str]:
    with _in_work(request, engine):
        for tokens, chunk in wire.chunks(engine, body, result, details):
            await asyncio.sleep(engine.faults.token_latency_s * tokens)
            engine.counters.generation_tokens += tokens
            yield f"data: {json.dumps(chunk)}\n\n"
        yield "data: [DONE]\n\n"


async def _fault(engine: FakeEngine, prompts: list[list[int]]) -> Response | None:
    """Wait as long as the faults say; the answer in place of the right one, if there is one."""
    faults = engine.faults
    if not any(faults.matching in engine.tokenizer.decode(prompt) for prompt in prompts):
        return None
    await asyncio.sleep(faults.latency_s)
    while faults.held():  # noqa: ASYNC110 - it may look at a file
        await asyncio.sleep(0.01)
    if faults.status is not None:
        kind = "InternalServerError" if faults.status == 500 else "ServiceUnavailableError"
        message = f"fault on demand: {faults.status}"
        return _refused(RequestError(message, status=faults.status, kind=kind))
    return _Broken() if faults.drop else None


class _Broken(Response):
    """Promises a body and closes the connection instead of sending it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _refused(error: RequestError) -> Response:
    return JSONResponse(error.body, error.status)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][:2])  # the rest is pydantic's own
    return _refused(
        RequestError(f"1 validation error:\n  {place}: {first['msg']}", place, kind="Bad Request")
    )
