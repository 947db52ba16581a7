"""Histograms of the rewards of draft steps, for right and for wrong solutions."""

from __future__ import annotations

import numpy as np

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import decided
from rsd.analysis.plots import captions
from rsd.analysis.plots.style import (
    BLUE,
    INK,
    ORANGE,
    Drawn,
    figure,
    legend,
    logarithmic,
    printable,
    some,
)
from rsd.analysis.tables.labels import judges_drafts, labels
from rsd.config import strategy_facts


def rewards(runs: list[AnalyzedRun]) -> Drawn | None:
    """One panel for each run; None without rewards."""
    pairs = zip(runs, labels(runs), strict=True)
    scored = [(run, label) for run, label in pairs if any(rewards_by_answer(run))]
    judged = [it for it in scored if judges_drafts(it[0])] or scored
    shown = some(judged)
    if not shown:
        return None
    made, panels = figure(0.7 + 1.5 * len(shown), rows=len(shown))
    for axes, (run, label) in zip(panels, shown, strict=True):
        right, wrong = rewards_by_answer(run)
        low, high = min(0.0, *right, *wrong), max(1.0, *right, *wrong)
        edges = np.linspace(low, high, 21)
        looks = (("right", right, BLUE, "-", None), ("wrong", wrong, ORANGE, "--", "////"))
        for name, values, color, dash, hatch in looks:
            if values:
                shares = np.histogram(values, edges)[0] / len(values)
                axes.stairs(shares, edges, color=color, linestyle=dash, linewidth=1.6,
                            label=f"answer {name}, n = {len(values):,}")  # fmt: skip
                axes.stairs(shares, edges, color=color, edgecolor=color, alpha=0.2,
                            fill=True, hatch=hatch, linewidth=0)  # fmt: skip
        decoding = run.run.config.decoding
        by_reward = strategy_facts(decoding.strategy).can_calibrate and decoding.weighting == "step"
        if by_reward and low <= decoding.threshold <= high:
            axes.axvline(decoding.threshold, color=INK, linewidth=1, linestyle=":")
        axes.set_title(printable(label, 48))
        logarithmic(axes, "y", percent=True)
        axes.set_ylabel("steps")
        legend(axes)
    panels[-1].set_xlabel("reward of a draft step")
    caption = (
        "Share of the draft steps of right and of wrong solutions, kept or not, in 20 bins of "
        "the reward, on a logarithmic scale; n in the legend, no intervals. The dotted line is δ. "
        f"{captions.shown(len(shown), len(judged))}"
    )
    return Drawn("Rewards by correctness of the answer", caption.strip(), made)


def rewards_by_answer(run: AnalyzedRun) -> tuple[list[float], list[float]]:
    """Rewards of all scored draft steps, kept or not, of right and of wrong solutions. Failed and
    undecided ones are neither."""
    right: list[float] = []
    wrong: list[float] = []
    for key, verdict in decided(run.run).items():
        steps = run.run.trajectories[key].steps
        its = [s.reward for s in steps if s.source == "draft" and s.reward is not None]
        (right if verdict else wrong).extend(its)
    return right, wrong
