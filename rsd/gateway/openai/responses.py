"""Answers of `/v1/responses`, validated by OpenAI's own types. Nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from uuid import uuid4

from openai.types import responses as types
from pydantic import BaseModel

from rsd.config import DecodingConfig
from rsd.gateway.answering.answer import Answer
from rsd.gateway.errors import GatewayError
from rsd.gateway.openai.report import Report
from rsd.gateway.openai.requests import ResponsesRequest
from rsd.gateway.openai.writers import AnswerWriter, Event, dumped
from rsd.types import Step

_Status = Literal["in_progress", "completed", "incomplete"]

_EVENTS: dict[str, type[BaseModel]] = {
    "response.created": types.ResponseCreatedEvent,
    "response.in_progress": types.ResponseInProgressEvent,
    "response.output_item.added": types.ResponseOutputItemAddedEvent,
    "response.content_part.added": types.ResponseContentPartAddedEvent,
    "response.output_text.delta": types.ResponseTextDeltaEvent,
    "response.output_text.done": types.ResponseTextDoneEvent,
    "response.content_part.done": types.ResponseContentPartDoneEvent,
    "response.output_item.done": types.ResponseOutputItemDoneEvent,
    "response.completed": types.ResponseCompletedEvent,
    "response.incomplete": types.ResponseIncompleteEvent,
    "error": types.ResponseErrorEvent,
}


class ResponsesWriter(AnswerWriter):
    """Writes the answer to one request. Its stream ends with `response.completed`, or with
    `response.incomplete` where a limit ended the answer."""

    ends_with_done: ClassVar[bool] = False

    def __init__(
        self, model: str, report: Report, request: ResponsesRequest, decoding: DecodingConfig
    ) -> None:
        self.model = model
        self.report = report
        self._request = request
        self._decoding = decoding
        self._id = uuid4().hex
        self._created = int(time.time())
        self._sent = 0  # events

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        (answer,) = answers
        return dumped(types.Response, **self._finished(answer))

    def begin(self, answer: Answer) -> list[Event]:
        response, message = self._response("in_progress"), self._message([], "in_progress")
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
            self._event("response.output_item.added", output_index=0, item=message),
            self._text_event("response.content_part.added", part=_part("")),
        ]

    def step(self, answer: Answer, step: Step, text: str) -> Event:
        about = {"rsd": self.report.of_step(answer, step)} if self.report.include_steps else {}
        return self._delta(text, **about)

    def finish(self, answer: Answer) -> list[Event]:
        text, response = answer.text.text, self._finished(answer)
        (message,) = response["output"]
        return [
            *([self._delta(answer.rest)] if answer.rest else []),
            self._text_event("response.output_text.done", text=text, logprobs=[]),
            self._text_event("response.content_part.done", part=_part(text)),
            self._event("response.output_item.done", output_index=0, item=message),
            self._event(f"response.{response['status']}", response=response),
        ]

    def failure(self, error: GatewayError) -> Event:
        about = {"code": error.code, "message": str(error), "param": error.param}
        return self._event("error", **about, **super().failure(error))

    def _finished(self, answer: Answer) -> dict[str, Any]:
        cost = answer.cost
        usage = {
            "input_tokens": cost.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": cost.response_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": cost.prompt_tokens + cost.response_tokens,
        }
        by_limit = answer.finish_reason == "length"
        status: _Status = "incomplete" if by_limit else "completed"
        return self._response(status) | {
            "output": [self._message([_part(answer.text.text)], status)],
            "incomplete_details": {"reason": "max_output_tokens"} if by_limit else None,
            "usage": usage,
            "rsd": self.report.of_request([answer]) | self.report.of_answer(answer),
        }

    def _response(self, status: _Status) -> dict[str, Any]:
        return {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": self._request.instructions,
            "max_output_tokens": self._request.max_output_tokens,
            "metadata": {},
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "temperature": self._decoding.temperature,
            "text": {"format": {"type": "text"}},
            "tool_choice": "none",
            "tools": [],
            "top_p": self._decoding.top_p,
            "truncation": "disabled",
            "usage": None,
        }

    def _message(self, content: list[dict[str, Any]], status: _Status) -> dict[str, Any]:
        about = {"id": f"msg_{self._id}", "type": "message", "role": "assistant"}
        return {**about, "status": status, "content": content}

    def _delta(self, text: str, **about: Any) -> Event:
        return self._text_event("response.output_text.delta", delta=text, logprobs=[], **about)

    def _text_event(self, kind: str, **fields: Any) -> Event:
        """An event about the text of the one message."""
        place = {"item_id": f"msg_{self._id}", "output_index": 0, "content_index": 0}
        return self._event(kind, **place, **fields)

    def _event(self, kind: str, **fields: Any) -> Event:
        self._sent += 1
        return dumped(_EVENTS[kind], type=kind, sequence_number=self._sent - 1, **fields)


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}
