"""The rules of the published program (arXiv 2501.19324), for `decoding.profile: paper`.

They replace `Rules`, so that every strategy works under them unchanged. The differences that affect
the published figures: prefixes are sent as text, the reward model reads the response split again at
the separator, one call may use the whole token cap, and a solution ends when prompt and response,
encoded again, reach that cap. `docs/paper-profile.md` lists each difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rsd.decoding.response import Response, Rules
from rsd.types import Completion, Prefix, Query, Source

SEPARATOR = "\n\n"
"""The only stop string. The server strips it; the program appends it again to every step."""

TokenCount = Callable[[str], int]
"""Tokens of a text by one model's tokenizer, without special tokens."""


def published_text(steps: Iterable[str]) -> str:
    """The response with these kept steps: each followed by the separator, then stripped of white
    space at both ends."""
    return "".join(step + SEPARATOR for step in steps).strip()


@dataclass(frozen=True, slots=True)
class PaperRules(Rules):
    """`counts` holds the tokenizer of each model that writes. Of `limits`, `max_tokens` bounds
    prompt and response together, and one call; `max_repeats` is not read."""

    counts: Mapping[Source, TokenCount] = field(default_factory=dict)

    def start(self, query: Query) -> PaperResponse:
        """An empty response to `query`."""
        return PaperResponse(query, self)


class PaperResponse(Response):
    """A response that grows as text alone; its steps carry the paper's token counts."""

    def __init__(self, query: Query, rules: PaperRules) -> None:
        super().__init__(query, rules)
        self._counts = rules.counts

    @property
    def budget(self) -> int:
        """Tokens that one call may take; the server reduces it to its context."""
        return self._rules.limits.max_tokens

    def with_candidate(self, completion: Completion) -> list[str]:
        """The response with a candidate for its next step, split at the separator. It equals the
        list of steps, unless one of them ends with a newline."""
        response = self.prefix("draft").text.removeprefix(self.query.prompt)
        return (response + completion.text).split(SEPARATOR)

    def _extended(self, prefix: Prefix, completion: Completion) -> Prefix:
        return Prefix(prefix.text + completion.text + SEPARATOR)

    def _paper_tokens(self, source: Source, completion: Completion) -> int:
        return self._counts[source](completion.text + SEPARATOR)

    def _reaches_cap(self, completion: Completion) -> bool:
        text = self._extended(self.prefix("draft"), completion).text
        return any(count(text) >= self._rules.limits.max_tokens for count in self._counts.values())

    def _loops(self) -> bool:
        return False  # the published program does not check
