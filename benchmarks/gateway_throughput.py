"""Problems a second through `rsd gateway` against `rsd run`, and whether its usage is exact.

    python benchmarks/gateway_throughput.py [--clients 1 8 32] [--repetitions 5] [--vllm-bench]

The same greedy problems on the same real servers, one side after the other, the prefix caches
emptied before each, another side first each time. One side is a whole `rsd run` with as many
problems in flight as the other has clients, timed from its first problem's start to its last one's
end; the other is this program asking a gateway in a process of its own, streaming. With
`--vllm-bench` a third is vLLM's own load generator (`vllm bench serve`), by its own clock. A
client's processor time counts against the gateway: servers, gateway and client share the cores.

Then some problems for each of several models, and what the gateway said was used beside what the
servers counted meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.common import (
    BLUE,
    GREEN,
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
    new_figure,
    plot_aim,
    plot_ratio,
    repeated_ratio,
    save_plot,
    say,
    write_result,
)
from harness.gateway_client import (
    SYSTEM,
    Answer,
    Endpoint,
    ask_all,
    by_vllm_bench,
    gateway,
    upstream,
)
from throughput import by_rsd

from rsd.backends import load_tokenizer
from rsd.cli.process import prepare_process
from rsd.config import Config
from rsd.tasks import load_problems
from rsd.types import ROLES

TARGET = 0.9
RUN, OURS, VLLM = "rsd run", "gateway", "gateway, vllm bench"
COLOURS = {RUN: GREY, OURS: BLUE, VLLM: ORANGE}
COUNTED = {
    "target": "{strategy: target}",
    "draft": "{strategy: draft}",
    "rsd-plain": "{strategy: rsd, lookahead: 0}",
    "rsd": "{strategy: rsd}",
}
"""Models whose usage is compared with the servers' counts. What is drafted ahead in vain is cut off
on the way, so that a server may have written a token more than arrived; `rsd-plain` drafts
nothing ahead."""


@dataclass
class Size:
    """The repetitions with one number of clients: seconds of each side, processor seconds summed,
    failed requests, and how many answers had another text than the run's."""

    clients: int
    problems: int
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    other_texts: dict[str, int] = field(default_factory=dict)

    def throughput(self, side: str) -> float:
        """Problems a second, over all repetitions."""
        return self.problems * len(self.seconds[side]) / sum(self.seconds[side])

    def ratio(self, side: str) -> Ratio:
        """The throughput of `side` over that of the run."""
        return repeated_ratio(self.seconds[RUN], self.seconds[side])

    def figures(self) -> dict[str, Any]:
        """What is reported."""
        others = [side for side in self.seconds if side != RUN]
        return asdict(self) | {
            "problems_per_s": {side: self.throughput(side) for side in self.seconds},
            "ratio": {side: self.ratio(side)._asdict() for side in others},
        }


@dataclass(frozen=True)
class Bench:
    """Where all sides decode, and how the prefix caches are emptied."""

    demo: Demo
    endpoint: Endpoint
    vllm_bench: bool
    forget: Callable[[Config], None]

    def repeat(self, size: Size, rows: Sequence[str], number: int) -> None:
        """Repetition `number`: each side on the problems in `rows`, lines of the benchmark."""
        with benchmark_file(rows) as folder:
            config = self.demo.config(f"tasks.data_dir={folder}", f"run.concurrency={size.clients}")
            questions = [problem.question for problem in load_problems("demo", folder, None)]
            sides: dict[str, Callable[[], tuple[float, list[Answer]]]] = {
                RUN: lambda: _by_run(config),
                OURS: lambda: ask_all(self.endpoint, questions, size.clients),
            }
            if self.vllm_bench:
                sides[VLLM] = lambda: by_vllm_bench(
                    self.endpoint, config, questions, size.clients, folder
                )
            names = list(sides)
            first = number % len(names)
            answers = {
                name: self._timed(name, sides[name], size) for name in names[first:] + names[:first]
            }
        for name, theirs in answers.items():
            pairs = zip(theirs, answers[RUN], strict=True)
            other = sum(it.error is None and it.text != run.text for it, run in pairs)
            size.other_texts[name] = size.other_texts.get(name, 0) + other

    def _timed(
        self, name: str, decode: Callable[[], tuple[float, list[Answer]]], size: Size
    ) -> list[Answer]:
        self.forget(self.demo.config())
        before = self._cpu()
        seconds, answers = decode()
        size.seconds.setdefault(name, []).append(seconds)
        used = size.cpu_s.setdefault(name, {})
        for process, value in self._cpu().items():
            used[process] = used.get(process, 0.0) + value - before[process]
        wrong = [answer.error for answer in answers if answer.error is not None]
        if wrong:
            say(f"{name}: {wrong[0]}")
        size.asked[name] = size.asked.get(name, 0) + len(answers)
        size.failed[name] = size.failed.get(name, 0) + len(wrong)
        return answers

    def _cpu(self) -> dict[str, float]:
        """Processor seconds so far of each server, the gateway, and this process, the driver of
        the run or the client."""
        processes = {**self.demo.processes, "gateway": self.endpoint.process}
        used = {str(name): cpu_seconds(process) for name, process in processes.items()}
        return used | {"driver or client": time.process_time()}


def _by_run(config: Config) -> tuple[float, list[Answer]]:
    seconds, trajectories = by_rsd(config)
    return seconds, [Answer(trajectory.response) for trajectory in trajectories]


