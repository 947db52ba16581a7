"""The distribution of latency, one line for each run."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import PercentFormatter

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import captions, data
from rsd.analysis.plots.style import SERIES, Drawn, figure, logarithmic, printable, some
from rsd.analysis.tables.labels import labels


def latency(runs: list[AnalyzedRun]) -> Drawn | None:
    """Latency of finished solutions; None if no run has two of them."""
    pairs = zip(runs, labels(runs), strict=True)
    known = [(label, its) for run, label in pairs if len(its := data.latencies(run)) > 1]
    shown = some(known)
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
        f"Distribution over {captions.count(sizes)} finished solutions, "
        f"{captions.concurrency(runs)} problems in flight at a time; without intervals. Markers "
        "stand at the 50th, 90th, 95th and 99th percentile. "
        f"{captions.shown(len(shown), len(known))} {captions.untimed(runs)}"
    )
    return Drawn("Latency", caption.strip(), made)
