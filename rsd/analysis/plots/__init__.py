"""The plots of a report, each as inline SVG and as PNG.

    drawn = plots(runs)        [] where matplotlib is not installed; `missing()` says so

One file draws one plot, with the numbers that only it needs: `cost`, `sweep`, `rewards`, `tokens`,
`draft_alone` and `latency`. `data` holds the numbers that several share and needs no matplotlib,
`captions` their sentences, `style` the look. The SVG takes its ink from the text around it
(`currentColor`), has no background, no script, no reference to anything outside itself, and ids of
its own, so that several can stand in one page, light or dark. The PNG is in dark ink on white.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rsd.analysis.metrics import AnalyzedRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = (
    "accuracy-flops",
    "accuracy-latency",
    "threshold",
    "rewards",
    "tokens",
    "draft-alone",
    "latency",
)
"""The plots, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot. `name` is one of `NAMES`, a file stem and an HTML id. `title` and `caption` are
    plain text, not escaped; the caption says n, what the intervals are, and how to read the plot.
    `svg` is an `<svg>` element that fills the width of its container (at most about 36 rem looks
    well) and has a label for screen readers."""

    name: str
    title: str
    caption: str
    svg: str
    _figure: Figure

    @property
    def png(self) -> bytes:
        """A PNG file, drawn anew each time."""
        from rsd.analysis.plots import style

        with style.style():
            return style.png(self._figure)


def missing() -> str | None:
    """One line to show in place of the plots if matplotlib is missing; None if it is there."""
    if find_spec("matplotlib") is not None:
        return None
    return (
        "No plots: matplotlib is not installed. In a clone of rsd, pip install -e '.[report]' "
        "adds it."
    )


def plots(runs: list[AnalyzedRun]) -> list[Plot]:
    """The plots of `runs` (at least one), in the order of a report. A plot that says nothing about
    these runs, such as δ without a sweep, is left out."""
    if missing() is not None:
        return []
    from rsd.analysis.plots import cost, draft_alone, latency, rewards, style, sweep, tokens

    draws = (
        cost.accuracy_flops,
        cost.accuracy_latency,
        sweep.threshold,
        rewards.rewards,
        tokens.tokens,
        draft_alone.draft_alone,
        latency.latency,
    )
    drawn = []
    with style.style():
        for name, draw in zip(NAMES, draws, strict=True):
            it = draw(runs)
            if it is not None:
                style.settle(it.figure)
                svg = style.svg(it.figure, name, f"{it.title}. {it.caption}")
                drawn.append(Plot(name, it.title, it.caption, svg, it.figure))
    return drawn
