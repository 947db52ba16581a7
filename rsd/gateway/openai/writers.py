"""Answers of `/v1/chat/completions` and `/v1/completions`, built from OpenAI's own types.

A writer turns the answers of one request into one body, or into the events of a stream.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from openai.types import Completion, CompletionChoice, CompletionUsage
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    chat_completion,
    chat_completion_chunk,
)
from openai.types.chat.chat_completion_chunk import ChoiceDelta
from pydantic import BaseModel

from rsd.gateway.answering.answer import Answer
from rsd.gateway.errors import GatewayError
from rsd.gateway.openai.report import Report
from rsd.types import Step

Event = dict[str, Any]
"""A JSON object of a stream."""


class AnswerWriter(ABC):
    """Writes the answers to one request. `model` is the id that the client asked for."""

    model: str
    report: Report
    ends_with_done: ClassVar[bool] = True
    """Whether a stream ends with the event `[DONE]`."""

    @abstractmethod
    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""

    @abstractmethod
    def begin(self, answer: Answer) -> list[Event]:
        """The events before the first one of `answer`."""

    @abstractmethod
    def step(self, answer: Answer, step: Step, text: str) -> Event:
        """The event of one candidate step, which releases `text`."""

    @abstractmethod
    def finish(self, answer: Answer) -> list[Event]:
        """The events that end `answer` and say why."""

    def close(self, answers: Sequence[Answer]) -> list[Event]:
        """The events after all answers."""
        return []

    def failure(self, error: GatewayError) -> Event:
        """The event that ends a stream that has begun. It holds the status, which no header can."""
        return {"error": {**error.fields(), "status": error.status}}


@dataclass(frozen=True, kw_only=True)
class _CompletionsWriter(AnswerWriter):
    """`answers_per_prompt` is the request's `n`; each prompt counts once in the usage."""

    model: str
    report: Report
    answers_per_prompt: int = 1
    include_usage: bool = False
    continuous_usage: bool = False
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def step(self, answer: Answer, step: Step, text: str) -> Event:
        if self.report.include_steps:
            return self._event(answer, text, rsd=self.report.of_step(answer, step))
        return self._event(answer, text)

    def finish(self, answer: Answer) -> list[Event]:
        about = self.report.of_answer(answer)
        return [self._event(answer, answer.rest, finish_reason=answer.finish_reason, rsd=about)]

    def close(self, answers: Sequence[Answer]) -> list[Event]:
        """The usage and the totals, if they were asked for."""
        if not self.include_usage:
            return []
        return [self._chunk([], usage=self.usage(answers), rsd=self.report.of_request(answers))]

    def usage(self, answers: Sequence[Answer]) -> CompletionUsage:
        firsts = answers[:: self.answers_per_prompt]
        prompt = sum(answer.cost.prompt_tokens for answer in firsts)
        completion = sum(answer.cost.response_tokens for answer in answers)
        return CompletionUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
        )

    def _event(self, answer: Answer, text: str, **about: Any) -> Event:
        """A chunk of one answer."""
        choice = self._choice(text, {"index": answer.request.number, "logprobs": None, **about})
        if self.continuous_usage:
            return self._chunk([choice], usage=self.usage([answer]))
        return self._chunk([choice], **({"usage": None} if self.include_usage else {}))

    @abstractmethod
    def _choice(self, text: str, about: dict[str, Any]) -> BaseModel:
        """A choice of a chunk."""

    @abstractmethod
    def _chunk(self, choices: Sequence[BaseModel], **about: Any) -> Event: ...


class ChatWriter(_CompletionsWriter):
    """Writes answers of `/v1/chat/completions`."""

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        choices = [
            chat_completion.Choice.model_validate(
                {
                    "index": answer.request.number,
                    "message": ChatCompletionMessage(
                        role="assistant", content=answer.text.text, refusal=None
                    ),
                    "logprobs": None,
                    "finish_reason": answer.finish_reason,
                    "rsd": self.report.of_answer(answer),
                }
            )
            for answer in answers
        ]
        return dumped(
            ChatCompletion,
            **self._head("chat.completion"),
            choices=choices,
            usage=self.usage(answers),
            rsd=self.report.of_request(answers),
        )

    def begin(self, answer: Answer) -> list[Event]:
        delta = ChoiceDelta(role="assistant", content="")
        about = {"index": answer.request.number, "delta": delta, "logprobs": None}
        choice = chat_completion_chunk.Choice.model_validate({**about, "finish_reason": None})
        return [self._chunk([choice], **({"usage": None} if self.include_usage else {}))]

    def _choice(self, text: str, about: dict[str, Any]) -> BaseModel:
        delta = ChoiceDelta(content=text) if text else ChoiceDelta()
        return chat_completion_chunk.Choice.model_validate(
            {"finish_reason": None, **about, "delta": delta}
        )

    def _chunk(self, choices: Sequence[BaseModel], **about: Any) -> Event:
        head = self._head("chat.completion.chunk")
        return dumped(ChatCompletionChunk, **head, choices=choices, **about)

    def _head(self, kind: str) -> dict[str, Any]:
        head = {"id": f"chatcmpl-{self.id}", "object": kind}
        return {**head, "created": self.created, "model": self.model}


class CompletionWriter(_CompletionsWriter):
    """Writes answers of `/v1/completions`."""

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        choices = [
            self._choice(
                answer.text.text,
                {
                    "index": answer.request.number,
                    "logprobs": None,
                    "finish_reason": answer.finish_reason,
                    "rsd": self.report.of_answer(answer),
                },
            )
            for answer in answers
        ]
        return self._chunk(choices, usage=self.usage(answers), rsd=self.report.of_request(answers))

    def begin(self, answer: Answer) -> list[Event]:
        return []

    def _choice(self, text: str, about: dict[str, Any]) -> BaseModel:
        fields = {"finish_reason": None, **about, "text": text}
        if fields["finish_reason"] is None:  # OpenAI's type knows only the last chunk
            return CompletionChoice.model_construct(**fields)
        return CompletionChoice.model_validate(fields)

    def _chunk(self, choices: Sequence[BaseModel], **about: Any) -> Event:
        fields = {"id": f"cmpl-{self.id}", "object": "text_completion", "created": self.created}
        return dumped(Completion, **fields, model=self.model, choices=choices, **about)


def dumped(kind: type[BaseModel], /, **fields: Any) -> dict[str, Any]:
    """`fields` validated by OpenAI's type `kind`, as JSON values; unset fields are left out."""
    return kind.model_validate(fields).model_dump(exclude_unset=True, warnings=False)
