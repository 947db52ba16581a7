"""The HTTP client against a live server: what goes over the wire, and what is made of answers."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from rsd.backends import RetryStatistics, Server, counting_retries
from rsd.backends.failures import as_rsd_error
from rsd.backends.http import HttpClient, StatusError, _proxy
from rsd.config import ModelConfig
from rsd.errors import BackendError, RsdError, ServerLostError, UnusableAnswerError
from rsd.testing.server import live
from rsd.types import Role

LONG = list(range(200_000))  # more than a line of a stream has by default


def app() -> FastAPI:
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> JSONResponse:
        client = request.client
        return JSONResponse(
            {
                "body": json.loads(await request.body()),
                "authorization": request.headers.get("authorization"),
                "port": client and client.port,
            }
        )

    @app.get("/moved")
    async def moved() -> Response:
        return RedirectResponse("/echo")

    @app.post("/refused")
    async def refused() -> Response:
        return JSONResponse({"error": {"message": "no\n  such thing"}}, 418, {"Retry-After": "3"})

    @app.post("/list")
    async def a_list() -> Response:
        return JSONResponse([1])

    @app.post("/nested")
    async def nested() -> Response:
        return Response(b"[" * 100_000, media_type="application/json")

    @app.post("/nested-refusal")
    async def nested_refusal() -> Response:
        return Response(b"[" * 100_000, 418, media_type="application/json")

    @app.post("/page")
    async def page() -> Response:
        return Response(b"<html>\xff</html>", media_type="text/html")

    @app.post("/stream")
    async def stream(request: Request) -> Response:
        lines = (await request.json())["lines"]
        return StreamingResponse((line + "\n" for line in lines), media_type="text/event-stream")

    return app


def asked(use: Callable[[HttpClient], Awaitable[Any]], key: str | None = None) -> Any:
    """What `use` gives with a client of a live server."""

    async def main() -> Any:
        async with live(app()) as url:
            client = HttpClient(url, key=key, connect_timeout_s=10)
            try:
                return await use(client)
            finally:
                await client.aclose()

    return asyncio.run(main())


def served(use: Callable[[Server], Awaitable[Any]]) -> Any:
    """The same of a `Server`."""

    async def main() -> Any:
        async with live(app()) as url:
            config = ModelConfig(model="m", served_name="m", endpoint=f"{url}/v1")
            server = Server("draft", config)
            try:
                return await use(server)
            finally:
                await server.aclose()

    return asyncio.run(main())


async def events(client: HttpClient, *lines: str) -> list[bytes]:
    return [data async for data in client.events("/stream", {"lines": lines})]


@pytest.mark.parametrize(("key", "header"), [("sesame", "Bearer sesame"), (None, None)])
def test_a_body_is_sent_as_json_with_the_key(key: str | None, header: str | None) -> None:
    body = {"prompt": (1, 2), "stop": ["\n\n"], "seed": None, "text": "½"}
    answer = json.loads(asked(lambda client: client.post("/echo", body), key))
    assert answer["body"] == {"prompt": [1, 2], "stop": ["\n\n"], "seed": None, "text": "½"}
    assert answer["authorization"] == header


def test_a_connection_is_used_again() -> None:
    async def use(client: HttpClient) -> set[int]:
        return {json.loads(await client.post("/echo", {}))["port"] for _ in range(3)}

    assert len(asked(use)) == 1


def test_an_environment_s_proxy_is_used_unless_it_excepts_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`refused` is where the connection was attempted."""

    async def refused() -> str:
        client = HttpClient("http://nowhere.invalid", key=None, connect_timeout_s=10)
        try:
            with pytest.raises(aiohttp.ClientConnectorError) as error:
                await client.post("/echo", {})
            return error.value.host
        finally:
            await client.aclose()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert asyncio.run(refused()) == "127.0.0.1"
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    assert asyncio.run(refused()) == "nowhere.invalid"


def test_a_proxy_may_be_named_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "127.0.0.1:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    assert _proxy("http://nowhere.invalid/v1") == "http://127.0.0.1:3128"


def test_a_proxy_that_is_no_url_is_told_without_its_password() -> None:
    error = as_rsd_error(aiohttp.InvalidURL("http://ann:sesame@["), "draft server", "draft", 600)
    assert type(error) is BackendError
    assert str(error) == (
        "draft server: its URL, or that of its proxy, cannot be used; see HTTP_PROXY, "
        "HTTPS_PROXY and NO_PROXY"
    )


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert json.loads(asked(lambda client: client.post("/echo", {"a": 1})))["body"] == {"a": 1}


def through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, status: str, key: str | None = None, user: str = ""
) -> tuple[RsdError, str]:
    """What becomes of a request to a server with TLS behind a proxy that answers `status`, and
    what the proxy read of it."""
    read: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def main() -> RsdError:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as proxy:
            port = proxy.sockets[0].getsockname()[1]
            monkeypatch.setenv("https_proxy", f"http://{user}127.0.0.1:{port}")
            url = "https://nowhere.invalid/v1"
            values = {"model": "m", "served_name": "m", "endpoint": url, "api_key": key}
            server = Server("draft", ModelConfig.model_validate(values))
            try:
                with pytest.raises(RsdError) as raised:
                    await server.post("/echo", {})
            finally:
                await server.aclose()
            return raised.value

    monkeypatch.delenv("no_proxy", raising=False)
    return asyncio.run(main()), read[0].decode()


def test_a_proxy_is_not_told_the_key_of_a_server_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    _, read = through_a_proxy(monkeypatch, "403 Forbidden", key="sesame")
    assert read.startswith("CONNECT nowhere.invalid:443 ")
    assert "sesame" not in read


