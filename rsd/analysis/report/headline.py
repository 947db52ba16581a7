"""What the runs show, in words: which answers best for its cost, and which are as good."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from rsd.analysis.compare import Comparison, compare, is_target_alone, target_only
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, failed, outcome
from rsd.analysis.statistics.comparisons import problems_needed
from rsd.analysis.summary import Conventions
from rsd.analysis.tables.cells import accuracy, figure, fixed, p_value, percent, points
from rsd.analysis.tables.labels import has_rewards, labels
from rsd.analysis.timing import most_at_once

SIGNIFICANT = 0.05
MARGIN = 0.02
"""A run is as good as another if the interval of its difference lies above minus this."""

FEWEST = 30
"""Problems in common below which no run is called the best."""

MANY = 4
"""Runs from which on it matters that the best was picked on the problems that it is judged by."""


@dataclass(frozen=True, slots=True)
class Headline:
    """`claim` is one sentence; `evidence` are the sentences that carry or limit it. `best` is the
    run that it names; None where nothing is graded."""

    claim: str
    evidence: tuple[str, ...]
    best: AnalyzedRun | None = None


def headline(runs: list[AnalyzedRun]) -> Headline:
    """The headline of `runs`, at least one.

    Best for its cost is the run of the fewest FLOPs (the PRM reads a prefix once) among those that
    are as good as the most accurate one: the 95% interval of the difference lies above -`MARGIN`.
    A run of which that is not shown is worse if its interval lies below 0; otherwise there are
    too few problems to tell. FLOPs, too, are compared with those of the most accurate run on the
    problems of both.
    """
    known = [run for run in runs if run.metrics.overall.accuracy is not None]
    if not known:
        return Headline("No problem is graded yet.", ())
    if len(runs) == 1:
        return _of_one(runs[0])
    names = {id(run): name for run, name in zip(runs, labels(runs), strict=True)}
    top = max(known, key=lambda run: (_accuracy(run), _finished(run), -(_flops(run) or 0)))
    others = [compare(run, top) for run in known if run is not top]
    if not others or min(it.pairs for it in others) < FEWEST:
        return Headline(
            f"Most accurate: {names[id(top)]}, {_figures(top)}.",
            (f"The runs share fewer than {FEWEST} graded problems: too few to tell them apart.",),
            top,
        )
    costs = [(1.0, top), *((_cost(it), it.first) for it in others if _as_good(it))]
    priced = all(_flops(run) is not None for run in known if run is top or _finished(run))
    cost, best = min(costs, key=lambda it: it[0]) if priced else (1.0, top)
    cheaper = [it for it in others if priced and _cost(it) < cost and not _as_good(it)]
    rival = max(cheaper, key=lambda it: (not _worse(it), it.difference), default=None)
    evidence = [*_as_good_as_top(best, others, names), *_rival(rival, names)]
    evidence += _evidence(best, top, names, known)
    claim = _claim(best, names, runs, priced)
    if rival and not _worse(rival):
        if best is top:
            claim = f"Most accurate: {names[id(top)]}, {_figures(top)}."
        claim += (
            f" There are too few problems to tell whether {names[id(rival.first)]}, which costs "
            "less, is as good."
        )
    return Headline(claim, tuple(evidence), best)


def _of_one(run: AnalyzedRun) -> Headline:
    (name,), overall = labels([run]), run.metrics.overall
    evidence = []
    ratio = overall.flops_ratio_vs_target_only
    if ratio.prm_once is not None and not is_target_alone(run):
        evidence.append(
            f"It spends {fixed(ratio.prm_once)} times the FLOPs that the target alone would spend "
            f"on the same responses{_per_step(ratio)}."
        )
    evidence += _by_draft_alone(run)
    evidence.append(
        "Whether that is a gain shows beside runs of each model alone on the same problems: "
        "rsd report RUN RUN..."
    )
    return Headline(f"{name} answers {_figures(run)} of its problems.", tuple(evidence), run)


def _claim(best: AnalyzedRun, names: dict[int, str], runs: list[AnalyzedRun], priced: bool) -> str:
    name, figures = names[id(best)], _figures(best)
    if not priced:
        return (
            f"Most accurate: {name}, {figures}. Parameter counts are missing, so cost is unknown."
        )
    reference = target_only(best, runs)
    if is_target_alone(best) or reference is None:
        return f"Best for its cost: {name}, {figures}."
    ratio = Conventions.of(compare(best, reference).flops_ratio)
    return (
        f"Best for its cost: {name}, {figures}, for {fixed(ratio.prm_once)} times the FLOPs of "
        f"the target alone{_per_step(ratio)}."
    )


def _as_good(it: Comparison) -> bool:
    return it.ci95 is not None and it.ci95[0] > -MARGIN


def _worse(it: Comparison) -> bool:
    return it.ci95 is not None and it.ci95[1] < 0


def _as_good_as_top(
    best: AnalyzedRun, others: list[Comparison], names: dict[int, str]
) -> list[str]:
    """That `best` is as good as the most accurate run, if it is another."""
    return [
        f"It is as good as the most accurate, {names[id(it.second)]} with {_figures(it.second)}, "
        f"within {_in_points(MARGIN)}: {_difference(it)}."
        for it in others
        if it.first is best
    ]


def _rival(it: Comparison | None, names: dict[int, str]) -> list[str]:
    """What is known of a run that costs less than the best one and is not shown to be as good."""
    if it is None:
        return []
    about = (
        f"{names[id(it.first)]}, at {fixed(_cost(it))} times the FLOPs of {names[id(it.second)]}"
    )
    if _worse(it):
        return [f"{about}, is worse: {_difference(it)}."]
    assert it.difference is not None
    assert it.variance is not None
    gap, shown = max((it.difference + MARGIN, "as good"), (-it.difference, "worse"))
    needed = problems_needed(it.variance, gap)
    return [
        f"{about}, may be as good within {_in_points(MARGIN)} or worse: {_difference(it)} on "
        f"{it.pairs:,} problems. If that difference holds, about {needed:,} problems would show, "
        f"with a chance of 80%, that it is {shown}."
    ]


def _in_points(share: float) -> str:
    return f"{100 * share:g} points"


def _evidence(
    best: AnalyzedRun, top: AnalyzedRun, names: dict[int, str], runs: list[AnalyzedRun]
) -> list[str]:
    evidence: list[str] = []
    baselines = [run for run in runs if run not in (best, top) and _is_baseline(run)]
    tested = [it for it in (compare(best, run) for run in baselines) if it.pairs]
    evidence += [_against(it, names[id(it.second)]) for it in tested]
    evidence += [*_several(tested), *_slower(best, runs), *_by_draft_alone(best)]
    if len(runs) >= MANY:
        evidence.append(
            f"It was picked among {len(runs)} runs on the problems that it is judged by, which "
            "favours the luckiest: confirm it on others."
        )
    return evidence


def _is_baseline(run: AnalyzedRun) -> bool:
    return is_target_alone(run) or run.run.config.decoding.strategy == "draft"


def _against(it: Comparison, other: str) -> str:
    assert it.difference is not None
    assert it.ci95 is not None
    if it.ci95[0] > -MARGIN and it.ci95[1] < MARGIN:
        verdict = f"equal within {_in_points(MARGIN)}"
    elif not _told_apart(it):
        verdict = "not statistically significant"
    else:
        verdict = (
            "of two equally good methods chance makes so large a difference in fewer than 1 of "
            "20 comparisons"
        )
    return f"Against {other}: {_difference(it)}; {verdict}."


def _several(tested: list[Comparison]) -> list[str]:
    """What several comparisons owe to chance, unless each holds for all of them (Bonferroni)."""
    n = len(tested)
    apart = [it for it in tested if _told_apart(it)]
    if n == 1 or all(it.p_value is not None and n * it.p_value < SIGNIFICANT for it in apart):
        return []
    return [
        f"With {n} comparisons, chance makes at least one look like that in up to {n} of 20 "
        "reports."
    ]


def _difference(it: Comparison) -> str:
    p = "" if it.p_value is None else f", p {_is(it.p_value)}"
    return f"{points(it.difference, it.ci95)} points{p}"


def _is(p: float) -> str:
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def _told_apart(it: Comparison) -> bool:
    return it.p_value is not None and it.p_value < SIGNIFICANT


def _cost(it: Comparison) -> float:
    """The FLOPs of the first run over those of the second; inf where no problem tells."""
    ratio = it.flops_ratio.prm_once
    return inf if ratio is None else ratio


def _by_draft_alone(run: AnalyzedRun) -> list[str]:
    """How many responses hold no step of the target, where the draft's steps are judged."""
    if not has_rewards(run):
        return []
    done = [key for key, it in run.run.trajectories.items() if not failed(it)]
    alone = [key for key in done if not run.folds[key].target_steps_kept]
    if not alone:
        return []
    record = run.run
    outcomes = [outcome(record.trajectories[key], record.grades.get(key)) for key in alone]
    counted = sum(it.counts for it in outcomes)
    right = outcomes.count(Outcome.RIGHT)
    share = f"; {percent(right / counted)} of these are right" if counted else ""
    return [
        f"{len(alone):,} of its {len(done):,} responses are the draft's alone, without a step of "
        f"the target{share}."
    ]


