"""Problems a second on the demo servers: `rsd` against the published program's lock-step loop.

    python benchmarks/throughput.py [--problems 1 8 32 64] [--repetitions 6]

Both sides decode the same problems on the same draft and target servers, one after the other, with
the prefix caches emptied before each; which of them goes first alternates. The lock-step side is
`harness.lock_step`: one request with the whole batch a phase, and a reward model asked for the
reward of every token of every solution, which needs a server of its own, started with token-wise
pooling (vLLM then has no prefix cache). `rsd` is a whole `rsd run` with as many problems in flight
as there are, timed from its first problem's start to its last one's end.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.common import (
    BLUE,
    GREY,
    ORANGE,
    Demo,
    Ratio,
    argument_parser,
    benchmark_file,
    cpu_seconds,
    demo_servers,
    double_each_time,
    forget_prefixes,
    free_ports,
    new_figure,
    plot_aim,
    plot_ratio,
    repeated_ratio,
    save_plot,
    say,
    write_result,
)
from harness.lock_step import LockStep, Solution

from rsd.cli.process import prepare_process
from rsd.config import Config
from rsd.records import TrajectoryRecord, read_run
from rsd.runs import execute
from rsd.serving import build, running
from rsd.tasks import load_problems

TARGET = 2.0
TOKEN_WISE = """models.prm.serve.flags=["--pooler-config", '{"task": "token_classify"}']"""


class TokenWise(NamedTuple):
    """The server that rewards every token: its root URL, and the process above it."""

    url: str
    process: int


@dataclass
class Size:
    """The repetitions with one number of problems: seconds of each side, processor seconds of
    the servers and of the driver, summed, and what differed."""

    problems: int
    lock_step_s: list[float] = field(default_factory=list)
    rsd_s: list[float] = field(default_factory=list)
    lock_step_cpu_s: dict[str, float] = field(default_factory=dict)
    rsd_cpu_s: dict[str, float] = field(default_factory=dict)
    solutions: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ratio(self) -> Ratio:
        """How many times faster `rsd` is."""
        return repeated_ratio(self.lock_step_s, self.rsd_s)

    def throughput(self, seconds: Sequence[float]) -> float:
        """Problems a second, over all repetitions."""
        return self.problems * len(seconds) / sum(seconds)

    def figures(self) -> dict[str, Any]:
        """What is reported."""
        return asdict(self) | {
            "lock_step_problems_per_s": self.throughput(self.lock_step_s),
            "rsd_problems_per_s": self.throughput(self.rsd_s),
            "ratio": self.ratio._asdict(),
        }


@contextmanager
def token_wise_server(demo: Demo) -> Iterator[TokenWise]:
    """A second server of the reward model, with token-wise pooling."""
    (port,) = free_ports(1)
    config = demo.config(f"models.prm.endpoint=http://127.0.0.1:{port}/v1", TOKEN_WISE)
    with (
        tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as logs,
        running([build(config, "prm")], log_dir=Path(logs), announce=say) as supervisor,
    ):
        yield TokenWise(f"http://127.0.0.1:{port}", supervisor.servers[0].guard.pid)


def lock_step_loop(config: Config, token_wise: TokenWise | None) -> LockStep:
    """The published loop on the servers of `config`, and with its rewards from `token_wise`."""
    loop = LockStep.of(config)
    if token_wise is not None:
        loop.token_wise, loop.prm.url = True, token_wise.url
    return loop


def by_lock_step(loop: LockStep, questions: Sequence[str]) -> tuple[float, list[Solution]]:
    """Seconds, and the solutions."""
    start = time.perf_counter()
    solutions = loop.solve(questions)
    return time.perf_counter() - start, solutions


def by_rsd(config: Config) -> tuple[float, list[TrajectoryRecord]]:
    """Seconds from the start of the first problem to the end of the last, and the solutions in
    the order of the problems."""
    with tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as folder:
        outcome = asyncio.run(execute(config, Path(folder) / "run"))
        if outcome.failed:
            raise RuntimeError(f"{outcome.failed} of {outcome.asked} problems failed")
        found = read_run(outcome.directory).trajectories
    problems = load_problems("demo", config.tasks.data_dir, None)
    trajectories = [found[problem.task, problem.problem_id, 0] for problem in problems]
    start = min(t.started_at for t in trajectories)
    return max(t.started_at + t.seconds for t in trajectories) - start, trajectories


def difference(solution: Solution, trajectory: TrajectoryRecord) -> dict[str, Any] | None:
    """The first step in which two solutions of one problem differ; None if they are the same."""
    for entry, step in zip(solution.entries, trajectory.steps, strict=False):
        same = entry.writer == step.source and entry.text == step.text
        if not same or entry.kept != step.accepted:
            what = "verdict" if same else "text"
            rewards = [entry.reward, step.reward]
            return {"problem": trajectory.problem_id, "step": step.index, "what": what} | {
                "rewards": rewards
            }
    if len(solution.entries) != len(trajectory.steps):
        return {"problem": trajectory.problem_id, "step": None, "what": "end"}
    return None


@dataclass(frozen=True)
class Bench:
    """Where both sides decode: the servers of `demo`, and `processes` to ask for their time.
    `forget` empties the prefix caches."""

    demo: Demo
    loop: LockStep
    processes: dict[str, int]
    forget: Callable[[Config], None]

    def repeat(self, size: Size, rows: Sequence[str], *more: str) -> None:
        """One repetition: both sides on the problems in `rows`, lines of the demo benchmark;
        `more` are overrides of the configuration."""
        with benchmark_file(rows) as folder:
            here = (f"tasks.data_dir={folder}", f"run.concurrency={size.problems}")
            config = self.demo.config(*here, *more)
            questions = [problem.question for problem in load_problems("demo", folder, None)]
            sides: list[tuple[str, Callable[[], tuple[float, Sequence[Any]]]]] = [
                ("lock_step", lambda: by_lock_step(self.loop, questions)),
                ("rsd", lambda: by_rsd(config)),
            ]
            answers = {}
            for name, decode in sides if len(size.rsd_s) % 2 == 0 else reversed(sides):
                self.forget(config)
                before = self.cpu()
                seconds, answers[name] = decode()
                getattr(size, f"{name}_s").append(seconds)
                total = getattr(size, f"{name}_cpu_s")
                for process, used in self.cpu().items():
                    total[process] = total.get(process, 0.0) + used - before[process]
        size.solutions += len(rows)
        pairs = zip(answers["lock_step"], answers["rsd"], strict=True)
        size.differences += [found for pair in pairs if (found := difference(*pair))]

    def cpu(self) -> dict[str, float]:
        """Processor seconds so far, of each server and of this process."""
        used = {name: cpu_seconds(process) for name, process in self.processes.items()}
        return used | {"driver": time.process_time()}


def measure(
    demo: Demo,
    token_wise: TokenWise | None,
    sizes: Sequence[int],
    repetitions: int,
    *more: str,
    forget: Callable[[Config], None] = forget_prefixes,
) -> list[Size]:
    """All repetitions, each over all sizes; each takes other problems of the benchmark."""
    config = demo.config()
    processes = {str(role): process for role, process in demo.processes.items()}
    if token_wise is not None:
        processes["token-wise prm"] = token_wise.process
    bench = Bench(demo, lock_step_loop(config, token_wise), processes, forget)
    rows = (config.tasks.data_dir / "demo" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    bench.repeat(Size(2), rows[:2], *more)  # not counted: the first requests are slow
    measured = [Size(number) for number in sizes]
    for repetition in range(repetitions):
        for size in measured:
            first = repetition * size.problems
            chosen = [rows[(first + i) % len(rows)] for i in range(size.problems)]
            bench.repeat(size, chosen, *more)
            say(
                f"{size.problems} problems: lock-step {size.lock_step_s[-1]:.1f} s, "
                f"rsd {size.rsd_s[-1]:.1f} s, {len(size.differences)} differ so far"
            )
    return measured


def report(measured: Sequence[Size], overrides: Sequence[str] = ()) -> None:
    """The table, the result file and the plot."""
    print(
        "| problems | lock-step, problems/s | rsd, problems/s | ratio [95%] | lock-step, CPU s "
        "a problem | rsd, CPU s a problem | other steps |\n|---|---|---|---|---|---|---|"
    )
    for size in measured:
        slow, fast = size.throughput(size.lock_step_s), size.throughput(size.rsd_s)
        used = (size.lock_step_cpu_s, size.rsd_cpu_s)
        cpu = [f"{sum(seconds.values()) / size.solutions:.3f}" for seconds in used]
        differ = f"{len(size.differences)} of {size.solutions}"
        cells = [str(size.problems), f"{slow:.2f}", f"{fast:.2f}", str(size.ratio), *cpu, differ]
        print(f"| {' | '.join(cells)} |")
    sizes = [size.figures() for size in measured]
    write_result("throughput", {"target_ratio": TARGET, "overrides": overrides, "sizes": sizes})
    plot(measured)


def plot(measured: Sequence[Size]) -> None:
    """Both sides' throughput, and the ratio with its interval, over the number of problems."""
    figure, (left, right) = new_figure(columns=2, size=(9.0, 3.8))
    numbers = [size.problems for size in measured]
    for name, colour, label in (
        ("lock_step_s", ORANGE, "lock-step"),
        ("rsd_s", BLUE, "rsd"),
    ):
        values = [size.throughput(getattr(size, name)) for size in measured]
        left.plot(numbers, values, "o-", color=colour, label=label)
    left.set(xlabel="problems in flight", ylabel="problems per second", ylim=(0, None))
    left.legend()
    plot_ratio(right, numbers, [size.ratio for size in measured], BLUE)
    plot_aim(right, numbers[0], TARGET)
    right.axhline(1, color=GREY, linewidth=1)
    right.set(xlabel="problems in flight", ylabel="times as fast as lock-step", ylim=(0, None))
    for axes in (left, right):
        double_each_time(axes, numbers)
    figure.suptitle("Demo models on the CPU: rsd against the published loop")
    save_plot("throughput", figure)


def main() -> None:
    parser = argument_parser(__doc__, servers=True)
    parser.add_argument("--problems", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--repetitions", type=int, default=6, help="at least 2")
    parser.add_argument(
        "-o", dest="overrides", action="append", default=[], help="of rsd's configuration"
    )
    options = parser.parse_args()
    prepare_process()  # as `rsd run` does
    with (
        demo_servers(options.ports, start=not options.running) as demo,
        token_wise_server(demo) as token_wise,
    ):
        measured = measure(
            demo, token_wise, options.problems, options.repetitions, *options.overrides
        )
    report(measured, options.overrides)


if __name__ == "__main__":
    main()