def count(demo: Demo, endpoint: Endpoint, model: str, questions: Sequence[str]) -> dict[str, Any]:
    """What the gateway said it used for `questions`, and what the servers counted meanwhile."""
    config = demo.config()
    before = upstream(config)
    _, answers = ask_all(endpoint, questions, clients=8, model=model)
    after = upstream(config)
    failed = [answer.error for answer in answers if answer.error is not None]
    if failed:
        raise RuntimeError(f"{model}: {failed[0]}")
    tokenizer = load_tokenizer(config.models.target.model)
    prompts = [
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n"
        "<|im_start|>assistant\n"
        for question in questions
    ]
    usages = [answer.usage or {} for answer in answers]
    tokens = [(answer.rsd or {}).get("tokens", {}) for answer in answers]
    told, counted = {}, {}
    for role in ROLES:
        mine = [each[role] for each in tokens if role in each]
        told[role] = {
            "prompt": sum(it["prompt_tokens"] for it in mine),
            "generated": sum(it["completion_tokens"] + it["wasted_tokens"] for it in mine),
        }
        counted[role] = {
            "prompt": after[role].prompt_tokens - before[role].prompt_tokens,
            "generated": after[role].generated_tokens - before[role].generated_tokens,
        }
    return {
        "model": model,
        "answers": len(answers),
        "usage.prompt_tokens": sum(usage["prompt_tokens"] for usage in usages),
        "tokens of the prompts": sum(len(tokenizer(prompt).input_ids) for prompt in prompts),
        "usage.completion_tokens": sum(usage["completion_tokens"] for usage in usages),
        "tokens of the kept steps": sum(step["tokens"] for it in answers for step in it.steps),
        "told": told,
        "counted": counted,
    }


def measure(
    bench: Bench, clients: Sequence[int], problems: Sequence[int], repetitions: int
) -> list[Size]:
    """All repetitions, each over all numbers of clients; each takes other problems."""
    config = bench.demo.config()
    rows = (config.tasks.data_dir / "demo" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    bench.repeat(Size(2, 2), rows[:2], 0)  # not counted: the first requests are slow
    sizes = [Size(*pair) for pair in zip(clients, problems, strict=True)]
    first = 0
    for repetition in range(repetitions):
        for size in sizes:
            chosen = [rows[(first + place) % len(rows)] for place in range(size.problems)]
            first += size.problems
            bench.repeat(size, chosen, repetition)
            took = ", ".join(f"{name} {each[-1]:.1f} s" for name, each in size.seconds.items())
            say(f"{size.clients} clients: {took}")
    return sizes


def report(sizes: Sequence[Size], counts: Sequence[dict[str, Any]]) -> None:
    """The tables, the result file and the plot."""
    print("| clients | side | problems/s | of the run [95%] | failed | other texts |")
    print("|---|---|---|---|---|---|")
    for size in sizes:
        for side in size.seconds:
            ratio = "" if side == RUN else str(size.ratio(side))
            failed = f"{size.failed[side]} of {size.asked[side]}"
            cells = [size.clients, side, f"{size.throughput(side):.2f}", ratio, failed]
            print("| " + " | ".join(map(str, [*cells, size.other_texts[side]])) + " |")
    for each in counts:
        print(json.dumps(each))
    result = {"target_ratio": TARGET, "sizes": [size.figures() for size in sizes], "usage": counts}
    write_result("gateway_throughput", result)
    plot(sizes)


def plot(sizes: Sequence[Size]) -> None:
    """Each side's throughput, and its share of the run's with the interval, over the clients."""
    figure, (left, right) = new_figure(columns=2, size=(9.0, 3.8))
    numbers = [size.clients for size in sizes]
    for name in sizes[0].seconds:
        values = [size.throughput(name) for size in sizes]
        left.plot(numbers, values, "o-", color=COLOURS[name], label=name)
        if name != RUN:
            plot_ratio(right, numbers, [size.ratio(name) for size in sizes], COLOURS[name])
    left.set(xlabel="clients", ylabel="problems per second", ylim=(0, None))
    left.legend()
    plot_aim(right, numbers[0], TARGET, GREEN)
    right.set(xlabel="clients", ylabel="throughput over that of rsd run", ylim=(0, None))
    for axes in (left, right):
        double_each_time(axes, numbers)
    figure.suptitle("Demo models on the CPU: the gateway against rsd run")
    save_plot("gateway_throughput", figure)


def main() -> None:
    parser = argument_parser(__doc__, servers=True)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--problems", type=int, nargs="+", default=[12, 48, 192], help="for each")
    parser.add_argument("--repetitions", type=int, default=5, help="at least 2")
    parser.add_argument("--counted", type=int, default=40, help="problems for each model's usage")
    parser.add_argument("--vllm-bench", action="store_true", help="also by vLLM's load generator")
    options = parser.parse_args()
    prepare_process()  # as `rsd run` does
    models = ", ".join(f"{name}: {what}" for name, what in COUNTED.items())
    with (
        demo_servers(options.ports, start=not options.running) as demo,
        gateway(demo, f"gateway.models={{{models}}}") as endpoint,
    ):
        bench = Bench(demo, endpoint, options.vllm_bench, forget_prefixes)
        sizes = measure(bench, options.clients, options.problems, options.repetitions)
        problems = load_problems("demo", demo.config().tasks.data_dir, options.counted)
        questions = [problem.question for problem in problems]
        counts = [count(demo, endpoint, model, questions) for model in COUNTED]
    report(sizes, counts)


if __name__ == "__main__":
    main()
