"""Tokens of a problem by model: written and read."""

from __future__ import annotations

import numpy as np

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import captions, data
from rsd.analysis.plots.style import BLUE, GREY, ORANGE, Drawn, figure, printable
from rsd.analysis.tables.labels import labels
from rsd.costs import total

WRITTEN = (
    ("draft, kept", BLUE, None), ("draft, not kept", BLUE, "xxxx"),
    ("target, kept", ORANGE, None), ("target, not kept", ORANGE, "xxxx"),
)  # fmt: skip
"""Name, colour and hatch of the tokens that a model wrote."""


def tokens(runs: list[AnalyzedRun]) -> Drawn | None:
    """One row for each run; None if no finished solution has tokens."""
    rows, names, sizes = [], [], []
    for run, label in zip(runs, labels(runs), strict=True):
        if keys := data.finished(run):
            work = total(run.costs[key] for key in keys)
            parts = (
                work.draft_tokens_kept,
                work.draft_tokens_rejected,
                work.target_tokens_kept,
                work.target_tokens_generated - work.target_tokens_kept,
                work.processed_prm_once,
            )
            rows.append([part / len(keys) for part in parts])
            names.append(label)
            sizes.append(len(keys))
    table = np.array(rows)
    if not table.any():
        return None
    made, (axes,) = figure(1.3 + 0.52 * len(rows))
    places, left = np.arange(len(rows), dtype=float), np.zeros(len(rows))
    for (name, color, hatch), widths in zip(WRITTEN, table.T, strict=False):
        if widths.any():
            axes.barh(places, widths, height=0.26, left=left, label=name, edgecolor=color,
                      facecolor="none" if hatch else color, hatch=hatch, linewidth=1)  # fmt: skip
            left += widths
    read = table[:, -1]
    if read.any():
        axes.barh(places + 0.22, read, height=0.1, color=GREY, label="PRM, read once")
    for place, name in zip(places, names, strict=True):
        axes.text(0, place - 0.22, printable(name, 48), fontsize=9)
    axes.set_ylim(len(rows) - 0.45, -0.7)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean tokens per problem")
    made.legend(loc="outside lower left", ncols=2)
    caption = (
        f"Means over {captions.count(sizes)} finished solutions, without intervals. Wide bars: "
        "tokens that a model wrote, hatched where they are not in the response. Thin bars: tokens "
        f"that the reward model read, each position once. {captions.each_sample(runs)}"
    )
    return Drawn("Tokens by model", caption.strip(), made)
