"""How long a server on a device takes for what, by a model of vLLM's scheduler.

An engine works in iterations. Each gives one token to every sequence that decodes, and what is
left of its token budget to prompts, first come first served, less what the prefix cache has. It
lasts as long as the slower of moving bytes (all weights, and the keys and values of what decodes)
and computing (two operations for each parameter and token), plus a fixed overhead. Left out:
attention's own operations, evictions from the cache, and memory as a limit; `peak_tokens` and
`distinct_tokens` tell whether it would have been one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import takewhile
from typing import Literal


@dataclass(frozen=True, slots=True)
class Device:
    """What a device achieves, not its peak: operations and bytes a second. `overhead_s` is spent
    in every iteration on scheduling and launching."""

    flops: float
    bandwidth: float
    memory_bytes: float
    overhead_s: float


@dataclass(frozen=True, slots=True)
class Model:
    """`parameters` that every token passes; bytes of a parameter and of a token's keys and
    values."""

    parameters: float
    kv_bytes: float
    parameter_bytes: float = 2


@dataclass(slots=True)
class Counters:
    """Totals since the start: seconds in iterations, iterations, and tokens. `cancelled` were
    generated for requests that were cancelled later."""

    busy_s: float = 0.0
    iterations: int = 0
    computed: int = 0
    cached: int = 0
    generated: int = 0
    cancelled: int = 0


@dataclass(eq=False, slots=True)
class _Request:
    prompt: Sequence[int]
    output: Sequence[int]
    marks: Sequence[int]  # numbers of tokens written, at each of which its client is told
    cached: int = 0
    left: int = 0  # tokens of the prompt that are still to be read
    joined: int = 0  # the iteration whose end gave it its first token
    reached: int = 0  # marks
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    state: Literal["waiting", "reading", "writing", "over"] = "waiting"


@dataclass(eq=False)
class SimulatedEngine:
    """One server on one device. The defaults are those of vLLM 0.32's API server on an A100
    (`vllm/engine/arg_utils.py`) and its cache block. `spans` are the times, from and to, when it
    had work."""

    device: Device
    model: Model
    prefix_cache: bool = True
    max_sequences: int = 256
    max_batched_tokens: int = 2048
    block_size: int = 16
    counters: Counters = field(default_factory=Counters)
    spans: list[tuple[float, float]] = field(default_factory=list)
    peak_tokens: int = 0

    def __post_init__(self) -> None:
        self._waiting: deque[_Request] = deque()
        self._reading: deque[_Request] = deque()  # one, unless it was just read to its end
        self._writing: list[tuple[int, int, _Request]] = []  # heap by the iteration of a mark
        self._writers = 0
        self._context = 0  # tokens whose keys and values the writers read
        self._blocks: set[int] = set()
        self._entries = 0
        self._serving: asyncio.Task[None] | None = None

    @property
    def capacity_tokens(self) -> float:
        """Tokens whose keys and values fit beside the weights, at vLLM's share of the memory."""
        weights = self.model.parameters * self.model.parameter_bytes
        return (0.9 * self.device.memory_bytes - weights) / self.model.kv_bytes

    @property
    def distinct_tokens(self) -> int:
        """Tokens in the prefix cache, which never forgets."""
        return len(self._blocks) * self.block_size

    @property
    def busy(self) -> bool:
        """Whether it has a request."""
        return self._serving is not None

    async def run(self, prompt: Sequence[int], output: Sequence[int] = ()) -> int:
        """Read `prompt` and write `output`, token ids; the number of tokens found in the cache.

        Cancelling it takes the sequence out of the batch.
        """
        request = _Request(prompt, output, [len(output)])
        async with aclosing(self._submit(request)) as marks:
            async for _ in marks:
                pass
        return request.cached

    def stream(self, prompt: Sequence[int], output: Sequence[int]) -> AsyncGenerator[int, None]:
        """The same, but with the number of tokens written so far as each of them is.

        Closing it takes the sequence out of the batch.
        """
        return self._submit(_Request(prompt, output, range(1, len(output) + 1)))

    async def _submit(self, request: _Request) -> AsyncGenerator[int, None]:
        self._waiting.append(request)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        try:
            for number, mark in enumerate(request.marks, 1):
                while request.reached < number:
                    request.changed.clear()
                    await request.changed.wait()
                yield mark
        finally:
            if request.state != "over":
                self._drop(request)

    async def _serve(self) -> None:
        start = asyncio.get_running_loop().time()
        while self._waiting or self._reading or self._writers:
            tokens, read = self._schedule()
            seconds = self._seconds(tokens)
            await asyncio.sleep(seconds)
            self.counters.busy_s += seconds
            self.counters.iterations += 1
            self._advance(read)
        self._serving = None
        self.spans.append((start, asyncio.get_running_loop().time()))

    def _schedule(self) -> tuple[int, list[_Request]]:
        """The tokens of the next iteration, and the requests whose prompt is read to its end."""
        budget = max(0, self.max_batched_tokens - self._writers)
        tokens = self._writers
        read: list[_Request] = []
        while budget > 0 and (self._reading or self._waiting):
            if not self._reading:
                if self._writers + len(read) >= self.max_sequences:
                    break
                self._reading.append(self._admit(self._waiting.popleft()))
            request = self._reading[0]
            chunk = min(budget, request.left)
            request.left -= chunk
            budget -= chunk
            tokens += chunk
            self.counters.computed += chunk
            if request.left == 0:
                read.append(self._reading.popleft())
        return tokens, read

    def _admit(self, request: _Request) -> _Request:
        request.state = "reading"
        if self.prefix_cache:
            known = takewhile(self._blocks.__contains__, self._keys(request.prompt))
            # The last token is always read: its hidden state gives the answer.
            request.cached = min(sum(1 for _ in known) * self.block_size, len(request.prompt) - 1)
            self.counters.cached += request.cached
        request.left = len(request.prompt) - request.cached
        return request

    def _seconds(self, tokens: int) -> float:
        """How long an iteration over `tokens` lasts."""
        device, model = self.device, self.model
        moved = model.parameters * model.parameter_bytes + self._context * model.kv_bytes
        computed = 2 * model.parameters * tokens
        return device.overhead_s + max(moved / device.bandwidth, computed / device.flops)

    def _advance(self, read: Sequence[_Request]) -> None:
        """The end of an iteration: every writer has one token more, `read` their first."""
        self._context += self._writers
        self.counters.generated += self._writers
        for request in read:
            if request.state == "reading":
                self._join(request)
        while self._writing and self._writing[0][0] <= self.counters.iterations:
            request = heappop(self._writing)[-1]
            if request.state == "writing":
                self._tell(request)
        self.peak_tokens = max(self.peak_tokens, self._context)

    def _join(self, request: _Request) -> None:
        """The prompt is read, and the first token written, if any is to be."""
        self._remember(request.prompt)
        if not request.output:
            self._tell(request)
            return
        request.state = "writing"
        request.joined = self.counters.iterations
        self.counters.generated += 1
        self._writers += 1
        self._context += len(request.prompt) + 1
        self._await_mark(request)

    def _await_mark(self, request: _Request) -> None:
        due = request.joined + request.marks[request.reached] - 1
        self._entries += 1
        heappush(self._writing, (due, self._entries, request))

    def _tell(self, request: _Request) -> None:
        """A request is at its next mark. The last one is its end."""
        request.reached += 1
        request.changed.set()
        if request.reached < len(request.marks):
            self._await_mark(request)
            return
        if request.output:
            self._leave(request)
            self._remember([*request.prompt, *request.output])
        request.state = "over"

    def _leave(self, request: _Request) -> int:
        """Take a writer out of the batch; the tokens that it has written."""
        written = 1 + self.counters.iterations - request.joined
        self._writers -= 1
        self._context -= len(request.prompt) + written
        return written

    def _drop(self, request: _Request) -> None:
        """The client of a request has left. What was written for it stays in the cache."""
        if request.state == "writing":
            written = self._leave(request)
            self.counters.cancelled += written
            self._remember([*request.prompt, *request.output[:written]])
        elif request in self._waiting:
            self._waiting.remove(request)
        elif request in self._reading:
            self._reading.remove(request)
        request.state = "over"

    def _remember(self, ids: Sequence[int]) -> None:
        if self.prefix_cache:
            self._blocks.update(self._keys(ids))

    def _keys(self, ids: Sequence[int]) -> Iterator[int]:
        """A key for each whole block, which stands for all before it too."""
        key = 0
        for end in range(self.block_size, len(ids) + 1, self.block_size):
            key = hash((key, *ids[end - self.block_size : end]))
            yield key
