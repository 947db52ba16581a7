"""Accuracy against a cost: numbered points, their intervals, and the Pareto front."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, PercentFormatter
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
"""Colour and marker for each kind of run."""

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
    columns = 1 if max(len(it.label) for it in points) > 22 else 2
    made, (axes,) = figure(3.4 + 0.19 * -(-len(points) // columns))
    places = [(it.cost.value, it.accuracy.value) for it in points]
    front = pareto_front(places)
    axes.step(*zip(*(places[i] for i in front), strict=True), where="post",
              color=INK, linestyle=":", linewidth=1.2)  # fmt: skip
    keys = []
    for i, it in enumerate(points):
        color, marker = KINDS[it.kind]
        face = color if i in front else "none"
        axes.errorbar(*places[i], xerr=it.cost.errors, yerr=it.accuracy.errors, color=color,
                      marker=marker, markerfacecolor=face, markersize=6, elinewidth=0.8,
                      alpha=0.95)  # fmt: skip
        keys.append(Line2D([], [], color=color, marker=marker, markerfacecolor=face,
                           linestyle="none", label=printable(f"{i + 1}  {it.label}")))  # fmt: skip
    costs = [cost for cost, _ in places]
    if min(costs) > 0 and max(costs) / min(costs) > 20:
        logarithmic(axes)
    if "FLOPs" in what:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.06, y=0.1)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("accuracy")
    axes.set_xlabel(what)
    made.legend(handles=keys, loc="outside lower left", ncols=columns)
    settle(made)  # the numbers need the final positions of the points
    _number(axes, places)
    return made


def _number(axes: Axes, places: list[tuple[float, float]]) -> None:
    """Write each point's number beside it, where it covers no other point or number."""
    pixel = axes.figure.dpi / 72

    def box(at: tuple[float, float], offset: tuple[int, int], width: int, height: int) -> Bbox:
        x, y = axes.transData.transform(at) + [pixel * it for it in offset]
        extent = (x - width * pixel, y - height * pixel, x + width * pixel, y + height * pixel)
        return Bbox.from_extents(*extent)

    taken = [box(at, (0, 0), 4, 4) for at in places]
    for i, at in enumerate(places):
        boxes = {offset: box(at, offset, 6, 5) for offset in OFFSETS}
        free = [it for it, its in boxes.items() if not any(map(its.overlaps, taken))]
        offset = free[0] if free else OFFSETS[0]
        taken.append(boxes[offset])
        axes.annotate(str(i + 1), at, xytext=offset, textcoords="offset points",
                      ha="center", va="center", fontsize=9)  # fmt: skip
