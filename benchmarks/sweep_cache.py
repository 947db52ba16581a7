"""What a sweep over nine thresholds costs on the demo servers, with and without its step cache.

    python benchmarks/sweep_cache.py [--problems 100]

Three times the same nine thresholds, one after the other: each alone, as a shell loop would run
them, with the prefix caches emptied before each; as a sweep with its step cache; as one without.
The cost of one threshold is the mean of the nine alone. Costs are requests answered by the servers,
tokens that they computed (read and not in the prefix cache, or generated; by their own counters),
and seconds, those of the checks before each run included. Nothing is drafted ahead, as behind a
step cache.

The tables of all three are compared. vLLM at temperature 0 is not batch invariant: where two steps
are nearly tied, other company in a batch can decide otherwise. So two runs without the cache differ
too, and how much is told beside how much the cached one differs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from harness.common import (
    BLUE,
    DEMO,
    ORANGE,
    Demo,
    argument_parser,
    demo_servers,
    forget_prefixes,
    new_figure,
    plot_aim,
    save_plot,
    say,
    write_result,
)

from rsd.analysis import AnalyzedRun, analyze
from rsd.analysis.timing import step_cache_use
from rsd.config import Config, Sweep, load_sweep
from rsd.records import read_run
from rsd.runs import execute_sweep
from rsd.types import ROLES, Role

SWEEP = Path("configs/sweeps/threshold_demo.yaml")
KEY = "decoding.threshold"
TARGET = 2.5
MEASURES = ("requests", "tokens", "seconds")
TABLE = ("accuracy", "acceptance_rate", "target_step_share", "steps", "flops_per_problem")


@dataclass(frozen=True)
class Point:
    """One threshold of one sweep: its run, and what that cost."""

    threshold: float
    run: AnalyzedRun
    requests: int
    tokens: dict[Role, int]
    seconds: float

    @classmethod
    def of(cls, config: Config, directory: Path, seconds: float) -> Point:
        """Read a run that was made in one session, which took `seconds`."""
        run = analyze(read_run(directory))
        (session,) = run.run.manifest.sessions
        given, answers = step_cache_use(run.run.trajectories.values())
        work = {
            role: session.served[role].read
            - session.served[role].cached
            + session.served[role].generated
            for role in ROLES
        }
        return cls(config.decoding.threshold, run, answers - given, work, seconds)

    def cost(self, measure: str) -> float:
        """By one of `MEASURES`."""
        return sum(self.tokens.values()) if measure == "tokens" else float(getattr(self, measure))

    @property
    def table(self) -> dict[str, Any]:
        """What the report shows of accuracy, acceptance, tokens and FLOPs."""
        overall = self.run.metrics.overall.model_dump(mode="json")
        tokens = {
            role: {key: counts[key] for key in ("requests", "generated", "prompt")}
            for role, counts in overall["tokens"].items()
        }
        return {**{key: overall[key] for key in TABLE}, "tokens": tokens}

    @property
    def solutions(self) -> dict[Any, list[tuple[str, str, bool]]]:
        """The candidates of each problem: writer, text, kept."""
        return {
            key: [(step.source, step.text, step.accepted) for step in trajectory.steps]
            for key, trajectory in self.run.run.trajectories.items()
        }

    def figures(self) -> dict[str, Any]:
        """What is reported."""
        return {
            "threshold": self.threshold,
            "requests": self.requests,
            "tokens_computed": self.tokens,
            "seconds": round(self.seconds, 2),
            "table": self.table,
        }


def thresholds() -> list[float]:
    """Those of the sweep that the project ships."""
    grid = yaml.safe_load(SWEEP.read_text(encoding="utf-8"))["grid"]
    return [float(value) for value in grid[KEY]]


def sweep_of(name: str, values: Sequence[float], demo: Demo, folder: Path, *more: str) -> Sweep:
    """A sweep over `values` on the demo."""
    path = folder / f"{name}.yaml"
    content = {"name": name, "base": str(DEMO.resolve()), "grid": {KEY: list(values)}}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_sweep(path, [*demo.overrides, *more])


def run_sweep(sweep: Sweep) -> list[Point]:
    """Run all points of a sweep."""
    points = []
    clock = time.perf_counter()
    for outcome in execute_sweep(sweep, lambda config: None, say):
        seconds = time.perf_counter() - clock
        if not outcome.ok:
            raise RuntimeError(f"{outcome.point.label}: {outcome.error or 'problems failed'}")
        points.append(Point.of(outcome.point.config, outcome.point.directory, seconds))
        clock = time.perf_counter()
    return points


def measure(demo: Demo, problems: int) -> tuple[dict[str, list[Point]], int]:
    """The thresholds alone, in a sweep with the step cache, and in one without; and the bytes of
    the cache."""
    values, config = thresholds(), demo.config()
    limit, without = f"run.limit={problems}", "run.cache=false"
    stepwise = "decoding.lookahead=0"
    with tempfile.TemporaryDirectory(prefix="rsd-benchmark-") as folder:

        def points(name: str, chosen: Sequence[float], *more: str) -> list[Point]:
            forget_prefixes(config)
            return run_sweep(sweep_of(name, chosen, demo, Path(folder), limit, stepwise, *more))

        warm_up = sweep_of("warm-up", values[:1], demo, Path(folder), "run.limit=4", without)
        run_sweep(warm_up)
        cached = points("cached", values)
        alone = [point for value in values for point in points("alone", [value], without)]
        plain = points("plain", values, without)
    size = (config.run.output_dir / "cached" / "steps.sqlite").stat().st_size
    return {"cached": cached, "alone": alone, "plain": plain}, size


def differences(one: Sequence[Point], other: Sequence[Point]) -> list[dict[str, Any]]:
    """For each threshold, which solutions differ, and which figures of the tables."""
    found = []
    for left, right in zip(one, other, strict=True):
        theirs = right.solutions
        differ = [key for key, steps in left.solutions.items() if theirs[key] != steps]
        figures = {
            key: [left.table[key], right.table[key]]
            for key in left.table
            if left.table[key] != right.table[key]
        }
        found.append(
            {
                "threshold": left.threshold,
                "solutions": [problem_id for _, problem_id, _ in differ],
                "figures": figures,
            }
        )
    return found


def ratios(measured: dict[str, list[Point]]) -> dict[str, Any]:
    """Costs of a sweep over the cost of one threshold."""
    result = {}
    for it in MEASURES:
        alone = [point.cost(it) for point in measured["alone"]]
        cached, plain = (
            sum(point.cost(it) for point in measured[name]) for name in ("cached", "plain")
        )
        result[it] = {
            "cached_sweep": cached,
            "plain_sweep": plain,
            "one_threshold": fmean(alone),
            "cached_over_one": cached / fmean(alone),
            "cached_over_cheapest_and_dearest": [cached / max(alone), cached / min(alone)],
            "plain_over_one": plain / fmean(alone),
            "reached": cached / fmean(alone) <= TARGET,
        }
    return result


def report(measured: dict[str, list[Point]], size: int, problems: int) -> None:
    """Tell, plot and write what was measured."""
    compared = {
        "cached_and_alone": differences(measured["cached"], measured["alone"]),
        "cached_and_plain": differences(measured["cached"], measured["plain"]),
        "alone_and_plain": differences(measured["alone"], measured["plain"]),
    }
    found = ratios(measured)
    result: dict[str, Any] = {
        "problems": problems,
        "target": TARGET,
        "cache_bytes": size,
        "ratios": found,
        "solutions": problems * len(measured["alone"]),
        "solutions_that_differ": {
            name: sum(len(point["solutions"]) for point in points)
            for name, points in compared.items()
        },
        "tables_that_differ": {
            name: sum(bool(point["figures"]) for point in points)
            for name, points in compared.items()
        },
        "differences": compared,
        "points": {name: [p.figures() for p in points] for name, points in measured.items()},
    }
    plot(measured)
    path = write_result("sweep_cache", result)
    for it, figures in found.items():
        told = ", ".join(
            f"{figures[f'{name}_over_one']:.2f} {what}"
            for name, what in (("cached", "with the step cache"), ("plain", "without"))
        )
        say(f"{it}: nine thresholds cost {told}, times one threshold")
    for name, count in result["solutions_that_differ"].items():
        say(f"{name}: {count} of {result['solutions']} solutions differ")
    say(f"written: {path}")


def plot(measured: dict[str, list[Point]]) -> None:
    """The cost of the sweep so far, after each threshold."""
    figure, panels = new_figure(1, len(MEASURES), size=(10.5, 3.8))
    labels = {
        "requests": "requests",
        "tokens": "tokens computed",
        "seconds": "wall time",
    }
    for axes, it in zip(panels, MEASURES, strict=True):
        one = fmean(point.cost(it) for point in measured["alone"])
        for name, colour, label in (
            ("plain", ORANGE, "without a step cache"),
            ("cached", BLUE, "with"),
        ):
            costs = [point.cost(it) / one for point in measured[name]]
            sums = [sum(costs[: n + 1]) for n in range(len(costs))]
            axes.plot(range(1, len(sums) + 1), sums, "o-", color=colour, label=label)
        plot_aim(axes, 1, TARGET)
        axes.set(title=labels[it], xlabel="thresholds done", ylim=(0, None))
        axes.set_xticks(range(1, len(measured["alone"]) + 1))
    panels[0].set_ylabel("cost, in runs of one threshold")
    panels[0].legend()
    save_plot("sweep_cache", figure)


def main() -> None:
    parser = argument_parser(__doc__, servers=True)
    parser.add_argument("--problems", type=int, default=100)
    options = parser.parse_args()
    with demo_servers(options.ports, start=not options.running) as demo:
        measured, size = measure(demo, options.problems)
    report(measured, size, options.problems)


if __name__ == "__main__":
    main()
