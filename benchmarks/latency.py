"""One problem at a time on the demo servers: RSD without and with lookahead, and the floor.

    python benchmarks/latency.py [--problems N] [--loads 8 32] [--ports D T P [--running]]

The floor is what the servers need for the accepted tokens alone: for each stretch of accepted steps
by one model, one request for exactly these tokens after the same prefix. It contains no reward, no
rejected step and no pause between steps. Each problem is decoded both ways and then timed for the
floor before the next problem; which way goes first alternates. `--loads` also compares the
throughput with that many problems in flight, `auto` and where lookahead is forced (2). Writes
`results/latency.json` and `results/latency.png`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from harness.common import (
    BLUE,
    GREY,
    ORANGE,
    Demo,
    Ratio,
    argument_parser,
    bootstrap_ratio,
    demo_servers,
    new_figure,
    repeated_ratio,
    save_plot,
    say,
    write_result,
)

from rsd.backends import Backends, connect, one_problem
from rsd.grading import GraderPool
from rsd.prompts import render
from rsd.protocols import Strategy
from rsd.runs.strategies import connected_strategy
from rsd.tasks import load_problems
from rsd.types import Query, Step

WARM_UP = 5
LATENCY_TARGET, FLOOR_TARGET = 0.75, 1.3


@dataclass
class Decoded:
    """One problem, decoded in one way."""

    seconds: float
    steps: list[Step]

    @property
    def tokens(self) -> int:
        """Tokens of the accepted steps."""
        return sum(s.completion.usage.completion_tokens for s in self.steps if s.accepted)

    @property
    def wasted(self) -> int:
        return sum(s.completion.usage.wasted_tokens for s in self.steps)

    @property
    def unavoidable(self) -> float:
        """Seconds that the floor lacks and no lookahead of the draft saves: rejected steps with
        their rewards, and the reward of the last step."""
        lost = [s for s in self.steps if not s.accepted]
        last = self.steps[-1].score
        scores = [s.score.seconds for s in lost if s.score] + ([last.seconds] if last else [])
        return sum(s.completion.seconds for s in lost) + sum(scores)

    def told(self) -> list[object]:
        """What both ways must agree in."""
        return [(s.source, s.accepted, s.completion.token_ids, s.ends) for s in self.steps]


@dataclass
class Timings:
    """Of each problem: without lookahead, with it, and the floor in seconds."""

    without: list[Decoded] = field(default_factory=list)
    ahead: list[Decoded] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        off = [it.seconds for it in self.without]
        on = [it.seconds for it in self.ahead]
        bound = [floor + it.unavoidable for floor, it in zip(self.floor, self.without, strict=True)]
        rewards = [s.score.seconds for it in self.without for s in it.steps if s.score]
        rejected = sum(not s.accepted for it in self.without for s in it.steps)
        tokens = sum(it.tokens for it in self.without)
        return {
            "problems": len(off),
            "accepted_tokens": tokens,
            "drafted_steps": sum(s.source == "draft" for it in self.without for s in it.steps),
            "rejected_steps": rejected,
            "differing_problems": sum(
                a.told() != b.told() for a, b in zip(self.without, self.ahead, strict=True)
            ),
            "wasted_tokens": sum(it.wasted for it in self.ahead),
            "mean_s": {
                "without": statistics.fmean(off),
                "ahead": statistics.fmean(on),
                "floor": statistics.fmean(self.floor),
                "floor_and_unavoidable": statistics.fmean(bound),
                "one_reward": statistics.fmean(rewards),
            },
            "ahead_over_without": bootstrap_ratio(on, off)._asdict(),
            "ahead_over_floor": bootstrap_ratio(on, self.floor)._asdict(),
            "without_over_floor": bootstrap_ratio(off, self.floor)._asdict(),
            "unavoidable_over_without": bootstrap_ratio(bound, off)._asdict(),
            "unavoidable_over_floor": bootstrap_ratio(bound, self.floor)._asdict(),
            "targets": {"ahead_over_without": LATENCY_TARGET, "ahead_over_floor": FLOOR_TARGET},
        }


async def decode(strategy: Strategy, query: Query) -> Decoded:
    clock = time.perf_counter()
    with one_problem():
        steps = [step async for step in strategy.decode(query)]
    return Decoded(time.perf_counter() - clock, steps)


async def floor_seconds(backends: Backends, steps: Iterable[Step]) -> float:
    """The servers' time for the accepted tokens of `steps`."""
    seconds = 0.0
    accepted = [step for step in steps if step.accepted]
    for source, stretch in groupby(accepted, key=lambda step: step.source):
        written = [step.completion for step in stretch]
        server = backends.servers[source].servers[0]
        body = {
            "model": server.config.served_name,
            "prompt": written[0].prompt_token_ids,
            "max_tokens": sum(it.usage.completion_tokens for it in written),
            "temperature": 0,
        }
        clock = time.perf_counter()
        await server.post("/v1/completions", body)
        seconds += time.perf_counter() - clock
    return seconds


