"""From the turns of a chat to what each model continues."""

from __future__ import annotations

from collections.abc import Sequence

from rsd.backends import Prompts
from rsd.gateway.errors import GatewayError
from rsd.gateway.openai.requests import ChatTurn
from rsd.prompts import ChatTemplate, Turn
from rsd.types import Query


class ChatRenderer:
    """Renders chats as `rsd run` renders questions: with `decoding.prompt: chat` by each model's
    own chat template, else by that of the `target` for both. `system` is put before chats without
    a system turn."""

    def __init__(self, prompts: Prompts, target: ChatTemplate, system: str | None) -> None:
        self._prompts = prompts
        self._target = target
        self._system = system

    def render(self, turns: Sequence[ChatTurn], field: str, effort: str | None = None) -> Query:
        """What is decoded. Its question, which the reward model reads, is the last user turn.

        Earlier turns are in the prompt only: reward models are trained on single questions.
        `effort` is given to templates that read `reasoning_effort`. Raises `GatewayError` (400),
        naming `field`, for turns that the template refuses.
        """
        question = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
        if not question.strip():
            raise GatewayError(400, f"{field} has no user turn with text", param=field)
        chats = self._prompts.chats or {"target": self._target}
        if not any(chat.exists for chat in chats.values()):
            raise GatewayError(
                400,
                "the target model has no chat template; use /v1/completions",
                code="no_chat_template",
            )
        messages = self._messages(turns)
        options = {} if effort is None else {"reasoning_effort": effort}
        try:
            prompts = {
                source: chat.with_kwargs(options).prefix(messages) for source, chat in chats.items()
            }
        except ValueError as error:
            refused = "the model's chat template refuses these turns"
            raise GatewayError(
                400, str(error), param=field, logged=f"{field}: {refused}"
            ) from error
        text = next(iter(prompts.values())).text
        return Query(text, question, prompts=prompts if self._prompts.chats else {})

    def text(self, ids: Sequence[int]) -> str:
        """The text of a prompt given as token ids. Raises `GatewayError` for unknown ids."""
        try:
            return self._target.text(ids)
        except ValueError as error:
            raise GatewayError(400, str(error), param="prompt") from error

    def _messages(self, turns: Sequence[ChatTurn]) -> list[Turn]:
        messages = [
            {"role": "system" if turn.role == "developer" else turn.role, "content": turn.text}
            for turn in turns
        ]
        if self._system is not None and all(each["role"] != "system" for each in messages):
            messages.insert(0, {"role": "system", "content": self._system})
        return messages
