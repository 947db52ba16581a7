"""Bodies of a megabyte whose small items would cost seconds and hundreds of megabytes, and keys."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster
from gateway.raw import CHAT_PATH, connected, request
from gateway.running import CHAT, running
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rsd.config import GatewayConfig
from rsd.gateway.http import authentication
from rsd.gateway.http.authentication import AuthenticationMiddleware
from rsd.gateway.http.bodies import BodyLimitMiddleware, more_values
from rsd.gateway.openai.requests import (
    ChatRequest,
    CompletionRequest,
    GatewayRequest,
    ResponsesRequest,
)

ITEMS: list[Any] = [
    0, -1, 10**30, 1.5, True, None, "", "a", "\ud800", "a,[{:", '"', "\\", [], [0], [""], [[]],
    [0, ""], [[0]], {}, {"": 0}, {"role": "user"}, {"role": "user", "content": []},
    {"role": "user", "content": [{}]}, {"type": "text"}, {"type": "text", "text": 0},
]  # fmt: skip

PLACES = {
    "messages": lambda items: {"messages": items},
    "content": lambda items: {"messages": [{"role": "user", "content": items}]},
    "prompt": lambda items: {"prompt": items},
    "prompt.0": lambda items: {"prompt": [items]},
    "stop": lambda items: {"stop": items},
    "rsd": lambda items: {"rsd": _keyed(items)},
    "stream_options": lambda items: {"stream_options": _keyed(items)},
    "turn": lambda items: {"messages": [{"role": "user", "content": "a", **_keyed(items)}]},
    "body": lambda items: _keyed(items),
    "input": lambda items: {"input": items},
    "input.content": lambda items: {"input": [{"role": "user", "content": items}]},
    "reasoning": lambda items: {"input": "a", "reasoning": _keyed(items)},
    "text": lambda items: {"input": "a", "text": _keyed(items)},
    "metadata": lambda items: {"metadata": items},
    "logit_bias": lambda items: {"logit_bias": _keyed(items)},
}


PATHS = {"prompt": "/v1/completions", "input": "/v1/responses"}
MODELS: dict[str, type[GatewayRequest]] = {
    CHAT_PATH: ChatRequest,
    "/v1/completions": CompletionRequest,
    "/v1/responses": ResponsesRequest,
}


def _keyed(items: list[Any]) -> dict[str, Any]:
    return {f"k{number}": item for number, item in enumerate(items)}


def bodies(size: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every item in every place, as often as about `size` bytes hold it; what else a request needs
    is there."""
    for made in PLACES.values():
        for item in ITEMS:
            items = [item] * (size // (len(json.dumps(item)) + 12))
            made_body = made(items)
            path = next((path for field, path in PATHS.items() if field in made_body), CHAT_PATH)
            other = {"messages": CHAT} if path == CHAT_PATH else {}
            yield path, {"model": "target", **other, **made_body}


def test_a_list_is_refused_at_its_first_wrong_item() -> None:
    """pydantic keeps every error with what it is about; a thousand items show as much as many."""
    for path, body in bodies(20_000):
        assert _errors(path, body) <= 8, (path, str(body)[:200])


def _errors(path: str, body: dict[str, Any]) -> int:
    try:
        MODELS[path].model_validate(body)
    except ValidationError as error:
        return error.error_count()
    return 0


def test_a_body_of_many_values_is_refused_before_it_is_parsed(cluster: Cluster) -> None:
    async def main() -> None:
        async with running(cluster, "gateway.max_body_values=1000") as gateway:
            for path, body in bodies(40_000):
                data = json.dumps(body).encode()
                crowded = more_values(data, 1000)
                async with connected(gateway.url) as client:
                    await client.send(request(path, data, headers=[("Connection", "close")]))
                    answer = await client.rest()
                status = int(answer.split()[1])
                assert status in (200, 400), (path, data[:200], answer[:500])
                assert (b"too_many_values" in answer) == crowded, (path, data[:200])
                assert len(answer) < 5000 or status == 200

    asyncio.run(main())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a"\\,:[]{}é\n', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(alphabet='a"\\,:[{', max_size=4), inner, max_size=4)
    ),
    max_leaves=40,
)


def _values(value: Any) -> int:
    """Values in `value`, keys too; an empty list or object counts twice."""
    if isinstance(value, dict):
        return 1 + sum(1 + _values(inner) for inner in value.values()) + (not value)
    if isinstance(value, list):
        return 1 + sum(map(_values, value)) + (not value)
    return 1


@given(_JSON, st.integers(0, 60), st.booleans())
def test_values_are_counted_outside_of_texts(value: Any, most: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert more_values(body, most) == (_values(value) > most)


def test_a_body_is_one_message_in_whatever_pieces_it_came() -> None:
    """A byte in a message of its own takes 300 bytes of memory."""
    sent = [{"type": "http.request", "body": b"x", "more_body": n < 9} for n in range(10)]
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())

    async def receive() -> Any:
        return sent.pop(0)

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http",
        "path": "/v1/x",
        "method": "POST",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(BodyLimitMiddleware(app, policy=GatewayConfig())(scope, receive, send))
    assert got == [{"type": "http.request", "body": b"x" * 10, "more_body": False}]


KEYS = ("one", "two", "schlüssel", "broken\udcff")


@pytest.mark.parametrize(
    ("given", "right"),
    [
        *((os.fsencode(key), True) for key in KEYS),
        *((wrong, False) for wrong in (b"", b"on", b"one2", b"o" * 9999, b"broken?", b"\xff")),
    ],
)
def test_every_key_is_compared_in_constant_time_as_bytes(
    given: bytes, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def noted(given: bytes, known: bytes) -> bool:
        compared.append((given, known))
        return hmac.compare_digest(given, known)

    class Noting:
        compare_digest = staticmethod(noted)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    monkeypatch.setattr(authentication, "hmac", Noting)
    headers = [(b"authorization", b"Bearer " + given)]
    scope = {"type": "http", "path": "/v1/models", "method": "GET", "headers": headers}
    asyncio.run(AuthenticationMiddleware(app, keys=KEYS)(scope, receive, send))
    assert statuses == [200 if right else 401]
    assert len(compared) == len(KEYS)
    assert all(len(left) == len(known) == 32 for left, known in compared)
