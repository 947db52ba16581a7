"""A job's answer on its way to the client: whole, or step by step as server-sent events.

Whoever stops reading stops the work: when the client leaves, the strategy is closed, and with it
every request that it has at a server.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rsd.backends import one_problem
from rsd.decoding import together
from rsd.errors import ContextError
from rsd.gateway.answering.answer import Answer, decode_answer
from rsd.gateway.errors import FAILED, GatewayError, json_response
from rsd.gateway.gateway import Gateway, Job
from rsd.gateway.http.connection import DEADLINE
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
            status = 499
        metrics.requests.labels(self._job.writer.model, str(status)).inc()
        metrics.request_seconds.observe(time.perf_counter() - self._arrived)

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer, or refuse; the status, also of a failure after the first event."""
        events = EventStream(send, at_once=scope["http_version"] == "1.0")
        try:
            async with asyncio.timeout_at(scope["state"][DEADLINE]):
                if self._job.stream:
                    await self._stream(events)
                else:
                    samples = await self._decode(None)
                    await json_response(self._job.writer.whole(samples))(scope, receive, send)
            return 200
        except Exception as error:  # the client is told, whatever it is
            refusal = _refusal(error, self._gateway.policy.deadline_s)
            if events.begun:
                await events.send(refusal.event())
                await events.end()
            else:
                await refusal.response()(scope, receive, send)
            return refusal.status

    async def _stream(self, events: EventStream) -> None:
        samples = await self._decode(events)
        for chunk in self._job.writer.closing_chunks(samples):
            await events.send(chunk)
        await events.end()

    async def _decode(self, events: EventStream | None) -> list[Answer]:
        """All answers of the job, in order; each step is told to `events` when it is decided."""
        gateway, writer = self._gateway, self._job.writer
        begun: set[int] = set()

        async def tell(number: int, chunk: Mapping[str, Any]) -> None:
            if events is None:
                return
            if writer.chat and number not in begun:
                begun.add(number)
                await events.send(writer.role_chunk(number))
            await events.send(chunk)

        async def on_step(sample: Answer, step: Step, text: str) -> None:
            self._time(step)
            chunk = writer.step_chunk(sample, step, text)
            if chunk is not None:
                await tell(sample.ask.number, chunk)

        async def one(number: int) -> Answer:
            with one_problem():
                sample = await decode_answer(self._job.asks[number], gateway, on_step)
            await tell(number, writer.last_chunk(sample))
            return sample

        async with gateway.admission.slot():
            samples = await together(one(number) for number in range(len(self._job.asks)))
        self._count_degraded(samples)
        return samples

    def _time(self, step: Step) -> None:
        if step.accepted and not self._first_step_seen:
            self._first_step_seen = True
            self._gateway.metrics.first_step.observe(time.perf_counter() - self._arrived)

    def _count_degraded(self, samples: Sequence[Answer]) -> None:
        for sample in samples:
            for entry in sample.degraded:
                self._gateway.metrics.degraded.labels(entry["lost"], entry["mode"]).inc()


class EventStream:
    """Server-sent events; the answer begins with the first one, so that what fails before it can
    still be refused with its own status.

    With `at_once` all are sent together at the end: HTTP/1.0 has no chunks.
    """

    def __init__(self, send: Send, *, at_once: bool = False) -> None:
        self.begun = False
        self._send = send
        self._kept: list[str] | None = [] if at_once else None
        self._order = asyncio.Lock()  # several answers of one request write

    async def send(self, event: Mapping[str, Any]) -> None:
        async with self._order:
            await self._write(f"data: {json.dumps(event)}\n\n", more=True)

    async def end(self) -> None:
        async with self._order:
            await self._write("data: [DONE]\n\n", more=False)

    async def _write(self, text: str, *, more: bool) -> None:
        length = []
        if self._kept is not None:
            self._kept.append(text)
            if more:
                return
            text = "".join(self._kept)
            length = [(b"content-length", str(len(text.encode())).encode())]
        if not self.begun:
            self.begun = True
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-cache"),
                (b"x-accel-buffering", b"no"),
                *length,
            ]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
        await self._send(body)


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
