"""The driver alone: steps a second of one core, and memory a problem, at many problems in flight.

    python benchmarks/driver.py

Fake servers answer at once, so what is measured is `rsd` itself: RSD, the runner, the records and
the store. Grading, which works in processes of its own, is left out. A problem has 10 kept steps
of 50 tokens after a prompt of 100, and two rejected drafts. Three lines, each point in a process
of its own:

- scripted: generators and scorer are objects that answer at once;
- client: the real clients, the tokenizer of the reward model included, over connections inside
  the process whose other end answers at once; its time is taken off;
- sockets: the same over connections to a server in another process.

Steps a second of a core are the decided steps, kept or not, by the CPU seconds of the driver's
process. Memory is what the process has grown by when half of the steps are decided, all problems
in flight.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from harness.common import (
    BLUE,
    DEMO,
    GREEN,
    GREY,
    ORANGE,
    argument_parser,
    new_figure,
    save_plot,
    say,
    write_result,
)

from rsd.backends import CompletionsGenerator, Server, SkyworkScorer, load_tokenizer
from rsd.backends.http import HttpClient
from rsd.cli.process import prepare_process
from rsd.config import load
from rsd.decoding import Limits, RewardGuidedSpeculativeDecoding, Rules
from rsd.decoding.acceptance import step as threshold
from rsd.grading import GraderPool
from rsd.protocols import Generator, Sampling, Scorer
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.runs.runner import decode_all
from rsd.runs.store import RunStore
from rsd.testing.server import live
from rsd.types import ROLES, Completion, Prefix, Problem, Score, Step, Usage

IN_FLIGHT = {
    "scripted": (1, 100, 1000, 5000),
    "client": (1, 100, 1000, 5000),
    "sockets": (1, 100, 1000, 5000),
}
LINES = tuple(IN_FLIGHT)
STEPS, TOKENS, PROMPT = 10, 50, 100
WRITTEN = tuple(range(TOKENS))
REJECTED = 5  # one draft in so many
AT_LEAST = 150  # problems
TARGET = 2000  # steps a second of a core
QUESTION = "Ann has 14 pens, and every day she is given some more. How many has she in the end?"
COLOURS = dict(zip(LINES, (GREEN, BLUE, ORANGE), strict=True))
JSON = {"content-type": "application/json"}

_number = itertools.count()


def step_text(number: int) -> str:
    """A step that no other problem has, so that no memory of texts helps."""
    return f"Line {number}: {number + 14} + {next(_number)} pens are left in the end."


def reward(steps: int) -> float:
    return 0.0 if steps % REJECTED == 0 else 1.0


class MeasuringLimiter(ConcurrencyLimiter):
    """Notes the process's memory when half of the steps of `problems` are decided."""

    def __init__(self, limit: int, problems: int) -> None:
        super().__init__(limit)
        self.memory = 0
        self._half = problems * STEPS // 2

    def count(self, step: Step) -> None:
        super().count(step)
        if self.steps == self._half:
            gc.collect()
            self.memory = resident()


class ScriptedWriter:
    """A generator that answers at once."""

    async def generate(self, prefix: Prefix, *, max_tokens: int, sampling: Sampling) -> Completion:
        await asyncio.sleep(0)
        ids = prefix.token_ids or tuple(range(PROMPT))
        number = (len(ids) - PROMPT) // TOKENS
        return Completion(
            text=step_text(number),
            finish_reason="stop",
            matched_stop="\n\n" if number < STEPS - 1 else None,
            usage=Usage(1, prompt_tokens=len(ids), completion_tokens=TOKENS),
            started_at=time.time(),
            seconds=0.0,
            prompt_token_ids=ids,
            token_ids=WRITTEN,
        )


class ScriptedReward:
    """A scorer that answers at once."""

    async def score(self, question: str, steps: Sequence[str]) -> Score:
        await asyncio.sleep(0)
        usage = Usage(1, PROMPT + TOKENS * len(steps))
        return Score(reward(len(steps)), usage, TOKENS, time.time(), 0.0)


class NoGrader:
    """Stands where answers are graded."""

    async def grade(self, *_: Any, **__: Any) -> Any:
        return self

    prediction, correct, correct_paper, how, how_paper = None, False, False, "not graded", None


