"""Prompts by a model's own chat template, as transformers renders it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rsd.prompts.named import user_text
from rsd.types import Prefix

Turn = dict[str, str]
"""`role` (system, user or assistant) and `content`."""


@dataclass(frozen=True)
class Conversation:
    """What is said before the response. `system` is left out if it is None; `user` is a text with
    `{question}` or one of `USER_TEXTS`; `examples` are earlier questions with their answers."""

    system: str | None = None
    user: str = "question"
    examples: Sequence[tuple[str, str]] = ()

    def turns(self, question: str) -> list[Turn]:
        """The turns that end in `question`."""
        turns = [] if self.system is None else [{"role": "system", "content": self.system}]
        for asked, answered in self.examples:
            turns.append({"role": "user", "content": user_text(self.user, asked)})
            turns.append({"role": "assistant", "content": answered})
        return [*turns, {"role": "user", "content": user_text(self.user, question)}]


@dataclass(frozen=True)
class ChatTemplate:
    """The chat template of `tokenizer` (transformers). `kwargs` are passed to it, such as
    `enable_thinking`; `beginning` is the beginning of every response. `template` replaces the
    tokenizer's own."""

    tokenizer: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    beginning: str = ""
    template: str | None = None

    @property
    def exists(self) -> bool:
        """Whether the model has a chat template; models without instruction tuning have none."""
        return bool(self.template or self.tokenizer.chat_template)

    def with_kwargs(self, kwargs: Mapping[str, Any]) -> ChatTemplate:
        """This template with those of `kwargs` that it reads."""
        text = str(self.template or self.tokenizer.chat_template)
        read = {name: value for name, value in kwargs.items() if name in text}
        return replace(self, kwargs={**self.kwargs, **read}) if read else self

    def spoken_by(self, tokenizer: Any) -> ChatTemplate:
        """This template for a model with another tokenizer and no template of its own."""
        return replace(self, tokenizer=tokenizer, template=self.tokenizer.chat_template)

    def render(self, turns: Sequence[Turn]) -> str:
        """The text before the response. Raises `ValueError`, in one line, for turns that the
        template refuses, or without a template."""
        if not self.exists:
            raise ValueError("the model has no chat template")
        try:
            text = self.tokenizer.apply_chat_template(
                list(turns),
                chat_template=self.template,
                tokenize=False,
                add_generation_prompt=True,
                **self.kwargs,
            )
        except Exception as error:  # a template raises what it likes
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"the model's chat template refuses these turns: {reason}") from error
        return str(text) + self.beginning

    def prefix(self, turns: Sequence[Turn]) -> Prefix:
        """The prompt and its token ids, which hold the special tokens that the template writes and
        no others. The text is without a first token that a server adds to every text."""
        text = self.render(turns)
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        return Prefix(self._without_bos(text), tuple(ids))

    def text(self, ids: Sequence[int]) -> str:
        """The text of a prompt given as token ids. Raises `ValueError` for unknown ids."""
        if ids and max(ids) >= len(self.tokenizer):
            raise ValueError(f"token id {max(ids)} is out of vocabulary")
        return self._without_bos(str(self.tokenizer.decode(list(ids))))

    def _without_bos(self, text: str) -> str:
        """A server that begins every text with this token must not get it twice."""
        bos = self.tokenizer.bos_token or ""
        begins = self.tokenizer("").input_ids[:1] == [self.tokenizer.bos_token_id]
        return text.removeprefix(bos) if begins else text