def _slower(best: AnalyzedRun, runs: list[AnalyzedRun]) -> list[str]:
    """The median latency beside that of the target alone, where both are known, and what load
    they are of, where it differs: latency grows with it."""
    reference = target_only(best, runs)
    if reference is None or reference is best:
        return []
    ours, theirs = (run.metrics.overall.latency_s for run in (best, reference))
    if ours is None or theirs is None:
        return []
    median, other = figure(ours.p50), figure(theirs.p50)
    loads = [most_at_once(run.run.manifest.sessions) for run in (best, reference)]
    load = ""
    if loads[0] != loads[1] and None not in loads:
        load = f", with {loads[0]} in work at a time and {loads[1]} in the other run"
    if median == other:
        return [f"It took as long as the target alone: a median of {median} s a problem{load}."]
    word = "faster" if ours.p50 < theirs.p50 else "slower"
    return [
        f"It was {word} than the target alone: a median of {median} s a problem against {other} "
        f"s{load}."
    ]


def _figures(run: AnalyzedRun) -> str:
    overall = run.metrics.overall
    figures, _, interval = accuracy(overall.accuracy, overall.ci95).partition(" ")
    without = percent(overall.accuracy_without_errors, 1)
    lost = f" ({without} without {overall.errors:,} failed)" if overall.errors else ""
    return f"{figures}% {interval}".rstrip() + lost


def _per_step(ratio: Conventions) -> str:
    if ratio.prm_per_step is None or fixed(ratio.prm_once) == fixed(ratio.prm_per_step):
        return ""
    return f" ({fixed(ratio.prm_per_step)} if the PRM reads its whole input at every step)"


def _accuracy(run: AnalyzedRun) -> float:
    accuracy = run.metrics.overall.accuracy
    assert accuracy is not None
    return accuracy


def _finished(run: AnalyzedRun) -> bool:
    """Whether there is a solution that did not fail; without one no cost is known."""
    return not all(failed(it) for it in run.run.trajectories.values())


def _flops(run: AnalyzedRun) -> float | None:
    return run.metrics.overall.flops_per_problem.prm_once