class FakeServer:
    """Answers at once, in the shape of vLLM 0.32's answers; `seconds` of CPU go into that.
    `separator` is the token that ends a step of the reward model's input."""

    def __init__(self, separator: int) -> None:
        self.seconds = 0.0
        self._separator = separator
        self._text = ""  # of the newest completion, whose token ids may be decoded

    def respond(self, path: str, content: bytes) -> bytes:
        clock = time.thread_time()
        body = json.loads(content)
        if path.endswith("/classify"):
            answer = self._classify(body)
        elif path.endswith("/detokenize"):
            answer = {"prompt": self._text}
        else:
            answer = self._complete(body)
        encoded = json.dumps(answer).encode()
        self.seconds += time.thread_time() - clock
        return encoded

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As an ASGI application."""
        content = b""
        while (message := await receive())["type"] == "http.request":
            content += message["body"]
            if not message["more_body"]:
                break
        headers = [(name.encode(), value.encode()) for name, value in JSON.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = self.respond(scope["path"], content)
        await send({"type": "http.response.body", "body": body})

    def _classify(self, body: dict[str, Any]) -> dict[str, Any]:
        rewards = [reward(ids.count(self._separator)) for ids in body["input"]]
        data = [
            {"index": index, "label": "LABEL_0", "probs": [value], "num_classes": 1}
            for index, value in enumerate(rewards)
        ]
        head = {"id": "classify-1", "object": "list", "model": body["model"]}
        return {**head, "data": data, "usage": {}}

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["prompt"]
        ids = list(range(PROMPT)) if isinstance(prompt, str) else prompt
        number = (len(ids) - PROMPT) // TOKENS
        self._text = step_text(number)
        choice = {
            "index": 0,
            "text": self._text,
            "logprobs": None,
            "finish_reason": "stop",
            "stop_reason": "\n\n" if number < STEPS - 1 else None,
            "token_ids": WRITTEN,
            "prompt_token_ids": ids,
            "prompt_logprobs": None,
        }
        usage = {
            "prompt_tokens": len(ids),
            "completion_tokens": TOKENS,
            "total_tokens": len(ids) + TOKENS,
            "prompt_tokens_details": {"cached_tokens": len(ids) - TOKENS},
        }
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": body["model"]}
        return {**head, "choices": [choice], "usage": usage}


class Wire(asyncio.Transport):
    """The transport of a connection whose other end, `fake`, is in this process."""

    def __init__(self, fake: FakeServer, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._fake = fake
        self._protocol = protocol
        self._received = b""
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        clock = time.thread_time()
        self._received += data
        head, found, content = self._received.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next((int(x[15:]) for x in lines if x.startswith("content-length:")), 0)
        self._fake.seconds += time.thread_time() - clock
        if not found or len(content) < length:
            return
        self._received = b""
        body = self._fake.respond(lines[0].split()[1], content)
        top = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        answer = top.encode() + b"\r\n\r\n" + body
        asyncio.get_running_loop().call_soon(self._protocol.data_received, answer)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close


class Inside(aiohttp.BaseConnector):
    """Connects to `fake` without a socket."""

    def __init__(self, fake: FakeServer) -> None:
        super().__init__(limit=0)
        self._fake = fake

    async def _create_connection(self, *_: object) -> ResponseHandler:
        protocol = ResponseHandler(asyncio.get_running_loop())
        protocol.connection_made(Wire(self._fake, protocol))
        return protocol


async def measure(line: str, in_flight: int) -> dict[str, float]:
    """One point: CPU seconds and memory of this process."""
    tokenizer = load_tokenizer(load(DEMO).models.prm.model)
    fake = FakeServer(tokenizer.encode("\n\n", add_special_tokens=False)[-1])
    if line != "sockets":
        return await _measure(line, in_flight, fake, "http://127.0.0.1:9")
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(fake, theirs))
    process.start()
    try:
        return await _measure(line, in_flight, fake, await asyncio.to_thread(ours.recv))
    finally:
        process.terminate()


def serve(app: FakeServer, tell: Any) -> None:
    """Serve `app` on a free port, and tell its URL."""

    async def forever() -> None:
        async with live(app) as url:
            tell.send(url)
            await asyncio.Event().wait()

    prepare_process()
    asyncio.run(forever())


async def _measure(line: str, in_flight: int, fake: FakeServer, url: str) -> dict[str, float]:
    there = [f"models.{role}.endpoint={url}/v1" for role in ROLES]
    patient = [f"models.{role}.connect_timeout_s=60" for role in ROLES]  # on a busy machine
    config = load(DEMO, [*there, *patient])
    servers = {role: Server(role, config.models.role(role)) for role in ROLES}
    if line == "client":
        for server in servers.values():
            server.http = HttpClient(
                url, key=None, connect_timeout_s=60, connect=partial(Inside, fake)
            )
    if line == "scripted":
        draft = target = cast(Generator, ScriptedWriter())
        scorer: Scorer = ScriptedReward()
    else:
        draft, target = (
            CompletionsGenerator(servers[role], context=4096, use_token_ids=True)
            for role in ("draft", "target")
        )
        tokenizer = load_tokenizer(config.models.prm.model)
        scorer = SkyworkScorer(servers["prm"], tokenizer, separator="\n\n")
    strategy = RewardGuidedSpeculativeDecoding(
        draft=draft,
        target=target,
        scorer=scorer,
        weighting=threshold(0.5),
        rules=Rules(Limits(max_tokens=4096, max_steps=100, max_repeats=5, context=4096)),
    )

    async def solve(problems: int, limiter: MeasuringLimiter) -> None:
        rollouts = [
            (Problem("demo", f"p{number}", f"{QUESTION} ({number})", "1"), 0)
            for number in range(problems)
        ]
        with tempfile.TemporaryDirectory() as folder, RunStore(config, Path(folder)) as store:
            await decode_all(
                rollouts,
                strategy,
                store,
                cast(GraderPool, NoGrader()),
                template=config.decoding.prompt,
                join="\n\n".join,
                seed=0,
                limiter=limiter,
                on_graded=lambda *_: None,
            )
            errors = {t.error for t in store.trajectories.values()} - {None}
            if errors:
                raise SystemExit(f"{len(errors)} kinds of errors, such as {errors.pop()}")

    await solve(10, MeasuringLimiter(1, 10))  # what is loaded and connected once
    gc.collect()
    problems = max(AT_LEAST, in_flight)
    limiter = MeasuringLimiter(in_flight, problems)
    before, cpu, clock, faked = resident(), time.process_time(), time.perf_counter(), fake.seconds
    await solve(problems, limiter)
    own = time.process_time() - cpu - (fake.seconds - faked)
    for server in servers.values():
        await server.aclose()
    return {
        "problems": problems,
        "steps": limiter.steps,
        "cpu_s": round(own, 3),
        "wall_s": round(time.perf_counter() - clock, 3),
        "steps_per_cpu_s": round(limiter.steps / own, 1),
        "grown_mib": round((limiter.memory - before) / 2**20, 1),
        "kib_per_problem": round((limiter.memory - before) / 2**10 / in_flight, 1),
    }


def resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def point(line: str, in_flight: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, "--point", line, str(in_flight)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    say(f"{line}, {in_flight} in flight: {result}")
    return result


def plot(points: dict[str, dict[int, dict[str, float]]]) -> None:
    figure, (speed, memory) = new_figure(1, 2, (9.5, 4.0))
    for line, by_flight in points.items():
        at = list(by_flight)
        rates = [by_flight[n]["steps_per_cpu_s"] for n in at]
        speed.plot(at, rates, "o-", color=COLOURS[line], label=line)
        grown = [(n, by_flight[n]["kib_per_problem"]) for n in at if n >= 100]
        memory.plot(*zip(*grown, strict=True), "o-", color=COLOURS[line], label=line)
    speed.axhline(TARGET, color=GREY, linestyle="--", label="aim")
    speed.set(xscale="log", yscale="log", ylabel="steps a second of a core")
    memory.set(xscale="log", ylabel="KiB a problem in flight", ylim=(0, None))
    for axes in (speed, memory):
        axes.set_xlabel("problems in flight")
        axes.legend()
    save_plot("driver", figure)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--point", nargs=2, metavar=("LINE", "IN_FLIGHT"), help="only this one")
    parser.add_argument("--lines", nargs="+", choices=LINES, default=LINES)
    asked = parser.parse_args()
    if asked.point:
        prepare_process()
        line, in_flight = asked.point
        print(json.dumps(asyncio.run(measure(line, int(in_flight)))))
        return
    points = {line: {n: point(line, n) for n in IN_FLIGHT[line]} for line in asked.lines}
    plot(points)
    say(f"{write_result('driver', {'aim_steps_per_cpu_s': TARGET, 'points': points})}")


if __name__ == "__main__":
    main()
