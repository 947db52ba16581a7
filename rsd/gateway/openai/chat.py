"""From the turns of a chat to the models' prompt, by the target's own chat template."""

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

    def render(
        self, turns: Sequence[ChatTurn], field: str, effort: str | None = None
    ) -> tuple[str, str]:
        """The prompt, and the question that the reward model reads: the last user turn.

        Earlier turns are in the prompt only: reward models are trained on single questions.
        `effort` is given to templates that read `reasoning_effort`. Raises `GatewayError` (400),
        naming `field`, for turns that the template refuses.
        """
        question = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
        if not question.strip():
            raise GatewayError(400, f"{field} has no user turn with text", param=field)
        template = self._tokenizer.chat_template
        if not template:
            raise GatewayError(
                400,
                "the target model has no chat template; use /v1/completions",
                code="no_chat_template",
            )
        messages = [
            {"role": "system" if turn.role == "developer" else turn.role, "content": turn.text}
            for turn in turns
        ]
        if self._system is not None and all(each["role"] != "system" for each in messages):
            messages.insert(0, {"role": "system", "content": self._system})
        reads_effort = effort is not None and "reasoning_effort" in str(template)
        options = {"reasoning_effort": effort} if reads_effort else {}
        try:
            prompt = self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True, **options
            )
        except Exception as error:  # a template raises what it likes
            refused = "the model's chat template refuses these turns"
            reason = " ".join(str(error).split())[:200]
            raise GatewayError(
                400, f"{refused}: {reason}", param=field, logged=f"{field}: {refused}"
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
