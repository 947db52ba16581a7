"""The picture of the rewards of draft steps, by the answer that their solutions came to."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import data
from rsd.analysis.plots.style import (
    BLUE,
    INK,
    ORANGE,
    PANELS,
    Drawn,
    figure,
    legend,
    printable,
    which,
)
from rsd.analysis.tables.labels import has_rewards, labels


def rewards(runs: list[AnalyzedRun]) -> Drawn | None:
    """Histograms of the rewards of draft steps, by the solution's answer."""
    pairs = zip(runs, labels(runs), strict=True)
    scored = [(run, label) for run, label in pairs if any(data.rewards_by_answer(run))]
    judged = [it for it in scored if has_rewards(it[0])] or scored
    shown = data.some(judged, PANELS)
    if not shown:
        return None
    made, panels = figure(0.7 + 1.5 * len(shown), rows=len(shown))
    for axes, (run, label) in zip(panels, shown, strict=True):
        right, wrong = data.rewards_by_answer(run)
        low, high = min(0.0, *right, *wrong), max(1.0, *right, *wrong)
        edges = np.linspace(low, high, 21)
        _histogram(axes, right, edges, "right", BLUE, "-", None)
        _histogram(axes, wrong, edges, "wrong", ORANGE, "--", "////")
        if run.run.config.decoding.strategy in ("rsd", "oracle"):
            at = run.run.config.decoding.threshold
            if run.run.config.decoding.weighting == "step" and low <= at <= high:
                axes.axvline(at, color=INK, linewidth=1, linestyle=":")
        axes.set_title(printable(label, 48))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}%"))
        axes.set_ylabel("steps")
        legend(axes)
    panels[-1].set_xlabel("reward of a draft step")
    caption = (
        "Share of the draft steps of right and of wrong solutions, kept or not, in 20 bins of "
        "the reward, on a logarithmic scale; n in the legend, no intervals. The dotted line is δ. "
        f"{which(len(shown), len(judged))}"
    )
    return Drawn("Rewards by correctness of the answer", caption.strip(), made)


def _histogram(
    axes: Axes,
    values: list[float],
    edges: np.ndarray[tuple[int], np.dtype[np.float64]],
    name: str,
    color: str,
    dash: str,
    hatch: str | None,
) -> None:
    if values:
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts / len(values), edges, color=color, linestyle=dash, linewidth=1.6,
                    label=f"answer {name}, n = {len(values):,}")  # fmt: skip
        axes.stairs(counts / len(values), edges, color=color, edgecolor=color, alpha=0.2,
                    fill=True, hatch=hatch, linewidth=0)  # fmt: skip
