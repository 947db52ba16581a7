"""Abuse the gateway in every way at once while ordinary clients are served.

    python benchmarks/gateway_abuse.py [--minutes 10] [--clients 4] [--quiet-s 30]

Fake servers (`rsd mock`), a gateway, and the abusers (`abuse_clients.py`) in processes of their
own. Ordinary clients ask before, during and after the abuse; all the while `/health/live` is asked
by a new connection every 0.2 s, and memory and open files of the gateway are noted every second.
The gateway's limits are its defaults. Leaves `results/gateway_abuse.json`; exit code 1 if an
ordinary client's request failed, `/health/live` took more than 0.5 s, memory grew by more than
64 MiB, or open files are left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from harness.abuse_clients import KINDS
from harness.common import DEMO, ROOT, Demo, argument_parser, endpoints, say, write_result
from harness.gateway_client import Endpoint, ask, gateway

from rsd.cli.process import prepare_process
from rsd.tasks import load_problems

PAUSE_S = 0.25  # an ordinary client's between two questions
PROBE_S = 0.2
PATIENCE_S = 60.0  # for what is left of the abuse to end
LIVE_S = 0.5
GROWTH_MIB = 64.0


@dataclass
class Phase:
    """What was seen in a part of the time: seconds, MiB, and numbers of open files. `cpu_s` is how
    long the gateway ran, `waited_s` how long it could have but the machine had no processor free.
    """

    answers_s: list[float] = field(default_factory=list)
    live_s: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    cpu_s: float = 0.0
    waited_s: float = 0.0
    errors: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "answers": len(self.answers_s),
            "answers_s": _quantiles(self.answers_s),
            "live_probes": len(self.live_s),
            "live_s": _quantiles(self.live_s),
            "memory_mib": {"last": self.memory_mib[-1], "most": max(self.memory_mib)},
            "open_files": {"last": self.files[-1], "most": max(self.files)},
            "gateway_cpu_s": round(self.cpu_s, 2),
            "gateway_waited_for_cpu_s": round(self.waited_s, 2),
            "errors": self.errors[:20],
            "failed": len(self.errors),
        }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    p50, p95, p99 = np.quantile(seconds, [0.5, 0.95, 0.99])
    named = {"p50": p50, "p95": p95, "p99": p99, "most": max(seconds)}
    return {name: round(float(value), 4) for name, value in named.items()}


@contextmanager
def fake_servers() -> Iterator[Demo]:
    """`rsd mock` on free ports, until the block ends."""
    demo = Demo(tuple(endpoints()))
    command = [sys.executable, "-m", "rsd", "mock", str(DEMO), *demo.arguments()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not any(line.startswith("ready") for line in process.stdout):
                raise RuntimeError("rsd mock did not start")
            yield demo
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def memory_mib(process: int) -> float:
    """Memory of a process, what it shares counted in part (PSS)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("no Pss in smaps_rollup")


def processor_s(process: int) -> tuple[float, float]:
    """Seconds that the main thread of a process has run, and was ready to run but others did."""
    ran, waited, _ = Path(f"/proc/{process}/schedstat").read_text(encoding="utf-8").split()
    return int(ran) / 1e9, int(waited) / 1e9


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


async def live(endpoint: Endpoint) -> None:
    """Ask `/health/live` by a new connection. Raises if it is not answered within a minute."""
    port = int(endpoint.url.rpartition(":")[2])
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line = await reader.readline()
        finally:
            writer.transport.abort()
    if b" 200 " not in line:
        raise RuntimeError(f"answered {line!r}")


async def observe(
    endpoint: Endpoint, questions: list[str], clients: int, ended: asyncio.Event
) -> Phase:
    """Serve ordinary clients and look at the gateway until `ended`."""
    phase = Phase()

    async def asking(number: int) -> None:
        async with httpx.AsyncClient(timeout=120) as http:
            for turn in range(1_000_000):
                question = questions[(number + turn * clients) % len(questions)]
                answer = await ask(http, endpoint, question, model="rsd")
                if answer.error:
                    phase.errors.append(answer.error)
                else:
                    phase.answers_s.append(answer.seconds)
                await asyncio.sleep(PAUSE_S)
                if ended.is_set():
                    return

    async def probing() -> None:
        while not ended.is_set():
            clock = time.perf_counter()
            try:
                await live(endpoint)
                phase.live_s.append(time.perf_counter() - clock)
            except (OSError, EOFError, RuntimeError) as error:
                phase.errors.append(f"/health/live: {error!r}")
            await asyncio.sleep(PROBE_S)

    async def looking() -> None:
        while True:
            phase.memory_mib.append(await asyncio.to_thread(memory_mib, endpoint.process))
            phase.files.append(open_files(endpoint.process))
            if ended.is_set():
                return
            await asyncio.sleep(1)

    cpu_s, waited_s = processor_s(endpoint.process)
    await asyncio.gather(probing(), looking(), *(asking(number) for number in range(clients)))
    then_cpu_s, then_waited_s = processor_s(endpoint.process)
    phase.cpu_s, phase.waited_s = then_cpu_s - cpu_s, then_waited_s - waited_s
    return phase


