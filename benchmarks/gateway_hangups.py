"""Hang up on the gateway again and again, and see that nothing is left of it.

    python benchmarks/gateway_hangups.py [--requests 1000] [--clients 32] [--seed 0]

Three real servers and a gateway in a process of its own. First a fifth of the requests as a
warm-up, in the same mixture; then all of them: half are streamed, and half of each kind, drawn by
`--seed`, are hung up on after a time drawn between nothing and what an answer takes. Afterwards
nothing may run or wait at a server, no request be in work in the gateway, and its tasks be as many
as before. The memory of its process is noted five times on the way, each time with nothing in
work. Leaves `results/gateway_hangups.json`; exit code 1 if something is left or an answer failed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from harness.common import Demo, argument_parser, demo_servers, say, write_result
from harness.gateway_client import Endpoint, ask, ask_all, gateway, upstream

from rsd.cli.process import prepare_process
from rsd.tasks import load_problems

PARTS = 5
SETTLED_S = 60.0


@dataclass(frozen=True)
class Plan:
    """One request: its question, whether it is streamed, and after which share of an answer's
    usual time its client hangs up, None if it stays."""

    question: str
    stream: bool
    leaves_at: float | None


def drawn(questions: Sequence[str], number: int, seed: int) -> list[Plan]:
    """`number` requests, of which half are streamed and half of each kind hung up on."""
    random_ = random.Random(seed)
    plans = [
        Plan(
            questions[place % len(questions)],
            stream=place % 2 == 0,
            leaves_at=random_.random() if place % 4 < 2 else None,
        )
        for place in range(number)
    ]
    random_.shuffle(plans)
    return plans


@dataclass
class Crowd:
    """`clients` clients of a gateway, and what an answer usually takes them, in seconds: a running
    mean, from `usual_s`, over those who stay for it."""

    endpoint: Endpoint
    clients: int
    usual_s: float

    async def carry_out(self, plans: Sequence[Plan]) -> Counter[str]:
        """Ask, each client the next one; how the requests ended: answered, hung up, or the error.

        A client that hangs up closes its connection. One that wanted to leave later than the
        answer came has been answered.
        """
        ended: Counter[str] = Counter()
        left = iter(plans)

        async def client() -> None:
            for plan in left:
                limit = None if plan.leaves_at is None else plan.leaves_at * self.usual_s
                async with httpx.AsyncClient(timeout=600) as http:
                    try:
                        async with asyncio.timeout(limit):
                            answer = await ask(
                                http, self.endpoint, plan.question, model="rsd", stream=plan.stream
                            )
                    except TimeoutError:
                        ended["hung up"] += 1
                        continue
                ended[answer.error or "answered"] += 1
                if limit is None:
                    self.usual_s += 0.1 * (answer.seconds - self.usual_s)

        await asyncio.gather(*(client() for _ in range(self.clients)))
        return ended


def settle(endpoint: Endpoint, tasks: float) -> dict[str, float]:
    """The gateway's gauges when nothing is in work and it has no more than `tasks` tasks, or after
    a minute if that does not come."""
    deadline = time.monotonic() + SETTLED_S
    while True:
        gauges = endpoint.gauges()
        busy = gauges["rsd_gateway_running"] + gauges["rsd_gateway_waiting"]
        if (busy == 0 and gauges["rsd_gateway_tasks"] <= tasks) or time.monotonic() > deadline:
            return gauges
        time.sleep(0.2)


def measure(demo: Demo, endpoint: Endpoint, requests: int, clients: int, seed: int) -> Any:
    """What is left after each part, and how the requests ended."""
    config = demo.config()
    questions = [problem.question for problem in load_problems("demo", config.tasks.data_dir, None)]
    tasks = endpoint.gauges()["rsd_gateway_tasks"]
    _, (first,) = ask_all(endpoint, questions[:1], 1)
    crowd = Crowd(endpoint, clients, first.seconds)
    warm_up = asyncio.run(crowd.carry_out(drawn(questions, requests // PARTS, seed + 1)))
    looks = [look(demo, endpoint, tasks, 0)]
    ended: Counter[str] = Counter()
    plans = drawn(questions, requests, seed)
    size = requests // PARTS
    clock = time.perf_counter()
    for part in range(PARTS):
        ended += asyncio.run(crowd.carry_out(plans[part * size : (part + 1) * size]))
        looks.append(look(demo, endpoint, tasks, (part + 1) * size))
    return {
        "tasks_at_start": tasks,
        "warm_up": dict(warm_up),
        "requests": requests,
        "clients": clients,
        "ended": dict(ended),
        "seconds": round(time.perf_counter() - clock, 1),
        "looks": looks,
    }


def look(demo: Demo, endpoint: Endpoint, tasks: float, requests: int) -> dict[str, Any]:
    """What is left after `requests` requests. Raises `RuntimeError` if a server does not become
    idle."""
    gauges = settle(endpoint, tasks)
    servers = upstream(demo.config())
    found = {
        "requests": requests,
        "memory_mib": round(gauges["process_resident_memory_bytes"] / 2**20, 1),
        "open_files": gauges["process_open_fds"],
        "tasks": gauges["rsd_gateway_tasks"],
        "in_work": gauges["rsd_gateway_running"] + gauges["rsd_gateway_waiting"],
        "servers": {role: [it.running, it.waiting] for role, it in servers.items()},
    }
    say(str(found))
    return found


def main() -> int:
    parser = argument_parser(__doc__, servers=True)
    parser.add_argument("--requests", type=int, default=1000, help=f"a multiple of {PARTS}")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prepare_process()
    with (
        demo_servers(options.ports, start=not options.running) as demo,
        gateway(demo) as endpoint,
    ):
        result = measure(demo, endpoint, options.requests, options.clients, options.seed)
    last = result["looks"][-1]
    result["nothing_left"] = (
        last["in_work"] == 0
        and last["tasks"] <= result["tasks_at_start"]
        and not any(sum(each) for each in last["servers"].values())
    )
    failed = set(result["ended"]) - {"answered", "hung up"}
    say(f"{write_result('gateway_hangups', result)}: {result['ended']}")
    return 0 if result["nothing_left"] and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
