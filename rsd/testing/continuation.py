"""What a server makes of the text that a model would write: cut at a stop string, at the token
limit, or ended by the model. The rules are vLLM's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsd.testing.tokenizers import Tokenizer


@dataclass(frozen=True, slots=True)
class Continuation:
    """`ids` hold everything generated, the stop string or the end-of-sequence token included;
    `text` holds neither. `stop` is the matched stop string, None at the end of sequence."""

    text: str
    ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    stop: str | None


def cut(written: str, tokenizer: Tokenizer, stops: Sequence[str], max_tokens: int) -> Continuation:
    """Cut `written`, the whole rest of an answer, as a server that generates it would.

    A stop string or end of sequence that is complete within `max_tokens` (>= 1) wins over it.
    """
    found = [(at + len(stop), at, stop) for stop in stops if (at := written.find(stop)) >= 0]
    stop: str | None = None
    if found:
        end, at, stop = min(found)
        text, ids = written[:at], tokenizer.encode(written[:end])
    else:
        text, ids = written, [*tokenizer.encode(written), tokenizer.eos_id]
    if len(ids) > max_tokens:
        ids = ids[:max_tokens]
        whole = tokenizer.decode(ids, skip_special=True).rstrip("\ufffd")  # no half characters
        return Continuation(whole, tuple(ids), "length", None)
    return Continuation(text, tuple(ids), "stop", stop)
