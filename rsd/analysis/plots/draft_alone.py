"""The share of problems that the draft solved alone, by difficulty."""

from __future__ import annotations

from matplotlib.ticker import PercentFormatter

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import decided
from rsd.analysis.plots import captions, data
from rsd.analysis.plots.data import Estimate
from rsd.analysis.plots.style import SERIES, Drawn, estimates, figure, printable, some
from rsd.analysis.tables.labels import judges_drafts, labels, natural
from rsd.records import Key


def draft_alone(runs: list[AnalyzedRun]) -> Drawn | None:
    """One series for each run that judged draft steps; None without any."""
    pairs = zip(runs, labels(runs), strict=True)
    judged = [(label, alone_by_level(run)) for run, label in pairs if judges_drafts(run)]
    judged = [(label, levels) for label, levels in judged if levels]
    shown = some(judged)
    if not shown:
        return None
    names = sorted({name for _, levels in shown for name in levels}, key=natural)
    made, (axes,) = figure(2.9 + 0.18 * len(shown))
    for i, ((label, levels), look) in enumerate(zip(shown, SERIES, strict=False)):
        offset = (i - (len(shown) - 1) / 2) * 0.11
        points = [(names.index(name) + offset, it) for name, it in levels.items()]
        estimates(axes, points, look, printable(label, 44), line=False)
    axes.set_xticks(range(len(names)), [printable(name, 14) for name in names])
    if sum(map(len, names)) > 40:
        axes.tick_params(axis="x", labelrotation=45)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("solved by the draft alone")
    has_levels = any(it.level for run in runs for it in run.run.trajectories.values())
    axes.set_xlabel("level of difficulty" if has_levels else "task")
    made.legend(loc="outside lower left")
    sizes = [it.n for _, levels in shown for it in levels.values()]
    caption = (
        "Share of the problems of a level, without failed ones, that are right without a step of "
        f"the target. {captions.count(sizes)} problems a point. {captions.INTERVALS}. "
        f"{captions.shown(len(shown), len(judged))}"
    )
    return Drawn("Problems that the draft solved alone", caption.strip(), made)


def alone_by_level(run: AnalyzedRun) -> dict[str, Estimate]:
    """The share of problems that are right without a step of the target, by level of difficulty;
    by task where problems have none."""
    several = len(run.metrics.tasks) > 1
    levels: dict[str, list[tuple[Key, int, int]]] = {}
    for key, right in decided(run.run).items():
        task, level = key[0], run.run.trajectories[key].level
        name = f"{task} {level}" if several and level else level or task
        alone = right and not run.costs[key].target_steps_kept
        levels.setdefault(name, []).append((key, alone, 1))
    shares = {name: data.share_of(levels[name]) for name in sorted(levels, key=natural)}
    return {name: share for name, share in shares.items() if share is not None}
