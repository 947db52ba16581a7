"""The report's pictures: one function, each picture as inline SVG and as PNG.

    drawn = plots(runs)        [] where matplotlib is not installed; `missing()` says so

The SVG takes its ink from the text around it (`currentColor`), has no background, no script, no
reference to anything outside itself, and ids of its own, so that several can stand in one page,
light or dark. The PNG is the same figure in dark ink on white.
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
"""The pictures, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture. `name` is a file stem and an HTML id, of [a-z-] only, one of `NAMES`. `title`
    and `caption` are plain text, not escaped; the caption says n, what the intervals are, and how
    to read the picture. `svg` is an `<svg>` element to be put into a page as it is: it fills the
    width of its container (at most about 36 rem looks well) and names itself to screen readers."""

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
    """One line to show in place of the pictures where there can be none; None where they can."""
    if find_spec("matplotlib") is not None:
        return None
    return (
        "No plots: matplotlib is not installed. In a clone of rsd, pip install -e '.[report]' "
        "adds it."
    )


def plots(runs: list[AnalyzedRun]) -> list[Plot]:
    """The pictures that `runs` (at least one) have data for, in the order of a report. A picture
    that says nothing about these runs, such as δ where there is no sweep, is left out."""
    if missing() is not None:
        return []
    from rsd.analysis.plots import figures, style

    drawn = []
    with style.style():
        for name in NAMES:
            it = figures.FIGURES[name](runs)
            if it is not None:
                style.settle(it.figure)
                svg = style.svg(it.figure, name, f"{it.title}. {it.caption}")
                drawn.append(Plot(name, it.title, it.caption, svg, it.figure))
    return drawn
