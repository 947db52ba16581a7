"""Bodies given to the gateway's application, over scripted models, without a port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI

from rsd.backends import Backends
from rsd.config import Config, load
from rsd.gateway import Gateway, create_app
from rsd.protocols import Strategy
from rsd.types import Completion, Query, Step, StopReason, Usage

_ROOT = Path(__file__).parents[2]
_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
_WITHIN_REASON = {200, 400, 401, 403, 404, 405, 408, 413, 422}


class _Echo:
    """Says the end of the prompt again, in one step."""

    async def decode(self, query: Query) -> AsyncIterator[Step]:
        completion = Completion(
            text=query.prompt[-200:],
            finish_reason="stop",
            matched_stop=None,
            usage=Usage(requests=1, prompt_tokens=1, completion_tokens=1),
            seconds=0.0,
            started_at=0.0,
        )
        yield Step(0, "target", True, completion, ends=StopReason.EOS)


@cache
def _app() -> FastAPI:
    def build(config: Config, backends: Backends) -> Strategy:
        return cast(Strategy, _Echo())

    config = load(_ROOT / "configs" / "demo.yaml", ["gateway.max_body_bytes=200000"])
    backends = cast(Backends, _NoBackends())
    return create_app(Gateway(config, backends, build, _Tokenizer()))


class _NoBackends:
    servers: dict[str, Any] = {}  # noqa: RUF012 - none
    breakers: dict[str, Any] = {}  # noqa: RUF012 - none
    scorer = None

    def __getattr__(self, name: str) -> None:
        return None


class _Tokenizer:
    """As much of one as the gateway asks for."""

    bos_token = None
    bos_token_id = None
    chat_template = "there is one"

    def __call__(self, text: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[])

    def __len__(self) -> int:
        return 300

    def encode(self, text: str, **_: object) -> list[int]:
        return list(map(ord, text))

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))

    def apply_chat_template(self, turns: list[dict[str, str]], **_: object) -> str:
        return "".join(f"{turn['role']}\n{turn['content']}\n" for turn in turns)


def gateway_body(data: bytes) -> None:
    """Any body is answered or refused in OpenAI's shape, and none is a defect (500). Its first
    byte chooses the route."""
    path, body = _PATHS[(data[0] if data else 0) % len(_PATHS)], data[1:]
    status, answer = asyncio.run(_asked(path, body))
    assert status in _WITHIN_REASON, (status, answer[:500])
    if status != 200:
        error = json.loads(answer)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]


async def _asked(path: str, body: bytes) -> tuple[int, bytes]:
    """Status and body of the answer."""
    sent: list[Any] = []
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if not pending:
            await asyncio.Event().wait()  # the client stays
        return pending.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await _app()(scope, receive, send)
    status = next(m["status"] for m in sent if m["type"] == "http.response.start")
    return status, b"".join(m.get("body", b"") for m in sent)
