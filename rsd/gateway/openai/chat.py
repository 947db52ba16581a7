"""From turns of a chat to the prompt of the models, by the target's own chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rsd.gateway.errors import GatewayError
from rsd.gateway.openai.requests import ChatTurn


class ChatTemplate:
    """`tokenizer` is the target's (transformers); `system` is put before chats without a system
    turn."""

    def __init__(self, tokenizer: Any, system: str | None) -> None:
        self._tokenizer = tokenizer
        self._system = system
        self._bos = tokenizer.bos_token or ""
        begins = list(tokenizer("").input_ids)
        self._server_adds_bos = bool(begins) and begins[0] == tokenizer.bos_token_id

    def render(self, messages: Sequence[ChatTurn]) -> tuple[str, str]:
        """The prompt, and the question that the reward model reads: the last user turn.

        Earlier turns are in the prompt only: reward models are trained on single questions.
        Raises `GatewayError` (400) for turns that the template refuses.
        """
        question = next((m.text for m in reversed(messages) if m.role == "user"), "")
        if not question.strip():
            raise GatewayError(400, "messages has no user turn with text", param="messages")
        if not self._tokenizer.chat_template:
            raise GatewayError(
                400,
                "the target model has no chat template; use /v1/completions",
                code="no_chat_template",
            )
        turns = [
            {"role": "system" if m.role == "developer" else m.role, "content": m.text}
            for m in messages
        ]
        if self._system is not None and all(turn["role"] != "system" for turn in turns):
            turns.insert(0, {"role": "system", "content": self._system})
        try:
            prompt = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template raises what it likes
            reason = " ".join(str(error).split())[:200]
            raise GatewayError(
                400, f"the model's chat template refuses these turns: {reason}", param="messages"
            ) from error
        return self._without_bos(str(prompt)), question

    def text(self, ids: Sequence[int]) -> str:
        """The text of a prompt given as token ids. Raises `GatewayError` for unknown ids."""
        if max(ids) >= len(self._tokenizer):
            raise GatewayError(400, f"token id {max(ids)} is out of vocabulary", param="prompt")
        return self._without_bos(str(self._tokenizer.decode(list(ids))))

    def _without_bos(self, prompt: str) -> str:
        """A server that itself begins every prompt with this token must not get it twice."""
        return prompt.removeprefix(self._bos) if self._server_adds_bos else prompt
