"""What is refused, and that every refusal has OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from cluster import Cluster
from gateway.running import CHAT, PROMPT, running

from rsd.gateway import Gateway

OK_CHAT = {"model": "target", "messages": CHAT}
OK_COMPLETION = {"model": "target", "prompt": PROMPT}

REFUSED: list[tuple[dict[str, Any], int, str | None]] = [
    ({"model": "gpt-4"}, 404, "model"),
    ({"model": None}, 400, "model"),
    ({"temprature": 0.5}, 400, "temprature"),
    ({"temperature": 3}, 400, "temperature"),
    ({"temperature": float("nan")}, 400, "temperature"),
    ({"top_p": 0}, 400, "top_p"),
    ({"max_tokens": 0}, 400, "max_tokens"),
    ({"n": 0}, 400, "n"),
    ({"n": 9}, 400, "n"),
    ({"seed": 2**70}, 400, "seed"),
    ({"stop": ""}, 400, "stop"),
    ({"stop": "\ud83d"}, 400, "stop"),
    ({"stream": "yes"}, 400, "stream"),
    ({"stream_options": {"include_usage": True}}, 400, "stream_options"),
    ({"logprobs": True}, 400, "logprobs"),
    ({"logprobs": 0}, 400, "logprobs"),
    ({"frequency_penalty": 0.5}, 400, "frequency_penalty"),
    ({"logit_bias": {"5": 1}}, 400, "logit_bias"),
    ({"tools": [{"type": "function"}]}, 400, "tools"),
    ({"response_format": {"type": "json_object"}}, 400, "response_format"),
    ({"\ud800": 1}, 400, None),
    ({"rsd": {"threshold": 0.5}}, 400, "rsd.threshold"),
    ({"model": "rsd", "rsd": {"threshold": 1.5}}, 400, "rsd.threshold"),
    ({"rsd": {"treshold": 0.5}}, 400, "rsd.treshold"),
    ({"model": "bon-8", "temperature": 0}, 400, None),
]

REFUSED_CHATS: list[tuple[dict[str, Any], int, str | None]] = [
    ({"messages": []}, 400, "messages"),
    ({"messages": [{"role": "system", "content": "x"}]}, 400, "messages"),
    ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.role"),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "messages.0.content"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        400,
        "messages.0.content.0.type",
    ),
    ({"messages": [*CHAT, {"content": "x"}]}, 400, "messages.1.role"),
    ({"messages": [*CHAT, {"role": "assistant", "tool_calls": [1]}]}, 400, None),
    ({"messages": [{"role": "user", "content": "half \ud83d"}]}, 400, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "\ud83d"}]}]}, 400, None),
]

REFUSED_COMPLETIONS: list[tuple[dict[str, Any], int, str | None]] = [
    ({"prompt": ""}, 400, "prompt"),
    ({"prompt": []}, 400, "prompt"),
    ({"prompt": [["a"]]}, 400, "prompt.0.0"),
    ({"prompt": 5}, 400, "prompt"),
    ({"prompt": None}, 400, "prompt"),
    ({"prompt": [1, -1]}, 400, "prompt.0"),
    ({"prompt": [10**6]}, 400, "prompt"),
    ({"prompt": "x" * 5000}, 400, None),
    ({"prompt": "half \ud83d"}, 400, "prompt"),
    ({"prompt": ["whole", "half \ud83d"]}, 400, None),
    ({"echo": True}, 400, "echo"),
    ({"suffix": "."}, 400, "suffix"),
    ({"best_of": 2}, 400, "best_of"),
]


def ask(cluster: Cluster, bodies: list[tuple[str, dict[str, Any]]]) -> list[httpx.Response]:
    async def main() -> list[httpx.Response]:
        async with (
            running(cluster, "gateway.max_body_bytes=20000") as gateway,
            httpx.AsyncClient(base_url=gateway.url, timeout=60) as client,
        ):
            headers = {"content-type": "application/json"}
            return [
                await client.post(path, content=json.dumps(body), headers=headers)
                for path, body in bodies
            ]

    return asyncio.run(main())


def check_shape(answer: httpx.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "127.0.0.1" not in error["message"]
    return dict(error)


def test_what_is_refused_and_why(cluster: Cluster) -> None:
    cases = [
        *(("/v1/chat/completions", OK_CHAT | change, *rest) for change, *rest in REFUSED),
        *(("/v1/completions", OK_COMPLETION | change, *rest) for change, *rest in REFUSED),
        *(("/v1/chat/completions", OK_CHAT | change, *rest) for change, *rest in REFUSED_CHATS),
        *(
            ("/v1/completions", OK_COMPLETION | change, *rest)
            for change, *rest in REFUSED_COMPLETIONS
        ),
    ]
    answers = ask(cluster, [(path, body) for path, body, *_ in cases])
    for (path, body, status, param), answer in zip(cases, answers, strict=True):
        error = check_shape(answer)
        assert answer.status_code == status, (path, body, error)
        if param is not None:
            assert error["param"] == param, (path, body, error)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_before_it_is_read(cluster: Cluster, chunked: bool) -> None:
    async def main() -> httpx.Response:
        async def pieces() -> Any:
            for _ in range(100):
                yield b" " * 1000

        async with (
            running(cluster, "gateway.max_body_bytes=20000") as gateway,
            httpx.AsyncClient(base_url=gateway.url) as client,
        ):
            content = pieces() if chunked else b" " * 100_000
            return await client.post("/v1/completions", content=content)

    answer = asyncio.run(main())
    assert answer.status_code == 413
    assert check_shape(answer)["code"] == "body_too_large"


def test_other_paths_methods_and_bodies(cluster: Cluster) -> None:
    async def main() -> list[httpx.Response]:
        async with (
            running(cluster) as gateway,
            httpx.AsyncClient(base_url=gateway.url) as client,
        ):
            headers = {"content-type": "application/json"}
            return [
                await client.get("/v1/nothing"),
                await client.get("/v1/completions"),
                await client.get("/v1/models/none"),
                await client.post("/v1/completions", content=b"{", headers=headers),
                await client.post("/v1/completions", content=b"[" * 9999, headers=headers),
                await client.post("/v1/completions", content=b"\xff", headers=headers),
                await client.post("/v1/completions", content=b"prompt=x"),
            ]

    answers = asyncio.run(main())
    assert [answer.status_code for answer in answers] == [400, 405, 404, 400, 400, 400, 400]
    for answer in answers:
        check_shape(answer)


def test_a_defect_has_an_id_and_a_line_in_the_log(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(gateway: Gateway, name: str) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Gateway, "served", broken)
    caplog.set_level(logging.INFO, "rsd.gateway")
    (answer,) = ask(cluster, [("/v1/chat/completions", OK_CHAT)])
    assert answer.status_code == 500
    assert "its log says why" in check_shape(answer)["message"]
    assert "POST /v1/chat/completions 500 " in caplog.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "a defect" in caplog.text


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_foreign_page_cannot_ask_without_a_preflight(cluster: Cluster, kind: str | None) -> None:
    """A browser sends these to any host unasked: the first of a Blob, the others of a form."""

    async def main() -> httpx.Response:
        async with (
            running(cluster) as gateway,
            httpx.AsyncClient(base_url=gateway.url) as client,
        ):
            headers = {"origin": "https://attacker.example"} | (
                {"content-type": kind} if kind else {}
            )
            body = json.dumps(OK_CHAT).encode()
            return await client.post("/v1/chat/completions", content=body, headers=headers)

    assert asyncio.run(main()).status_code == 400
    assert not any(it.path == "/v1/completions" for it in cluster.apps["target"].state.requests)
