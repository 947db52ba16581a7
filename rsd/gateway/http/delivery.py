"""The answer to a job on its way to the client: whole, or step by step as server-sent events.

A client that leaves stops the work: the strategy is closed, and with it every request that it has
at a model server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rsd.backends import one_problem
from rsd.decoding import together
from rsd.errors import ContextError
from rsd.gateway.answering.answer import Answer, decode_answer
from rsd.gateway.errors import FAILED, REFUSAL, GatewayError, json_response
from rsd.gateway.gateway import Gateway
from rsd.gateway.http.access_log import CLIENT_CLOSED_REQUEST
from rsd.gateway.http.connection import DEADLINE
from rsd.gateway.http.events import EventStream
from rsd.gateway.openai.jobs import Job
from rsd.types import Step

log = logging.getLogger(__name__)

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Delivery(Response):
    """Decodes `job` when it is sent, and answers."""

    def __init__(self, gateway: Gateway, job: Job) -> None:
        self._gateway = gateway
        self._job = job
        self._arrived = time.perf_counter()
        self._first_step_seen = False
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._gateway.metrics
        try:
            status = await unless_disconnected(receive, self._deliver(scope, receive, send))
        except ClientGoneError:
            metrics.cancelled.inc()
            status = CLIENT_CLOSED_REQUEST
        metrics.requests.labels(self._job.writer.model, str(status)).inc()
        metrics.request_seconds.observe(time.perf_counter() - self._arrived)

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer, or refuse; the status, also of a failure after the first event."""
        writer = self._job.writer
        events = EventStream(send, at_once=scope["http_version"] == "1.0")
        try:
            async with asyncio.timeout_at(scope["state"][DEADLINE]):
                if self._job.stream:
                    async with events.kept_alive(self._gateway.policy.keep_alive_s):
                        answers = await self._decode(events)
                    await events.send(*writer.close(answers))
                    await events.end(done=writer.ends_with_done)
                else:
                    answers = await self._decode(None)
                    await json_response(writer.whole(answers))(scope, receive, send)
            return 200
        except Exception as error:  # the client is told, whatever it is
            refusal = _refusal(error, self._gateway.policy.deadline_s)
            if events.begun:
                scope["state"][REFUSAL] = refusal.logged
                await events.send(writer.failure(refusal))
                await events.end(done=writer.ends_with_done)
            else:
                await refusal.response()(scope, receive, send)
            return refusal.status

    async def _decode(self, stream: EventStream | None) -> list[Answer]:
        """All answers of the job, in order; `stream` is sent each step when it is decided."""
        gateway, writer = self._gateway, self._job.writer
        begun: set[int] = set()

        async def begin(stream: EventStream, answer: Answer) -> None:
            if answer.request.number not in begun:
                begun.add(answer.request.number)
                await stream.send(*writer.begin(answer))

        async def on_step(answer: Answer, step: Step, text: str) -> None:
            if step.accepted and not self._first_step_seen:
                self._first_step_seen = True
                gateway.metrics.first_step.observe(time.perf_counter() - self._arrived)
            if stream is not None and (text or writer.report.include_steps):
                await begin(stream, answer)
                await stream.send(writer.step(answer, step, text))

        async def one(number: int) -> Answer:
            with one_problem():
                answer = await decode_answer(self._job.requests[number], gateway, on_step)
            if stream is not None:
                await begin(stream, answer)
                await stream.send(*writer.finish(answer))
            return answer

        async with gateway.admission.slot():
            answers = await together(one(number) for number in range(len(self._job.requests)))
        for answer in answers:
            for entry in answer.degraded:
                gateway.metrics.degraded.labels(entry["lost"], entry["mode"]).inc()
        return answers


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, but cancel it and raise `ClientGoneError` when the client disconnects."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.create_task(work), asyncio.create_task(disconnected())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


def _refusal(error: Exception, deadline_s: float) -> GatewayError:
    """What the client is told of `error`."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, TimeoutError):
        return GatewayError(504, f"not answered within {deadline_s:g} s", code="deadline_exceeded")
    if isinstance(error, ContextError):
        return GatewayError(
            400,
            "the prompt does not fit the models' context; shorten it",
            code="context_length_exceeded",
        )
    log.error("a request failed", exc_info=error)
    return GatewayError(500, FAILED)
