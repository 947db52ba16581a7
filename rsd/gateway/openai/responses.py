"""Answers of `/v1/responses`, built from OpenAI's own types. Nothing is stored."""

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
        self._events = 0

    def whole(self, answers: Sequence[Answer]) -> dict[str, Any]:
        (answer,) = answers
        return self._finished(answer)

    def begin(self, answer: Answer) -> list[Event]:
        response = self._response("in_progress")
        item = self._message(None, "in_progress")
        return [
            self._event(types.ResponseCreatedEvent, "response.created", response=response),
            self._event(types.ResponseInProgressEvent, "response.in_progress", response=response),
            self._event(
                types.ResponseOutputItemAddedEvent,
                "response.output_item.added",
                output_index=0,
                item=item,
            ),
            self._part_event(
                types.ResponseContentPartAddedEvent, "response.content_part.added", part=_part("")
            ),
        ]

    def step(self, answer: Answer, step: Step, text: str) -> Event:
        if self.report.include_steps:
            return self._delta(text, rsd=self.report.of_step(answer, step))
        return self._delta(text)

    def finish(self, answer: Answer) -> list[Event]:
        text, response = answer.text.text, self._finished(answer)
        events = [self._delta(answer.rest)] if answer.rest else []
        events += [
            self._part_event(
                types.ResponseTextDoneEvent, "response.output_text.done", text=text, logprobs=[]
            ),
            self._part_event(
                types.ResponseContentPartDoneEvent, "response.content_part.done", part=_part(text)
            ),
            self._event(
                types.ResponseOutputItemDoneEvent,
                "response.output_item.done",
                output_index=0,
                item=response["output"][0],
            ),
        ]
        if response["status"] == "completed":
            ending: type[BaseModel] = types.ResponseCompletedEvent
        else:
            ending = types.ResponseIncompleteEvent
        kind = f"response.{response['status']}"
        return [*events, self._event(ending, kind, response=response)]

    def failure(self, error: GatewayError) -> Event:
        event = self._event(
            types.ResponseErrorEvent,
            "error",
            code=error.code,
            message=str(error),
            param=error.param,
        )
        return event | super().failure(error)

    def _finished(self, answer: Answer) -> dict[str, Any]:
        status: _Status = "completed" if answer.finish_reason == "stop" else "incomplete"
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        cost = answer.cost
        usage = {
            "input_tokens": cost.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": cost.response_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": cost.prompt_tokens + cost.response_tokens,
        }
        return self._response(
            status,
            output=[self._message(answer.text.text, status)],
            incomplete_details=reason,
            usage=usage,
            rsd={**self.report.of_request([answer]), **self.report.of_answer(answer)},
        )

    def _response(self, status: _Status, **about: Any) -> dict[str, Any]:
        request = self._request
        fields: dict[str, Any] = {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "model": self.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
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
        return dumped(types.Response, **(fields | about))

    def _message(self, text: str | None, status: _Status) -> dict[str, Any]:
        return dumped(
            types.ResponseOutputMessage,
            id=f"msg_{self._id}",
            type="message",
            role="assistant",
            status=status,
            content=[] if text is None else [_part(text)],
        )

    def _delta(self, text: str, **about: Any) -> Event:
        return self._part_event(
            types.ResponseTextDeltaEvent,
            "response.output_text.delta",
            delta=text,
            logprobs=[],
            **about,
        )

    def _part_event(self, model: type[BaseModel], kind: str, /, **fields: Any) -> Event:
        """An event about the text of the one message."""
        place = {"item_id": f"msg_{self._id}", "output_index": 0, "content_index": 0}
        return self._event(model, kind, **place, **fields)

    def _event(self, model: type[BaseModel], kind: str, /, **fields: Any) -> Event:
        event = dumped(model, type=kind, sequence_number=self._events, **fields)
        self._events += 1
        return event


def _part(text: str) -> dict[str, Any]:
    return dumped(types.ResponseOutputText, type="output_text", text=text, annotations=[])
