"""The faults that `fault_proxy` makes, and the broken answers among them."""

from __future__ import annotations

import gzip
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
    "true reward",  # a boolean in the place of a number
    "absurd count",  # tokens that no integer of 64 bits can count
    "negative count",
    "absurd index",  # of an input, likewise
    "absurd ids",  # token ids that no vocabulary has
    "another model",  # the answer of a model that was not asked
    "too long",  # a body of 17 MiB
    "compressed",  # a body of 100 KB that is 100 MB when it is unpacked
    "headers only",  # the connection is closed after the headers
    "endless headers",
    "half closed",  # the server's side of the connection ends, the client's stays open
    "HTTP/1.0",  # an answer of that version, whose end is that of the connection
    "order",  # the results of a list in another order, each with its right index
]
FAULTS: tuple[Fault, ...] = get_args(Fault)

HARMLESS: tuple[Fault, ...] = ("HTTP/1.0", "order")
"""Those with which an answer is as good as it was."""

CONNECTION_FAULTS: tuple[Fault, ...] = ("down", "reset", "dropped", "stall")
"""Those that need no answer of the server."""

_MESSAGES = {429: "too many requests", 500: "internal error", 503: "overloaded"}


def suits(fault: Fault, path: str) -> bool:
    """Whether `fault` can befall a request to `path`."""
    if fault in ("NaN reward", "reward out of range", "true reward", "absurd index"):
        return path == "/classify"
    if fault == "absurd ids":
        return path == "/v1/completions"
    if fault in ("null", "no result", "order", "absurd count", "negative count", "another model"):
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
    if fault == "too long":
        return body + b" " * (17 * 2**20)
    if fault == "compressed":
        return gzip.compress(bytes(10**8), compresslevel=1)
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
        elif fault == "true reward":
            item["probs"] = [True] * len(item["probs"])
        elif fault == "absurd index":
            item["index"] = 10**400
        elif fault == "absurd ids":
            item["token_ids"] = [None, "x", {}, -1, 10**40]
    if fault in ("absurd count", "negative count"):
        count = 10**400 if fault == "absurd count" else -10_000
        details = {"cached_tokens": count}
        answer["usage"] |= {"completion_tokens": count, "prompt_tokens_details": details}
    if fault == "another model":
        answer["model"] = "another"
    if fault == "order":
        answer[name] = answer.get(name, [])[::-1]
    return answer


def renamed(body: bytes, model: str) -> bytes:
    """The answer of `/v1/models` with `model` behind every name."""
    listing = json.loads(body)
    for card in listing["data"]:
        card["root"] = model
    return json.dumps(listing).encode()
