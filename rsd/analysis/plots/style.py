"""How the plots look, and how a figure becomes inline SVG and PNG. Needs matplotlib.

Colours have a contrast of at least 3 to white and to the page's dark ground, so that one SVG serves
both; each series also has its own marker, dash or hatch. Figures are as narrow as a phone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeVar
from warnings import catch_warnings, filterwarnings

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from rsd.analysis.plots.data import Estimate

T = TypeVar("T")

WIDTH = 4.8  # inches; 346 units of the SVG, about the pixels of a phone
INK = "#1d2129"  # becomes currentColor
FONTS = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

BLUE, ORANGE, GREEN, PURPLE, PINK, GREY = (
    "#3d82c4", "#d2691e", "#2a9d6f", "#a06cc9", "#d4537e", "#7d8590",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """The look of one of several series."""

    color: str
    marker: str
    dash: str | tuple[int, tuple[int, ...]]


SERIES = (
    Series(BLUE, "o", "-"),
    Series(ORANGE, "s", "--"),
    Series(GREEN, "^", "-."),
    Series(PURPLE, "D", ":"),
    Series(PINK, "v", (0, (5, 1, 1, 1, 1, 1))),
    Series(GREY, "X", (0, (1, 3))),
)

PANELS = len(SERIES)
"""The most runs shown in a plot that has a panel or a line for each."""

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.parse_math": False,  # a run may be called $x$
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "hatch.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure with its title and caption."""

    title: str
    caption: str
    figure: Figure


def some(items: Sequence[T]) -> list[T]:
    """At most `PANELS` of `items`, evenly spread, the first and the last among them."""
    if len(items) <= PANELS:
        return list(items)
    return [items[round(i * (len(items) - 1) / (PANELS - 1))] for i in range(PANELS)]


def estimates(
    axes: Axes, points: Sequence[tuple[float, Estimate]], look: Series, label: str, line: bool
) -> None:
    """Draw (x, estimate) points (at least one) with their intervals, joined by a `line` or not."""
    axes.errorbar(
        [x for x, _ in points],
        [it.value for _, it in points],
        yerr=np.hstack([it.errors for _, it in points]),
        color=look.color, marker=look.marker, linestyle=look.dash if line else "none",
        markersize=5, elinewidth=1, capsize=2, label=label,
    )  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """Make and write figures in the report's look."""
    with rc_context(_STYLE), catch_warnings():  # type: ignore[arg-type]
        filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts may have it
        yield


def figure(height: float, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure `height` inches high with `rows` axes below each other."""
    made = Figure(figsize=(WIDTH, height))
    return made, [made.add_subplot(rows, 1, i + 1) for i in range(rows)]


def legend(axes: Axes) -> None:
    """A legend inside `axes`, wide enough to show dashes."""
    axes.legend(loc="best", handlelength=2.6)


def logarithmic(axes: Axes, which: Literal["x", "y"] = "x", percent: bool = False) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 of each power of ten; shares as
    `percent`."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:g}%" if percent else f"{value:g}")
    )
    axis.set_minor_formatter(NullFormatter())


def settle(figure: Figure) -> None:
    """Fix the layout, so that SVG and PNG share it."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def png(figure: Figure) -> bytes:
    """The figure in dark ink on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for a page; ids begin with `name`."""
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<(metadata|style).*?</\1>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = text.replace(INK, "currentColor")
    text = re.sub(r"'DejaVu Sans'[^;\"]*?sans-serif|(?<=px )'?DejaVu Sans'?", FONTS, text)
    text = re.sub(r'(?<= id=")|(?<=url\(#)|(?<=href="#)', f"plot-{name}-", text)
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view.group()} width="100%" style="stroke-linejoin: round" role="img" '
        f'aria-label="{escape(description)}">'
    )
    return start + text[text.index(">") + 1 :]


def printable(label: str, most: int = 34) -> str:
    """`label` without characters that a plot cannot show, at most `most` long."""
    clean = "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in label)
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"
