"""The pictures, drawn: each function gives None where the runs have no data for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import data
from rsd.analysis.plots.cost import KINDS, cost_figure
from rsd.analysis.plots.data import CostPoint
from rsd.analysis.plots.rewards import rewards
from rsd.analysis.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    PANELS,
    SERIES,
    Drawn,
    figure,
    legend,
    logarithmic,
    printable,
    which,
)
from rsd.analysis.tables.labels import has_rewards, labels, natural, sampled
from rsd.costs import total

INTERVALS = "Bars are 95% intervals, by problem"


def accuracy_flops(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy against FLOPs a problem, with the Pareto front."""
    points = data.by_flops(runs)
    if not points:
        return None
    caption = (
        "FLOPs are 2 x parameters x tokens processed by all models, the PRM reading each token "
        f"once, as with a prefix cache. {_each_sample(runs)}"
    )
    return _accuracy_and_cost("Accuracy against FLOPs", "FLOPs per problem", points, caption)


def accuracy_latency(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy against mean latency, with the Pareto front."""
    points = data.by_latency(runs)
    if not points:
        return None
    caption = (
        f"Latency is of one problem while {data.concurrency(runs)} were in work; it depends on "
        f"that number and on the machine. {_untimed(runs)}"
    )
    return _accuracy_and_cost(
        "Accuracy against latency", "mean latency of a problem, s", points, caption
    )


def threshold(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy and acceptance against δ."""
    sweeps = data.thresholds(runs)
    if not sweeps:
        return None
    made, (above, below) = figure(4.6, rows=2)
    below.sharex(above)
    sizes = []
    for (name, its), look in zip(sweeps.items(), SERIES, strict=False):
        for axes, measure in ((above, data.accuracy), (below, data.acceptance)):
            known = [(x, it) for x, run in its if (it := measure(run)) is not None]
            if not known:
                continue
            sizes += [it.n for _, it in known]
            axes.errorbar(
                [x for x, _ in known],
                [it.value for _, it in known],
                yerr=np.hstack([it.errors for _, it in known]),
                color=look.color, marker=look.marker, linestyle=look.dash,
                markersize=5, elinewidth=1, capsize=2, label=printable(name),
            )  # fmt: skip
    for run in runs:
        alone, right = data.kind(run), data.accuracy(run)
        if alone in ("draft", "target") and right is not None:
            dash = "--" if alone == "target" else ":"
            color = KINDS[alone][0]
            above.axhline(right.value, color=color, linestyle=dash, label=f"{alone} alone")
    above.set_ylabel("accuracy")
    below.set_ylabel("draft steps kept")
    below.set_xlabel("threshold δ")
    for axes in (above, below):
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    legend(above)
    caption = (
        f"Each point is a run of {data.count(sizes)} problems. {INTERVALS}. A draft step is kept "
        f"if its reward is at least δ. {which(min(PANELS, len(sweeps)), len(sweeps), 'sweeps')}"
    )
    return Drawn("Accuracy and acceptance against δ", caption.strip(), made)


def tokens(runs: list[AnalyzedRun]) -> Drawn | None:
    """Tokens of a problem by model: written and read."""
    rows, sizes = [], []
    for run, label in zip(runs, labels(runs), strict=True):
        keys = data.finished(run)
        if keys:
            sizes.append(len(keys))
            work = total(run.folds[key] for key in keys)
            parts = (
                work.draft_tokens_kept,
                work.draft_tokens_rejected,
                work.target_tokens_kept,
                work.target_tokens_generated - work.target_tokens_kept,
                work.processed_prm_once,
            )
            rows.append((label, [part / len(keys) for part in parts]))
    if not any(any(parts) for _, parts in rows):
        return None
    made, (axes,) = figure(1.3 + 0.52 * len(rows))
    looks = (
        ("draft, kept", BLUE, None), ("draft, not kept", BLUE, "xxxx"),
        ("target, kept", ORANGE, None), ("target, not kept", ORANGE, "xxxx"),
    )  # fmt: skip
    places = np.arange(len(rows), dtype=float)
    left = np.zeros(len(rows))
    for i, (name, color, hatch) in enumerate(looks):
        widths = np.array([parts[i] for _, parts in rows])
        if widths.any():
            _bars(axes, places, widths, left, name, color, hatch)
            left += widths
    read = np.array([parts[4] for _, parts in rows])
    if read.any():
        axes.barh(places + 0.22, read, height=0.1, color=GREY, label="PRM, read once")
    for place, (label, _) in zip(places, rows, strict=True):
        axes.text(0, place - 0.22, printable(label, 48), fontsize=9)
    axes.set_ylim(len(rows) - 0.45, -0.7)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean tokens per problem")
    made.legend(loc="outside lower left", ncols=2)
    caption = (
        f"Means over {data.count(sizes)} finished solutions, without intervals. Wide bars: tokens "
        "that a model wrote, hatched where the response does not have them. Thin bars: tokens "
        f"that the reward model read, each position once. {_each_sample(runs)}"
    )
    return Drawn("Tokens by model", caption.strip(), made)


def draft_alone(runs: list[AnalyzedRun]) -> Drawn | None:
    """The share of problems that the draft solved alone, by difficulty."""
    pairs = zip(runs, labels(runs), strict=True)
    judged = [(label, data.alone_by_level(run)) for run, label in pairs if has_rewards(run)]
    judged = [(label, levels) for label, levels in judged if levels]
    shown = data.some(judged, PANELS)
    if not shown:
        return None
    names = sorted({name for _, levels in shown for name in levels}, key=natural)
    made, (axes,) = figure(2.9 + 0.18 * len(shown))
    sizes = []
    for i, ((label, levels), look) in enumerate(zip(shown, SERIES, strict=False)):
        offset = (i - (len(shown) - 1) / 2) * 0.11
        present = [(names.index(name) + offset, it) for name, it in levels.items()]
        sizes += [it.n for _, it in present]
        axes.errorbar(
            [x for x, _ in present],
            [it.value for _, it in present],
            yerr=np.hstack([it.errors for _, it in present]),
            color=look.color, marker=look.marker, linestyle="none",
            markersize=5, elinewidth=1, capsize=2, label=printable(label, 44),
        )  # fmt: skip
    axes.set_xticks(range(len(names)), [printable(name, 14) for name in names])
    if sum(map(len, names)) > 40:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("solved by the draft alone")
    has_levels = any(it.level for run in runs for it in run.run.trajectories.values())
    axes.set_xlabel("level of difficulty" if has_levels else "task")
    made.legend(loc="outside lower left")
    caption = (
        "Share of the problems of a level, without failed ones, that are right without a step of "
        "the target. "
        f"{data.count(sizes)} problems a point. {INTERVALS}. {which(len(shown), len(judged))}"
    )
    return Drawn("Problems that the draft solved alone", caption.strip(), made)


def latency(runs: list[AnalyzedRun]) -> Drawn | None:
    """The distribution of latency, one line a run."""
    pairs = zip(runs, labels(runs), strict=True)
    known = [(label, its) for run, label in pairs if len(its := data.latencies(run)) > 1]
    shown = data.some(known, PANELS)
    if not shown:
        return None
    made, (axes,) = figure(3.1 + 0.18 * len(shown))
    levels = np.linspace(0, 1, 201)
    for (label, its), look in zip(shown, SERIES, strict=False):
        axes.plot(
            np.quantile(its, levels), levels,
            color=look.color, linestyle=look.dash, marker=look.marker,
            markevery=[100, 180, 190, 198], markersize=5, label=printable(label, 44),
        )  # fmt: skip
    lowest = min(its[0] for _, its in shown)
    if lowest > 0 and max(its[-1] for _, its in shown) / lowest > 50:
        logarithmic(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.9, 1])
    axes.set_xlabel("latency of a problem, s")
    axes.set_ylabel("problems finished within it")
    made.legend(loc="outside lower left")
    sizes = [len(its) for _, its in shown]
    caption = (
        f"Distribution over {data.count(sizes)} finished solutions, {data.concurrency(runs)} "
        "problems in work at a time; without intervals. Markers stand at the 50th, 90th, 95th and "
        f"99th percentile. {which(len(shown), len(known))} {_untimed(runs)}"
    )
    return Drawn("Latency", caption.strip(), made)


