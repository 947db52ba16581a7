"""The prompts of a configuration, rendered for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from rsd.backends.tokenizer import load_tokenizer
from rsd.config import Config
from rsd.errors import ConfigError
from rsd.prompts import CHAT, ChatTemplate, Conversation, Turn, render
from rsd.types import Prefix, Query, Source

SOURCES: tuple[Source, ...] = get_args(Source)


class Prompts:
    """Renders questions, and chats, for draft and target.

    With `decoding.prompt: chat` each model's own chat template is rendered, and its prompt is known
    by token ids, too. A model without a chat template, such as a base model, gets the other's.
    Any other prompt is one text for both.
    """

    def __init__(self, config: Config, tokenizers: Mapping[Source, Any] | None = None) -> None:
        """`tokenizers` are those of the models that write, where they are loaded already. Raises
        `ConfigError` where one cannot be loaded, or no model has a chat template."""
        decoding = config.decoding
        self._template = decoding.prompt
        examples = [(it.question, it.answer) for it in decoding.examples]
        self._conversation = Conversation(decoding.system, decoding.user, examples)
        self._chats: dict[Source, ChatTemplate] = {}
        if decoding.prompt != CHAT:
            return
        for source in SOURCES:
            if source in config.roles:
                model = config.models.role(source).model
                tokenizer = (tokenizers or {}).get(source) or load_tokenizer(
                    model, key=f"models.{source}.model"
                )
                self._chats[source] = ChatTemplate(
                    tokenizer, decoding.chat_template_kwargs, decoding.response_prefix
                )
        with_template = [chat for chat in self._chats.values() if chat.exists]
        if not with_template:
            raise ConfigError(
                "decoding.prompt: chat needs a model with a chat template, and none has one; write "
                "a text with {question}"
            )
        self._chats = {
            source: chat if chat.exists else with_template[0].spoken_by(chat.tokenizer)
            for source, chat in self._chats.items()
        }

    @property
    def chats(self) -> Mapping[Source, ChatTemplate]:
        """The chat template of each model that writes; none without `decoding.prompt: chat`."""
        return self._chats

    def turns(self, question: str) -> list[Turn]:
        """What is said before the response to `question`, with `decoding.prompt: chat`."""
        return self._conversation.turns(question)

    def prefixes(self, question: str) -> dict[Source, Prefix]:
        """The prompt of each model that writes."""
        if self._chats:
            return self.of_turns(self.turns(question))
        prompt = Prefix(render(self._template, question))
        return dict.fromkeys(SOURCES, prompt)

    def of_turns(self, turns: Sequence[Turn]) -> dict[Source, Prefix]:
        """The prompt of each model for a chat. Raises `ValueError` for one that its template
        refuses."""
        return {source: chat.prefix(turns) for source, chat in self._chats.items()}

    def query(self, question: str, **rest: Any) -> Query:
        """The query for `question`; `rest` are its other fields."""
        prefixes = self.prefixes(question)
        first = next(iter(prefixes.values()))
        own = prefixes if self._chats else {}
        return Query(prompt=first.text, question=question, prompts=own, **rest)
