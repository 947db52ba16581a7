"""Answers of `/v1/chat/completions` and `/v1/completions`, validated by OpenAI's own types.

A writer turns the answers to one request into one body, or into the events of a stream.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from uuid import uuid4

from openai.types import Completion, CompletionChoice
from openai.types.chat import ChatCompletion, ChatCompletionChunk
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

    prefix: ClassVar[str]
    whole_type: ClassVar[tuple[type[BaseModel], str]]
    chunk_type: ClassVar[tuple[type[BaseModel], str]]

    model: str
    report: Report
    answers_per_prompt: int = 1
    include_usage: bool = False
    continuous_usage: bool = False
    id: str = field(default_factory=lambda: uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        choices = [
            _choice(
                answer,
                **self._text(answer.text.text),
                finish_reason=answer.finish_reason,
                rsd=self.report.of_answer(answer),
            )
            for answer in answers
        ]
        return self._body(self.whole_type, choices, **self._totals(answers))

    def begin(self, answer: Answer) -> list[Event]:
        return []

    def step(self, answer: Answer, step: Step, text: str) -> Event:
        about = self._new_text(text)
        if self.report.include_steps:
            about["rsd"] = self.report.of_step(answer, step)
        return self._event(answer, **about)

    def finish(self, answer: Answer) -> list[Event]:
        about = self._new_text(answer.rest)
        about |= {"finish_reason": answer.finish_reason, "rsd": self.report.of_answer(answer)}
        return [self._event(answer, **about)]

    def close(self, answers: Sequence[Answer]) -> list[Event]:
        """The usage and the totals, if they were asked for."""
        if not self.include_usage:
            return []
        return [self._body(self.chunk_type, [], **self._totals(answers))]

    def _event(self, answer: Answer, *, begun: bool = True, **about: Any) -> Event:
        """A chunk of one answer, with the answer's usage so far where that was asked for."""
        usage: dict[str, Any] = {"usage": None} if self.include_usage else {}
        if self.continuous_usage:
            cost = answer.cost
            usage = {"usage": _usage(cost.prompt_tokens, cost.response_tokens if begun else 0)}
        return self._body(self.chunk_type, [_choice(answer, **about)], **usage)

    def _totals(self, answers: Sequence[Answer]) -> dict[str, Any]:
        usage = _usage(
            sum(answer.cost.prompt_tokens for answer in answers[:: self.answers_per_prompt]),
            sum(answer.cost.response_tokens for answer in answers),
        )
        return {"usage": usage, "rsd": self.report.of_request(answers)}

    def _body(
        self, kind: tuple[type[BaseModel], str], choices: list[dict[str, Any]], **about: Any
    ) -> dict[str, Any]:
        head = {"id": f"{self.prefix}-{self.id}", "object": kind[1], "created": self.created}
        return dumped(kind[0], **head, model=self.model, choices=choices, **about)

    @abstractmethod
    def _text(self, text: str) -> dict[str, Any]:
        """The field of a choice that holds the whole text."""

    @abstractmethod
    def _new_text(self, text: str) -> dict[str, Any]:
        """The field of a chunk's choice that holds what is new."""


class ChatWriter(_CompletionsWriter):
    """Writes answers of `/v1/chat/completions`."""

    prefix = "chatcmpl"
    whole_type = (ChatCompletion, "chat.completion")
    chunk_type = (ChatCompletionChunk, "chat.completion.chunk")

    def begin(self, answer: Answer) -> list[Event]:
        about: dict[str, Any] = {"delta": {"role": "assistant", "content": ""}}
        return [self._event(answer, begun=False, **about)]

    def _text(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text, "refusal": None}}

    def _new_text(self, text: str) -> dict[str, Any]:
        return {"delta": {"content": text} if text else {}}


class _TextChoice(CompletionChoice):
    """OpenAI's type knows only the last chunk of a stream."""

    finish_reason: Literal["stop", "length"] | None  # type: ignore[assignment]


class _TextCompletion(Completion):
    choices: list[_TextChoice]  # type: ignore[assignment]


class CompletionWriter(_CompletionsWriter):
    """Writes answers of `/v1/completions`, whose chunks look like whole answers."""

    prefix = "cmpl"
    whole_type = chunk_type = (_TextCompletion, "text_completion")

    def _text(self, text: str) -> dict[str, Any]:
        return {"text": text}

    _new_text = _text


def _choice(answer: Answer, **about: Any) -> dict[str, Any]:
    return {"index": answer.request.number, "logprobs": None, "finish_reason": None, **about}


def _usage(prompt: int, completion: int) -> dict[str, int]:
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


def dumped(kind: type[BaseModel], /, **fields: Any) -> dict[str, Any]:
    """`fields` validated by OpenAI's type `kind`, as JSON values; unset fields are left out."""
    return kind.model_validate(fields).model_dump(exclude_unset=True)