async def for_seconds(
    endpoint: Endpoint, questions: list[str], clients: int, seconds: float
) -> Phase:
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, ended.set)
    return await observe(endpoint, questions, clients, ended)


async def under_abuse(
    endpoint: Endpoint, questions: list[str], clients: int, seconds: float
) -> tuple[Phase, dict[str, dict[str, int]]]:
    """What is seen while the abusers are at work, and how their connections ended."""
    script = Path(__file__).with_name("harness") / "abuse_clients.py"
    abusers = await asyncio.create_subprocess_exec(
        *("nice", "-n", "10", sys.executable, str(script), endpoint.url, str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    ended = asyncio.Event()
    watching = asyncio.create_task(observe(endpoint, questions, clients, ended))
    out, _ = await abusers.communicate()
    ended.set()
    return await watching, json.loads(out)


def settled(endpoint: Endpoint, files: int) -> float:
    """Wait until no more files are open than `files`, a minute at most; the seconds it took."""
    clock = time.monotonic()
    while open_files(endpoint.process) > files and time.monotonic() - clock < PATIENCE_S:
        time.sleep(0.5)
    return round(time.monotonic() - clock, 1)


async def measure(endpoint: Endpoint, options: argparse.Namespace) -> dict[str, Any]:
    """All phases, one after the other."""
    questions = [p.question for p in load_problems("demo", ROOT / "data", None)]
    given = (endpoint, questions, options.clients)
    await for_seconds(*given, min(5.0, options.quiet_s))  # a warm-up
    before = await for_seconds(*given, options.quiet_s)
    say(f"before: {before.figures()}")
    during, abused = await under_abuse(*given, options.minutes * 60)
    say(f"during: {during.figures()}")
    settling_s = await asyncio.to_thread(settled, endpoint, max(before.files))
    after = await for_seconds(*given, options.quiet_s)
    say(f"after: {after.figures()}")
    return {
        "minutes": options.minutes,
        "clients": options.clients,
        "abusers": {name: kind.clients for name, kind in KINDS.items()},
        "abused": abused,
        "connections": sum(sum(each.values()) for each in abused.values()),
        "before": before.figures(),
        "during": during.figures(),
        "after": after.figures(),
        "settling_s": settling_s,
        "growth_mib": round(max(during.memory_mib) - before.memory_mib[-1], 1),
    }


def table(result: dict[str, Any]) -> str:
    """The result as it stands in docs/gateway.md."""
    rows = {
        "answers to ordinary clients; failed": "{answers}; {failed}",
        "their time, s: p50, p95": "{answers_s[p50]:.2f}, {answers_s[p95]:.2f}",
        "`/health/live`, ms: p50, p95, most": "{live[p50]:.0f}, {live[p95]:.0f}, {live[most]:.0f}",
        "memory, MiB: at the end, most": "{memory_mib[last]:.0f}, {memory_mib[most]:.0f}",
        "open files: at the end, most": "{open_files[last]}, {open_files[most]}",
        "processor time of the gateway, s": "{gateway_cpu_s:.0f}",
        "time that it waited for a processor, s": "{gateway_waited_for_cpu_s:.0f}",
    }
    phases = [result[name] for name in ("before", "during", "after")]
    lines = ["| | before | during | after |", "|---|--:|--:|--:|"]
    for title, form in rows.items():
        cells = [
            form.format(**each, live={k: 1000 * v for k, v in each["live_s"].items()})
            for each in phases
        ]
        lines.append(f"| {' | '.join([title, *cells])} |")
    return "\n".join(lines)


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=4, help="ordinary ones")
    parser.add_argument("--quiet-s", type=float, default=30.0, help="before and after, each")
    options = parser.parse_args()
    prepare_process()
    with fake_servers() as demo, gateway(demo) as endpoint:
        result = asyncio.run(measure(endpoint, options))
    phases = [result[name] for name in ("before", "during", "after")]
    held = {
        "all ordinary requests answered": not any(phase["failed"] for phase in phases),
        "/health/live within 0.5 s": result["during"]["live_s"]["most"] <= LIVE_S,
        "memory within 64 MiB": result["growth_mib"] <= GROWTH_MIB,
        "open files as before": result["after"]["open_files"]["last"]
        <= result["before"]["open_files"]["most"],
    }
    say(table(result))
    say(f"{write_result('gateway_abuse', result | {'held': held})}: {held}")
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
