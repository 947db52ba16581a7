"""When the decoding of one problem ends."""

from __future__ import annotations

from dataclasses import dataclass

from rsd.types import Completion, Prefix, StopReason


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one solution, all >= 1.

    `max_tokens` and `max_steps` bound the response; `max_repeats` is how often one and the same
    step may occur in it; `context` is the smallest context length, in tokens, of the models
    that read the solution.
    """

    max_tokens: int
    max_steps: int
    max_repeats: int
    context: int


class Response:
    """The accepted part of a solution while it grows: its prefix for the generators, its step
    texts for the scorer, and the decision whether a further step ends it."""

    def __init__(self, prompt: str, separator: str, limits: Limits) -> None:
        self.prefix = Prefix(prompt)
        self.steps: list[str] = []
        self._separator = separator
        self._limits = limits
        self._tokens = 0
        self._length = 0  # of prompt and response; the prompt's is known after the first step

    @property
    def budget(self) -> int:
        """Tokens that the next step may take; at least 1 until the response has ended.

        It never leaves the smallest context, so that a step which a model with a larger one
        wrote can still be scored."""
        limits = self._limits
        return min(limits.max_tokens - self._tokens, limits.context - self._length)

    def ending(self, completion: Completion) -> StopReason | None:
        """Why the response ends if `completion` is accepted, or None if it goes on."""
        usage, limits = completion.usage, self._limits
        if completion.finish_reason == "stop" and completion.matched_stop is None:
            return StopReason.EOS
        if usage.prompt_tokens + usage.completion_tokens >= limits.context:
            return StopReason.CONTEXT
        if completion.finish_reason == "length" or usage.completion_tokens >= self.budget:
            return StopReason.MAX_TOKENS
        if len(self.steps) + 1 >= limits.max_steps:
            return StopReason.MAX_STEPS
        if self.steps.count(completion.text) + 1 >= limits.max_repeats:
            return StopReason.REPETITION
        return None

    def accept(self, completion: Completion) -> None:
        """Append `completion` as the next step."""
        self.prefix = self.prefix.extend(completion, self._separator)
        self.steps.append(completion.text)
        self._tokens += completion.usage.completion_tokens
        self._length = completion.usage.prompt_tokens + completion.usage.completion_tokens
