"""Accuracy and acceptance against the threshold δ of a sweep."""

from __future__ import annotations

from math import isinf

from matplotlib.ticker import PercentFormatter

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.plots import captions, data
from rsd.analysis.plots.cost import KINDS
from rsd.analysis.plots.data import Estimate
from rsd.analysis.plots.style import PANELS, SERIES, Drawn, estimates, figure, legend, printable
from rsd.config import DecodingConfig, strategy_facts

Sweep = list[tuple[float, AnalyzedRun]]
"""Runs by ascending δ."""


def threshold(runs: list[AnalyzedRun]) -> Drawn | None:
    """Accuracy and acceptance against δ; None without a sweep."""
    sweeps = thresholds(runs)
    if not sweeps:
        return None
    made, (above, below) = figure(4.6, rows=2)
    below.sharex(above)
    sizes = []
    for (name, its), look in zip(sweeps.items(), SERIES, strict=False):
        for axes, measure in ((above, data.accuracy), (below, _acceptance)):
            known = [(x, it) for x, run in its if (it := measure(run)) is not None]
            if known:
                sizes += [it.n for _, it in known]
                estimates(axes, known, look, printable(name), line=True)
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
        f"Each point is a run of {captions.count(sizes)} problems. {captions.INTERVALS}. A draft "
        "step is kept if its reward is at least δ. "
        f"{captions.shown(min(PANELS, len(sweeps)), len(sweeps), 'sweeps')}"
    )
    return Drawn("Accuracy and acceptance against δ", caption.strip(), made)


def thresholds(runs: list[AnalyzedRun]) -> dict[str, Sweep]:
    """Sweeps over δ among `runs`, by name: at least two finite thresholds, of runs that differ in
    nothing else but how many problems were asked."""
    sweeps: dict[str, Sweep] = {}
    for run in runs:
        config = run.run.config.decoding
        facts = strategy_facts(config.strategy)
        weighted = "weighting" in facts.keys
        has_threshold = not weighted or config.weighting in ("step", "logistic")
        if facts.threshold_curve and has_threshold and not isinf(config.threshold):
            determinants = run.run.config.determinants()
            decoding = {k: v for k, v in determinants["decoding"].items() if k != "threshold"}
            same = repr((determinants["models"], decoding, determinants["tasks"]))
            sweeps.setdefault(same, []).append((config.threshold, run))
    named: dict[str, Sweep] = {}
    for its in sweeps.values():
        if len({delta for delta, _ in its}) > 1:
            name = _name(its[0][1].run.config.decoding)
            name = name if name not in named else f"{name} ({len(named) + 1})"
            named[name] = sorted(its, key=lambda it: it[0])
    return named


def _name(it: DecodingConfig) -> str:
    rule = "RSD" if it.strategy == "rsd" and it.weighting == "step" else it.strategy
    rule += "" if it.weighting == "step" else f" {it.weighting}"
    return f"{rule} n={it.candidates}" if it.candidates > 1 else rule


def _acceptance(run: AnalyzedRun) -> Estimate | None:
    """The share of draft steps kept, in finished solutions."""
    costs = [(key, run.costs[key]) for key in data.finished(run)]
    return data.share_of(
        (key, it.draft_steps_kept, it.draft_steps_kept + it.draft_steps_rejected)
        for key, it in costs
    )
