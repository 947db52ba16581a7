"""The faults that `rsd.testing.proxy` makes, and the broken answers among them."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

Fault = Literal[
    "down",  # nothing listens for a moment, and open connections break
    "reset",  # the connection breaks before an answer
    "reset midway",  # ... in the middle of an answer
    "dropped",  # the connection is closed without an answer
    "torn",  # ... in the middle of an answer
    "stall",  # no answer ever comes
    "stalled midway",  # the answer never ends
    "trickle",  # it comes byte by byte, and never ends
    "429",
    "500",
    "503",
    "no JSON",
    "half JSON",
    "no object",
    "no result",  # JSON without the field that counts
    "null",  # a null where the text or the reward is
    "NaN reward",
    "reward out of range",
    "order",  # the results of a list in another order, each with its right index
]
FAULTS: tuple[Fault, ...] = get_args(Fault)

CONNECTION_FAULTS: tuple[Fault, ...] = ("down", "reset", "dropped", "stall")
"""Those that need no answer of the server."""

_MESSAGES = {429: "too many requests", 500: "internal error", 503: "overloaded"}


def suits(fault: Fault, path: str) -> bool:
    """Whether `fault` can befall a request to `path`."""
    if fault in ("NaN reward", "reward out of range"):
        return path == "/classify"
    if fault in ("null", "no result", "order"):
        return path in ("/classify", "/v1/completions")
    return True


def refusal(fault: Fault) -> tuple[bytes, bytes] | None:
    """Head and body of the answer in place of the server's; None for other faults."""
    if not fault.isdecimal():
        return None
    status = int(fault)
    error = {"message": f"injected: {_MESSAGES[status]}", "type": "InjectedError", "code": status}
    head = f"HTTP/1.1 {status} Injected\r\ncontent-type: application/json"
    return head.encode(), json.dumps({"error": error}).encode()


def broken_answer(fault: Fault, body: bytes) -> bytes:
    """The server's answer after `fault`; as it is, if that does not concern the content."""
    if fault == "no JSON":
        return b"<html><body>502 Bad Gateway</body></html>"
    if fault == "half JSON":
        return body[: len(body) // 2]
    if fault == "no object":
        return b'["not", "an", "object"]'
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_changed(fault, answer)).encode()


def _changed(fault: Fault, answer: dict[str, Any]) -> dict[str, Any]:
    name = "data" if "data" in answer else "choices"
    if fault == "no result":
        return {key: value for key, value in answer.items() if key != name}
    for item in answer.get(name, ()):
        if fault == "null":
            if name == "choices":
                item |= {"text": None, "logprobs": None}
            else:
                item["probs"] = [None] * len(item["probs"])
        elif fault == "NaN reward":
            item["probs"] = [float("nan")] * len(item["probs"])
        elif fault == "reward out of range":
            item["probs"] = [1.5] * len(item["probs"])
    if fault == "order":
        answer[name] = answer.get(name, [])[::-1]
    return answer


def renamed(body: bytes, model: str) -> bytes:
    """The answer of `/v1/models` with `model` behind every name."""
    listing = json.loads(body)
    for card in listing["data"]:
        card["root"] = model
    return json.dumps(listing).encode()
