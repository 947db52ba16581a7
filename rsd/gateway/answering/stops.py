"""A client's stop strings, in a text that grows by steps.

The model servers get them too (`watch`), to stop in time. Here they are found across steps, and
what may be the beginning of one is held back, because nothing that was sent can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence


class GrowingText:
    """The text of one answer, up to the first stop string. `stopped` tells whether one came."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.text = ""
        self.stopped = False
        self._stops = tuple(stops)
        self._held = ""

    def add(self, piece: str) -> str:
        """Append `piece`; gives the text that may be sent now."""
        if self.stopped:
            return ""
        text = self._held + piece
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return self._release(text[: min(found)])
        held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return self._release(text[: len(text) - held])

    def end(self) -> str:
        """End the text; gives what was held back."""
        held, self._held = self._held, ""
        return self._release(held)

    def _release(self, text: str) -> str:
        self.text += text
        return text


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that `stop` begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
