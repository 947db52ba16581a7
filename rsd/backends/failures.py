"""What HTTP raises, as rsd's errors: is it the server that is lost, this answer that cannot be
used, or the request that is wrong?"""

from __future__ import annotations

import os
import ssl

import aiohttp

from rsd.backends.answers import shown
from rsd.backends.http import StatusError
from rsd.errors import (
    BackendError,
    ContextError,
    RsdError,
    ScorerError,
    ServerLostError,
    UnusableAnswerError,
)
from rsd.types import Role

_OVERLOADED = (429, 502, 503, 504)
_PASSING = (408, 409, 500)
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_ROUTER_LOST = "Request failed: error sending request"  # vllm-router, of a replica that is down
_CONTEXT_PARAMETERS = ("input_tokens", "max_tokens")  # what vLLM blames for a full context
_LONGEST_RETRY_AFTER_S = 60.0
_PROXIES = "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY"


def as_rsd_error(
    error: TimeoutError | aiohttp.ClientError | StatusError,
    server: str,
    role: Role,
    timeout_s: float,
) -> RsdError:
    """`error`, raised by a single request to `server`, in the words of rsd."""
    if isinstance(error, StatusError):
        return _refused(error, server, role)
    if isinstance(error, aiohttp.InvalidURL):  # which has it, and a proxy's may have a password
        kind = ScorerError if role == "prm" else BackendError
        return kind(f"{server}: its URL, or that of its proxy, cannot be used; {_PROXIES}")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _refused_by_proxy(error, server, role)
    if isinstance(error, aiohttp.ClientResponseError):
        return UnusableAnswerError(f"{server}: unusable answer: {_in_one_line(str(error))}")
    return _lost(error, server, timeout_s)


def is_timeout(error: RsdError) -> bool:
    """Whether it is because of a time limit."""
    return isinstance(error.__cause__, TimeoutError)


def wished_pause(error: RsdError) -> float:
    """Seconds that the answer's `Retry-After` asks for, within reason; 0 where there is none."""
    cause = error.__cause__
    if not isinstance(cause, StatusError):
        return 0.0
    try:
        seconds = float(cause.headers.get("retry-after", 0))
    except ValueError:  # a date
        return 0.0
    return (
        min(seconds, _LONGEST_RETRY_AFTER_S) if seconds > 0 else 0.0
    )  # also where it is no number


def message_of(body: object) -> str:
    """vLLM's own message out of an error body, in one line."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and inner.get("message"):
            body = inner["message"]
    return _in_one_line(body if isinstance(body, str) else shown(body))


def _lost(error: Exception, server: str, timeout_s: float) -> ServerLostError:
    sent = not isinstance(error, _UNSENT)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        what = f"its proxy cannot be reached ({_reason(error)}); {_PROXIES}"
    elif not sent:
        what = f"cannot be reached ({_reason(error)}); is it running?"
    elif isinstance(error, TimeoutError):
        what = f"no answer within {timeout_s:g} s"
    else:
        what = f"broke the connection ({_reason(error)}); is it running?"
    return ServerLostError(f"{server}: {what}", reached=sent)


def _reason(error: Exception) -> str:
    """What the system says, where it says something: the server is named already."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, OSError):
        number = None if isinstance(error, ssl.SSLError) else error.errno  # TLS numbers otherwise
        if number and number > 0:  # look-ups of names have negative ones of their own
            return os.strerror(number)  # asyncio's own text repeats the address
        if error.strerror:
            return _in_one_line(error.strerror)
    return _in_one_line(str(error)) or type(error).__name__


def _refused(error: StatusError, server: str, role: Role) -> RsdError:
    kind = ScorerError if role == "prm" else BackendError
    status, body, message = error.status, error.body, message_of(error.body)
    what = f"{server}: answered {status}: {message}"
    if status in _OVERLOADED:
        return ServerLostError(what)
    if status == 500 and isinstance(body, str) and body.startswith(_ROUTER_LOST):
        return ServerLostError(what, reached=True)
    if status in _PASSING:
        return UnusableAnswerError(what)
    if status == 404 and body == {"detail": "Not Found"}:
        mend = "is it the server of another role, or of another kind of reward model?"
        return kind(f"{server}: answered {status}: has no {error.path}; {mend}")
    if status == 404:
        return kind(f"{what}; check served_name and endpoint")
    if status == 400 and _blamed(body) in _CONTEXT_PARAMETERS:
        return ContextError(what)
    if status == 400 and "not JSON compliant" in message:  # how vLLM fails on a reward that is NaN
        return UnusableAnswerError(f"{what}; the reward is not finite, try another serve.dtype")
    return kind(what)


def _refused_by_proxy(error: aiohttp.ClientHttpProxyError, server: str, role: Role) -> RsdError:
    """`error`, whose own text has the proxy's URL, and so its password."""
    what = f"{server}: its proxy answered {error.status}: {_in_one_line(error.message)}; {_PROXIES}"
    if error.status in _OVERLOADED:
        return ServerLostError(what)
    return ScorerError(what) if role == "prm" else BackendError(what)


def _blamed(body: object) -> object:
    """The parameter of the request that an error body blames."""
    inner = body.get("error", body) if isinstance(body, dict) else None
    return inner.get("param") if isinstance(inner, dict) else None


def _in_one_line(text: str) -> str:
    return " ".join(text[:5000].split())[:500]