def _accuracy_and_cost(title: str, what: str, points: list[CostPoint], about: str) -> Drawn:
    sizes = [it.accuracy.n for it in points]
    caption = (
        f"{data.count(sizes)} problems a run. {INTERVALS}, in both directions. The dotted line is "
        "the Pareto front: no run beats those on it, whose markers are filled, in accuracy without "
        f"costing more. {about}".strip()
    )
    return Drawn(title, caption, cost_figure(points, what))


def _each_sample(runs: list[AnalyzedRun]) -> str:
    return "Of several samples of a problem each counts by itself." if sampled(runs) else ""


def _untimed(runs: list[AnalyzedRun]) -> str:
    untimed = sum(not data.timed(run) for run in runs)
    delayed = sum(len(data.finished(run)) - len(data.undelayed(run)) for run in runs)
    notes = []
    if untimed:
        notes.append(f"Left out for answers from the step cache: {untimed} of {len(runs)} runs.")
    if delayed:
        notes.append(f"Left out as servers delayed them: {delayed} solutions.")
    return " ".join([*notes, _each_sample(runs)]).strip()


def _bars(
    axes: Axes,
    places: np.ndarray[tuple[int], np.dtype[np.float64]],
    widths: np.ndarray[tuple[int], np.dtype[np.float64]],
    left: np.ndarray[tuple[int], np.dtype[np.float64]],
    name: str,
    color: str,
    hatch: str | None,
) -> None:
    face = "none" if hatch else color
    axes.barh(places, widths, height=0.26, left=left, label=name, facecolor=face, edgecolor=color,
              hatch=hatch, linewidth=1)  # fmt: skip


FIGURES: dict[str, Callable[[list[AnalyzedRun]], Drawn | None]] = {
    "accuracy-flops": accuracy_flops,
    "accuracy-latency": accuracy_latency,
    "threshold": threshold,
    "rewards": rewards,
    "tokens": tokens,
    "draft-alone": draft_alone,
    "latency": latency,
}
"""By the name of the picture (`rsd.analysis.plots.NAMES`)."""
