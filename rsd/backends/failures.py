"""What the SDK raises, as rsd's errors: is it the server that is lost, this answer that cannot be
used, or the request that is wrong?"""

from __future__ import annotations

import openai

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
_UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")  # of httpx
_CONTEXT_PARAMETERS = ("input_tokens", "max_tokens")  # what vLLM blames for a full context
_LONGEST_RETRY_AFTER_S = 60.0


def as_rsd_error(error: Exception, server: str, role: Role, timeout_s: float) -> RsdError:
    """`error`, raised by a single request to `server`, in the words of rsd."""
    if isinstance(error, AttributeError):
        return ServerLostError(f"{server}: broke the connection at once; is it running?")
    if isinstance(error, TimeoutError | openai.APIConnectionError):
        return _lost(error, server, timeout_s)
    if isinstance(error, openai.APIStatusError):
        return _refused(error, server, role)
    return UnusableAnswerError(f"{server}: unusable answer: {_in_one_line(str(error))}")


def closed_at_once(error: AttributeError) -> bool:
    """Whether it is what anyio raises of a connection that the server reset as soon as it was
    made, as one that is killed does: uvloop has no socket of it any more, and nobody looks."""
    return error.name in ("getpeername", "setsockopt")


def is_timeout(error: RsdError) -> bool:
    """Whether it is because of a time limit."""
    return isinstance(error.__cause__, TimeoutError | openai.APITimeoutError)


def wished_pause(error: RsdError) -> float:
    """Seconds that the answer's `Retry-After` asks for, within reason; 0 where there is none."""
    cause = error.__cause__
    if not isinstance(cause, openai.APIStatusError):
        return 0.0
    try:
        seconds = float(cause.response.headers.get("retry-after", 0))
    except ValueError:  # a date
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S)


def _lost(error: Exception, server: str, timeout_s: float) -> ServerLostError:
    cause = error.__cause__ or error
    reason = _in_one_line(str(cause)) or type(cause).__name__
    sent = type(cause).__name__ not in _UNSENT
    if not sent:
        what = f"cannot be reached ({reason}); is it running?"
    elif isinstance(error, TimeoutError | openai.APITimeoutError):
        what = f"no answer within {timeout_s:g} s"
    else:
        what = f"broke the connection ({reason}); is it running?"
    return ServerLostError(f"{server}: {what}", reached=sent)


def _refused(error: openai.APIStatusError, server: str, role: Role) -> RsdError:
    kind = ScorerError if role == "prm" else BackendError
    status, message = error.status_code, _message(error)
    if status in _OVERLOADED:
        return ServerLostError(f"{server}: answered {status}: {message}")
    if status in _PASSING:
        return UnusableAnswerError(f"{server}: answered {status}: {message}")
    if status == 404 and error.body == {"detail": "Not Found"}:
        mend = "is it the server of another role, or of another kind of reward model?"
        return kind(f"{server}: has no {error.request.url.path}; {mend}")
    if status == 404:
        return kind(f"{server}: {message}; check served_name and endpoints")
    if status != 400:
        return kind(f"{server}: answered {status}: {message}")
    if role != "prm" and getattr(error, "param", None) in _CONTEXT_PARAMETERS:
        return ContextError(f"{server}: {message}")
    if "not JSON compliant" in message:  # how vLLM fails on a reward that is NaN
        mend = "the reward is not finite, try another serve.dtype"
        return UnusableAnswerError(f"{server}: {mend} ({message})")
    return kind(f"{server}: {message}")


def _message(error: openai.APIStatusError) -> str:
    """vLLM's own message out of an error body, in one line."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict) and inner.get("message"):
            return _in_one_line(str(inner["message"]))[:500]
    return _in_one_line(str(error))[:500]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
