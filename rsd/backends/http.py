"""HTTP to one server: what is sent and what comes back, not what it means.

aiohttp itself, and no SDK above it: the openai SDK builds options, headers and URL anew for every
request and wraps every answer, and the HTTP client below it passes over all its connections for
each. Together they took most of the driver's time (benchmarks/measurements.md, Driver).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from rsd.backends.sessions import session_header
from rsd.config import is_loopback

# vLLM closes a connection that was idle for 5 s; a request that meets that is lost.
_KEEP_ALIVE_S = 2.0
_AT_ONCE = 2**20  # bytes of a body; what is longer is sent in pieces
_LONGEST_LINE = 2**24  # of a stream, in bytes: the first repeats the prompt's token ids
_LONGEST_ANSWER = 2**24  # bytes: the log-probabilities of a prompt of 128k tokens take 13 million
_LONGEST_STREAM = 2**26  # bytes of its lines together
_IDENTITY = (None, "", "identity")


class StatusError(Exception):
    """An answer with a status of 300 or more from `path`. `headers` are case-insensitive; `body`
    is what the answer holds, parsed where it is JSON, else its text."""

    def __init__(self, path: str, status: int, headers: Mapping[str, str], content: bytes) -> None:
        super().__init__(f"{path}: status {status}")
        self.path = path
        self.status = status
        self.headers = headers
        try:
            self.body: Any = json.loads(content)
        except (ValueError, RecursionError):
            self.body = content.decode(errors="replace")


class HttpClient:
    """Requests to the server at `url`, over as many connections as are needed at a time; they are
    kept for each other, by all that run in one event loop.

    Raises `StatusError`, aiohttp's `ClientError`, and `TimeoutError` where no connection is made
    within `connect_timeout_s`; nothing else is limited in time. An answer that is too long, or
    compressed although none was asked for, is a `ClientError`. Redirects are not followed.
    Proxies are those of the environment, but none for a loopback address. `connect` makes what
    connects, once, in the event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        connect_timeout_s: float,
        connect: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._connect = connect or _connector
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str) -> bytes:
        """The content at `path`."""
        return await self._content("GET", path, None)

    async def post(self, path: str, body: Mapping[str, object]) -> bytes:
        """The answer to `body`, sent as JSON."""
        return await self._content("POST", path, body)

    async def events(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event in answer to `body`, each one line, until `[DONE]`.
        Closing it closes the connection, which ends the request at the server."""
        async with self._asked("POST", path, body) as answer:
            await _check(answer)
            read = 0
            try:
                async for line in answer.content:
                    read += len(line)
                    if read > _LONGEST_STREAM:
                        raise _too_long(answer, _LONGEST_STREAM)
                    field, _, data = line.strip().partition(b":")
                    if field != b"data":
                        continue
                    if (data := data.strip()) == b"[DONE]":
                        return
                    yield data
            except (ValueError, LineTooLong) as error:  # of aiohttp before 3.14, and since
                raise _unusable(answer, "a line of it is too long") from error

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _content(self, method: str, path: str, body: Mapping[str, object] | None) -> bytes:
        async with self._asked(method, path, body) as answer:
            await _check(answer)
            return await _body(answer)

    def _asked(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        data = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        return self._opened.request(
            method,
            self._url + path,
            data=data if len(data) <= _AT_ONCE else BytesIO(data),
            # those of aiohttp's session go to a proxy, too, and the key with them
            headers={**self._headers, **session_header()},
            allow_redirects=False,
        )

    @property
    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connect(),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=_proxy(self._url),
                read_bufsize=_LONGEST_LINE,
                auto_decompress=False,
            )
        return self._session


def _connector() -> aiohttp.BaseConnector:
    return aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)


def _proxy(url: str) -> str | None:
    """The environment's proxy for `url`, none for this machine itself; looked up once: aiohttp
    would do so in a thread, and read .netrc, for every request."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxy = getproxies().get(parts.scheme)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status >= 300:
        raise StatusError(answer.url.path, answer.status, answer.headers, await _body(answer))
    if answer.headers.get("Content-Encoding") not in _IDENTITY:
        raise _unusable(answer, "it is compressed, which was not asked for")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """All of an answer that is not too long."""
    pieces, read = [], 0
    async for piece in answer.content.iter_any():
        read += len(piece)
        if read > _LONGEST_ANSWER:
            raise _too_long(answer, _LONGEST_ANSWER)
        pieces.append(piece)
    return b"".join(pieces)


def _too_long(answer: aiohttp.ClientResponse, most: int) -> aiohttp.ClientResponseError:
    return _unusable(answer, f"it is longer than {most // 2**20} MiB")


def _unusable(answer: aiohttp.ClientResponse, why: str) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(
        answer.request_info, answer.history, status=answer.status, message=why
    )