def test_a_proxy_that_refuses_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error, read = through_a_proxy(monkeypatch, "407 Who Is It", user="ann:sesame@")
    assert "Proxy-Authorization: Basic " in read
    assert str(error) == (
        "draft server at https://nowhere.invalid/v1: its proxy answered 407: Who Is It; see "
        "HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    )
    assert not isinstance(error, UnusableAnswerError | ServerLostError)


def test_a_proxy_that_does_not_reach_the_server_has_lost_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error, _ = through_a_proxy(monkeypatch, "502 Bad Gateway")
    assert isinstance(error, ServerLostError)
    assert not error.reached


def test_a_proxy_that_cannot_be_reached_is_not_taken_for_the_server() -> None:
    key: Any = None
    error = aiohttp.ClientProxyConnectionError(key, ConnectionRefusedError(111, "no"))
    told = str(as_rsd_error(error, "draft server at http://x/v1", "draft", 600))
    assert told == (
        "draft server at http://x/v1: its proxy cannot be reached (Connection refused); see "
        "HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
    )


def test_a_body_may_be_large() -> None:
    answer = json.loads(asked(lambda client: client.post("/echo", {"prompt": LONG})))
    assert answer["body"] == {"prompt": LONG}


def test_a_refusal_has_its_status_headers_and_body() -> None:
    with pytest.raises(StatusError) as refused:
        asked(lambda client: client.post("/refused", {}))
    error = refused.value
    assert (error.path, error.status, error.headers["retry-after"]) == ("/refused", 418, "3")
    assert error.body == {"error": {"message": "no\n  such thing"}}


def test_a_refusal_that_cannot_be_parsed_is_text() -> None:
    with pytest.raises(StatusError) as refused:
        asked(lambda client: client.post("/nested-refusal", {}))
    assert refused.value.body == "[" * 100_000


def test_a_redirection_is_not_followed() -> None:
    with pytest.raises(StatusError, match="/moved: status 307"):
        asked(lambda client: client.get("/moved"))


def test_a_stream_is_its_data_line_by_line_however_long() -> None:
    long = json.dumps(LONG)
    lines = [": a comment", "event: x", "data: 1", "", f"data:{long}\r", "data: [DONE]", "data: 2"]
    assert asked(lambda client: events(client, *lines)) == [b"1", long.encode()]


def test_a_stream_may_end_without_saying_so() -> None:
    assert asked(lambda client: events(client, "data: 1", "")) == [b"1"]


def test_a_refusal_is_told_in_one_line_that_names_the_server() -> None:
    with pytest.raises(
        BackendError, match=r"^draft server at http\S+: answered 418: no such thing$"
    ):
        served(lambda server: server.post("/refused", {}))


def test_a_server_without_tls_is_not_called_a_matter_of_permissions() -> None:
    async def use(server: Server) -> None:
        url = server.config.endpoint.replace("http:", "https:")
        secure = Server("draft", server.config.model_copy(update={"endpoint": url}))
        try:
            with pytest.raises(ServerLostError, match=r"cannot be reached \(\[SSL"):
                await secure.post("/echo", {})
        finally:
            await secure.aclose()

    served(use)


def test_a_certificate_that_is_not_trusted_is_said_to_be_so() -> None:
    what = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    key: Any = None
    error = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError(1, what))
    told = str(as_rsd_error(error, "draft server at https://x/v1", "draft", 600))
    assert told == f"draft server at https://x/v1: cannot be reached ({what}); is it running?"


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/page", r"no JSON: b'<html>\\xff"),
        ("/list", "expected a JSON object"),
        ("/nested", r"no JSON: b'\[\[\["),
    ],
)
def test_an_answer_that_is_no_object_cannot_be_used(path: str, what: str) -> None:
    with pytest.raises(UnusableAnswerError, match=what):
        served(lambda server: server.post(path, {}))


def test_an_error_in_a_stream_is_told() -> None:
    async def use(server: Server) -> None:
        lines = ['data: {"choices": []}', 'data: {"error": {"message": "out of memory"}}']
        async with aclosing(server.stream("/stream", {"lines": lines})) as events:
            assert (await anext(events)).value == {"choices": []}
            with pytest.raises(UnusableAnswerError, match="stream broke off: out of memory"):
                await anext(events)

    served(use)


def test_a_line_of_a_stream_that_does_not_end_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rsd.backends.http._LONGEST_LINE", 2**10)

    async def use(server: Server) -> None:
        async with aclosing(server.stream("/stream", {"lines": ["x" * 2**16]})) as events:
            with pytest.raises(UnusableAnswerError, match="unusable answer: "):
                await anext(events)

    served(use)


def test_what_a_stream_brought_before_it_broke_is_not_lost_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event comes every second, and the sixth cannot be read."""
    retries, now = RetryStatistics(), 0.0
    clock = SimpleNamespace(perf_counter=lambda: now, monotonic=time.monotonic)
    monkeypatch.setattr("rsd.backends.server.time", clock)

    async def read(server: Server) -> None:
        nonlocal now
        lines = ['data: {"choices": []}'] * 5 + ["data: no JSON"]
        async with aclosing(server.stream("/stream", {"lines": lines})) as events:
            async for _ in events:
                now += 1

    with counting_retries(retries), pytest.raises(UnusableAnswerError):
        served(read)
    assert (retries.retries, retries.seconds) == (1, 0)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 418, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "too long", "param": "input_tokens"}},
        {"error": {"message": "Out of range float values are not JSON compliant"}},
        {"detail": "Not Found"},
        "not JSON",
    ],
)
@pytest.mark.parametrize("role", ["target", "prm"])
def test_every_refusal_has_its_status(status: int, body: object, role: Role) -> None:
    refused = StatusError("/classify", status, {}, json.dumps(body).encode())
    assert f"answered {status}: " in str(as_rsd_error(refused, "a server", role, 600))
