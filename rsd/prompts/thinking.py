"""The thinking part of a response: how it opens and closes.

Thinking models write `<think>...</think>` and then the answer. Some chat templates put the opening
into the prompt, or an empty thinking part where thinking is switched off.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

KNOWN = (
    ("<think>", "</think>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
"""Openings and closings that models use."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The texts that open and close a thinking part."""

    open: str = "<think>"
    close: str = "</think>"

    def is_open(self, text: str, *, before: bool = False) -> bool:
        """Whether a thinking part is open at the end of `text`; `before`: at its beginning."""
        opened, closed = text.rfind(self.open), text.rfind(self.close)
        return before if opened == closed == -1 else opened > closed

    def answer(self, response: str, *, began_open: bool) -> str | None:
        """What follows the thinking part of a whole response; None where it never closed.

        `began_open` tells that the prompt ends within a thinking part."""
        if self.is_open(response, before=began_open):
            return None
        return response.rpartition(self.close)[2].lstrip()


def find_tags(chat_template: str | None, special_tokens: Collection[str] = ()) -> Tags | None:
    """The tags that a model's chat template, or its added tokens, name; None where neither does."""
    for opening, closing in KNOWN:
        if closing in (chat_template or "") or closing in special_tokens:
            return Tags(opening, closing)
    return None