async def time_each(
    backends: Backends, without: Strategy, ahead: Strategy, queries: Sequence[Query]
) -> Timings:
    timings = Timings()
    for number, query in enumerate(queries):
        ways = [(without, timings.without), (ahead, timings.ahead)]
        for strategy, into in ways if number % 2 else reversed(ways):
            into.append(await decode(strategy, query))
        timings.floor.append(await floor_seconds(backends, timings.without[-1].steps))
    return timings


async def throughput(strategy: Strategy, queries: Sequence[Query], in_flight: int) -> float:
    """Problems a second."""
    waiting = iter(queries)

    async def work() -> None:
        for query in waiting:
            await decode(strategy, query)

    clock = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return len(queries) / (time.perf_counter() - clock)


async def under_load(
    ways: Mapping[str, Strategy], queries: Sequence[Query], in_flight: int, repetitions: int
) -> dict[str, Any]:
    """Throughput of each way with the same load, each repetition in another order."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name in random.sample(sorted(ways), len(ways)):
            speeds[name].append(await throughput(ways[name], queries, in_flight))
    ratios = {
        name: repeated_ratio(speeds[name], speeds["0"])._asdict() for name in ways if name != "0"
    }
    say(f"{in_flight} in flight, lookahead over none: {ratios}")
    return {"problems_per_s": speeds, "over_none": ratios}


async def measure(demo: Demo, arguments: argparse.Namespace) -> None:
    config = demo.config()
    problems = load_problems("demo", config.tasks.data_dir, None)
    queries = [Query(render(config.decoding.prompt, p.question), p.question, 0) for p in problems]
    async with connect(config) as backends:
        grader = GraderPool(workers=1)
        ways = {
            name: connected_strategy(demo.config(f"decoding.lookahead={name}"), backends, grader)
            for name in ("0", "2", "auto")
        }
        await time_each(backends, ways["0"], ways["auto"], queries[-WARM_UP:])
        say("servers are warm")
        timings = await time_each(backends, ways["0"], ways["auto"], queries[: arguments.problems])
        result = timings.summary()
        report(result, timings)
        result["throughput"] = {
            str(load): await under_load(ways, queries[: 3 * load], load, arguments.repetitions)
            for load in arguments.loads
        }
        write_result("latency", result)


def report(result: Mapping[str, Any], timings: Timings) -> None:
    """Print, write and plot what is known once all problems are timed."""
    for name in ("ahead_over_without", "ahead_over_floor", "without_over_floor"):
        print(f"{name}: {Ratio(**result[name])}", flush=True)
    print(f"problems whose steps differ: {result['differing_problems']}", flush=True)
    plot(timings)
    write_result("latency", result)


def plot(timings: Timings) -> None:
    """Latency of each problem against the tokens of its solution."""
    figure, (axes,) = new_figure()
    tokens = [it.tokens for it in timings.without]
    for values, label, color in (
        ([it.seconds for it in timings.without], "without lookahead", ORANGE),
        ([it.seconds for it in timings.ahead], "with lookahead", BLUE),
        (timings.floor, "floor: the servers' time for the accepted tokens", GREY),
    ):
        axes.scatter(tokens, values, s=14, color=color, label=label)
    axes.set(xlabel="tokens of the solution", ylabel="seconds", title="One problem at a time")
    axes.set_ylim(bottom=0)
    axes.legend()
    save_plot("latency", figure)


def main() -> None:
    parser = argument_parser(__doc__, servers=True)
    parser.add_argument("--problems", type=int, default=100, help="timed (100)")
    parser.add_argument("--loads", type=int, nargs="*", default=[], help="problems in flight")
    parser.add_argument("--repetitions", type=int, default=3, help="of each load")
    arguments = parser.parse_args()
    with demo_servers(arguments.ports, start=not arguments.running) as demo:
        asyncio.run(measure(demo, arguments))


if __name__ == "__main__":
    main()
