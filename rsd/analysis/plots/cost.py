"""Accuracy against a cost: numbered points, their intervals, and the Pareto front."""

from __future__ import annotations

from math import floor, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import Bbox

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import captions, data
from rsd.analysis.plots.data import CostPoint
from rsd.analysis.plots.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    Drawn,
    figure,
    logarithmic,
    printable,
    settle,
)
from rsd.analysis.statistics.comparisons import pareto_front

KINDS = {
    "draft": (BLUE, "^"),
    "target": (ORANGE, "s"),
    "judged": (GREEN, "o"),
    "other": (PURPLE, "D"),
}
"""Colour and marker of a kind of run."""

PREFIXES = ("", "k", "M", "G", "T", "P", "E")
OFFSETS = ((7, 7), (-7, 7), (7, -7), (-7, -7), (0, 12), (0, -12), (14, 0), (-14, 0))
"""Where a point's number may stand, in points from it; the first free place is taken."""


def accuracy_flops(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy against FLOPs per problem."""
    about = (
        "FLOPs are 2 x parameters x tokens processed by all models, the PRM reading each token "
        f"once, as with a prefix cache. {captions.each_sample(runs)}"
    )
    return _drawn("Accuracy against FLOPs", "FLOPs per problem", data.by_flops(runs), about)


def accuracy_latency(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy against mean latency."""
    about = (
        f"Latency is of one problem while {captions.concurrency(runs)} were in flight; it depends "
        f"on that number and on the machine. {captions.untimed(runs)}"
    )
    what = "mean latency of a problem, s"
    return _drawn("Accuracy against latency", what, data.by_latency(runs), about)


def _drawn(title: str, what: str, points: list[CostPoint], about: str) -> Drawn | None:
    if not points:
        return None
    caption = (
        f"{captions.count([it.accuracy.n for it in points])} problems a run. "
        f"{captions.INTERVALS}, in both directions. The dotted line is the Pareto front: no run "
        "beats those on it, whose markers are filled, in accuracy without costing more. "
        f"{about}".strip()
    )
    return Drawn(title, caption, _figure(points, what))


def _figure(points: list[CostPoint], what: str) -> Figure:
    """The figure of `points` (at least one); `what` names the cost and its unit."""
    rows = len(points) if _wide(points) else (len(points) + 1) // 2
    made, (axes,) = figure(3.4 + 0.19 * rows)
    scale, prefix = _scale(max(it.cost.value for it in points)) if "FLOPs" in what else (1.0, "")
    xs, ys = [it.cost.value / scale for it in points], [it.accuracy.value for it in points]
    front = pareto_front(list(zip(xs, ys, strict=True)))
    axes.step([xs[i] for i in front], [ys[i] for i in front], where="post",
              color=INK, linestyle=":", linewidth=1.2)  # fmt: skip
    keys = []
    for i, it in enumerate(points):
        color, marker = KINDS[it.kind]
        face = color if i in front else "none"
        spread = [[error / scale for error in side] for side in it.cost.errors]
        axes.errorbar(xs[i], ys[i], xerr=spread, yerr=it.accuracy.errors, color=color,
                      marker=marker, markerfacecolor=face, markersize=6, elinewidth=0.8,
                      alpha=0.95)  # fmt: skip
        name = printable(f"{i + 1}  {it.label}")
        keys.append(Line2D([], [], color=color, marker=marker, markerfacecolor=face,
                           linestyle="none", label=name))  # fmt: skip
    if min(xs) > 0 and max(xs) / min(xs) > 20:
        logarithmic(axes)
    axes.margins(x=0.06, y=0.1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("accuracy")
    axes.set_xlabel(what.replace("FLOPs", f"{prefix}FLOPs"))
    made.legend(handles=keys, loc="outside lower left", ncols=1 if _wide(points) else 2)
    settle(made)  # numbers are placed by where the points have come to lie
    _number(axes, xs, ys)
    return made


def _wide(points: list[CostPoint]) -> bool:
    return max(len(it.label) for it in points) > 22


def _scale(value: float) -> tuple[float, str]:
    """A power of 1000 and its prefix."""
    step = min(max(0, floor(log10(value) / 3)), len(PREFIXES) - 1) if value > 0 else 0
    return 1000.0**step, PREFIXES[step]


def _number(axes: Axes, xs: list[float], ys: list[float]) -> None:
    """Write each point's number beside it, where it covers no other point or number."""
    pixel = axes.figure.dpi / 72
    places = [axes.transData.transform(it) for it in zip(xs, ys, strict=True)]
    taken = [_around(x, y, 4 * pixel, 4 * pixel) for x, y in places]
    for i, (x, y) in enumerate(places):
        boxes = [(_around(x + dx * pixel, y + dy * pixel, 6 * pixel, 5 * pixel), (dx, dy))
                 for dx, dy in OFFSETS]  # fmt: skip
        free = [it for it in boxes if not any(it[0].overlaps(other) for other in taken)]
        box, offset = (free or boxes)[0]
        taken.append(box)
        axes.annotate(str(i + 1), (xs[i], ys[i]), xytext=offset, textcoords="offset points",
                      ha="center", va="center", fontsize=9)  # fmt: skip


def _around(x: float, y: float, width: float, height: float) -> Bbox:
    return Bbox.from_extents(x - width, y - height, x + width, y + height)
