"""What the runs show, in words: which run is best for its cost, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from rsd.analysis.compare import Comparison, compare, is_target_alone, target_only
from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, failed, outcome
from rsd.analysis.samples import AtK
from rsd.analysis.statistics.comparisons import problems_needed
from rsd.analysis.tables.cells import accuracy, figure, fixed, p_value, percent, points
from rsd.analysis.tables.labels import judges_drafts, labels, solution_of
from rsd.analysis.timing import most_at_once
from rsd.costs import Flops

SIGNIFICANT = 0.05
MARGIN = 0.02
"""A run is as good as another if the interval of its difference lies above minus this."""

WITHIN = f"within {100 * MARGIN:g} points"
FEWEST = 30
"""No run is called best for its cost if the runs share fewer problems than this."""

MANY = 4
"""From this many runs on, the headline warns that the best was chosen on its own test problems."""


@dataclass(frozen=True, slots=True)
class Headline:
    """`claim` is one sentence; `evidence` are the sentences that support or limit it. `best` is the
    run that it names; None if nothing is graded."""

    claim: str
    evidence: tuple[str, ...]
    best: AnalyzedRun | None = None


def headline(runs: list[AnalyzedRun]) -> Headline:
    """The headline of `runs`, at least one.

    Best for its cost is the run with the fewest FLOPs (the PRM reads a prefix once) among those as
    good as the most accurate one: the 95% interval of the difference lies above -`MARGIN`. Any
    other run is worse if its interval lies below 0, and undecided if not. FLOPs are compared on the
    problems shared with the most accurate run.
    """
    known = [run for run in runs if run.metrics.overall.accuracy is not None]
    if not known:
        return Headline("No problem is graded yet.", ())
    if len(runs) == 1:
        return _of_one(runs[0])
    names = {id(run): name for run, name in zip(runs, labels(runs), strict=True)}
    top = max(
        known,
        key=lambda run: (run.metrics.overall.accuracy, _finished(run), -(_flops(run) or 0)),
    )
    most_accurate = f"Most accurate: {names[id(top)]}, {_accuracy(top)}."
    others = [compare(run, top) for run in known if run is not top]
    if not others or min(it.pairs for it in others) < FEWEST:
        few = f"The runs share fewer than {FEWEST} graded problems: too few to tell them apart."
        return Headline(most_accurate, (few, *_samples(top)), top)
    if any(_flops(run) is None for run in known if run is top or _finished(run)):
        claim = f"{most_accurate} Parameter counts are missing, so cost is unknown."
        return Headline(claim, tuple(_evidence(top, top, names, known)), top)
    costs = [(1.0, top), *((_cost(it), it.first) for it in others if _as_good(it))]
    cost, best = min(costs, key=lambda it: it[0])
    claim, evidence = f"Best for its cost: {names[id(best)]}, {_accuracy(best)}", []
    reference = target_only(best, runs)
    if reference is not None and not is_target_alone(best):
        ratio = compare(best, reference).flops_ratio
        claim += f", for {fixed(ratio.prm_once)} times the FLOPs of the target alone"
        claim += _per_step(ratio)
    claim += "."
    if best is not top:
        to_top = next(it for it in others if it.first is best)
        evidence.append(
            f"It is as good as the most accurate, {names[id(top)]} with {_accuracy(top)}, "
            f"{WITHIN}: {_difference(to_top)}."
        )
    cheaper = [it for it in others if _cost(it) < cost and not _as_good(it)]
    if cheaper:  # the closest rival: one that is undecided, else the most accurate
        rival = max(cheaper, key=lambda it: (not _worse(it), it.difference))
        evidence.append(_about_rival(rival, names))
        if not _worse(rival):
            claim = most_accurate if best is top else claim
            claim += (
                f" There are too few problems to tell whether {names[id(rival.first)]}, which "
                "costs less, is as good."
            )
    return Headline(claim, (*evidence, *_evidence(best, top, names, known)), best)


def _of_one(run: AnalyzedRun) -> Headline:
    (name,), ratio = labels([run]), run.metrics.overall.flops_ratio_vs_target_only
    evidence = _samples(run)
    if ratio.prm_once is not None and not is_target_alone(run):
        evidence.append(
            f"It spends {fixed(ratio.prm_once)} times the FLOPs that the target alone would spend "
            f"on the same responses{_per_step(ratio)}."
        )
    evidence += _without_target(run)
    evidence.append(
        "To see whether that is a gain, compare it with runs of each model alone on the same "
        "problems: rsd report RUN RUN..."
    )
    return Headline(f"{name} solves {_accuracy(run)} of its problems.", tuple(evidence), run)


def _about_rival(it: Comparison, names: dict[int, str]) -> str:
    """A run that costs less than the best one and is not shown to be as good."""
    about = f"{names[id(it.first)]}, with {fixed(_cost(it))} times the FLOPs of "
    about += f"{names[id(it.second)]}: {_difference(it)}"
    if _worse(it):
        return f"Cheaper but worse: {about}."
    assert it.difference is not None
    assert it.variance is not None
    gap, shown = max((it.difference + MARGIN, "as good"), (-it.difference, "worse"))
    return (
        f"Cheaper but undecided: {about} on {it.pairs:,} problems, so it may be as good {WITHIN} "
        f"or worse. If that difference holds, about {problems_needed(it.variance, gap):,} problems "
        f"would show, with a chance of 80%, that it is {shown}."
    )


def _evidence(
    best: AnalyzedRun, top: AnalyzedRun, names: dict[int, str], runs: list[AnalyzedRun]
) -> list[str]:
    baselines = [
        run
        for run in runs
        if run not in (best, top)
        and (is_target_alone(run) or run.run.config.decoding.strategy == "draft")
    ]
    tested = [it for it in (compare(best, run) for run in baselines) if it.pairs]
    evidence = [
        f"Against {names[id(it.second)]}: {_difference(it)}; {_verdict(it)}." for it in tested
    ]
    n, significant = len(tested), [it.p_value or 0.0 for it in tested if _significant(it)]
    if n > 1 and any(n * p >= SIGNIFICANT for p in significant):  # Bonferroni
        evidence.append(
            f"With {n} comparisons, chance alone makes at least one significant in up to {n} of 20 "
            "reports."
        )
    evidence += [*_speed(best, runs), *_without_target(best), *_samples(best)]
    if len(runs) >= MANY:
        evidence.append(
            f"It was chosen among {len(runs)} runs on the problems that measure it, which favours "
            "lucky runs: confirm it on other problems."
        )
    return evidence


def _verdict(it: Comparison) -> str:
    assert it.ci95 is not None
    if it.ci95[0] > -MARGIN and it.ci95[1] < MARGIN:
        return f"equal {WITHIN}"
    if not _significant(it):
        return "not statistically significant"
    return (
        "statistically significant: chance makes so large a difference between two equally good "
        "methods in fewer than 1 of 20 comparisons"
    )


def _speed(best: AnalyzedRun, runs: list[AnalyzedRun]) -> list[str]:
    """The median latency compared with the target alone, if both are known, and the number of
    problems in flight where it differs, because latency grows with it."""
    reference = target_only(best, runs)
    if reference is None or reference is best:
        return []
    ours, theirs = (run.metrics.overall.latency_s for run in (best, reference))
    if ours is None or theirs is None:
        return []
    median, other, unit = figure(ours.p50), figure(theirs.p50), solution_of([best, reference])
    loads = [most_at_once(run.run.manifest.sessions) for run in (best, reference)]
    load = ""
    if loads[0] != loads[1] and None not in loads:
        load = f", with {loads[0]} problems in flight against {loads[1]}"
    if median == other:
        return [f"It is as fast as the target alone: a median of {median} s per {unit}{load}."]
    word = "faster" if ours.p50 < theirs.p50 else "slower"
    return [
        f"It is {word} than the target alone: a median of {median} s per {unit} against {other} "
        f"s{load}."
    ]


def _without_target(run: AnalyzedRun) -> list[str]:
    """How many responses contain no step of the target, if the strategy judges drafts."""
    if not judges_drafts(run):
        return []
    record = run.run
    done = [key for key, it in record.trajectories.items() if not failed(it)]
    alone = [key for key in done if not run.costs[key].target_steps_kept]
    if not alone:
        return []
    outcomes = [outcome(record.trajectories[key], record.grades.get(key)) for key in alone]
    counted, right = sum(it.counts for it in outcomes), outcomes.count(Outcome.RIGHT)
    share = f"; {percent(right / counted)} of these are right" if counted else ""
    return [f"{len(alone):,} of its {len(done):,} responses contain no step of the target{share}."]


def _difference(it: Comparison) -> str:
    text = f"{points(it.difference, it.ci95)} points"
    if it.p_value is None:
        return text
    p = p_value(it.p_value)
    return f"{text}, p < {p[1:]}" if p.startswith("<") else f"{text}, p = {p}"


def _accuracy(run: AnalyzedRun) -> str:
    overall = run.metrics.overall
    share, _, interval = accuracy(overall.accuracy, overall.ci95).partition(" ")
    without = percent(overall.accuracy_without_errors, 1)
    lost = f" ({without} without {overall.errors:,} failed)" if overall.errors else ""
    samples = run.run.config.decoding.samples
    mean = f" (avg@{samples})" if samples > 1 else ""
    return f"{share}% {interval}".rstrip() + mean + lost


def _samples(run: AnalyzedRun) -> list[str]:
    """What avg@k is, with pass@k and maj@k beside it, if there are several samples per problem."""
    it = run.metrics.overall.samples
    if it is None:
        return []
    k, one, vote = it.n, it.pass_at_k[-1], it.maj_at_k[-1] if it.maj_at_k else None
    majority = f", for {_share(vote)} their most frequent answer (maj@{k})" if vote else ""
    return [
        f"avg@{k} is the mean accuracy over {k} samples of each problem, with an interval "
        f"clustered by problem. For {_share(one)} of the {it.problems:,} problems at least one "
        f"sample is right (pass@{k}){majority}."
    ]


def _share(it: AtK) -> str:
    share, _, interval = accuracy(it.value, it.ci95).partition(" ")
    return f"{share}% {interval}"


def _per_step(ratio: Flops) -> str:
    if ratio.prm_per_step is None or fixed(ratio.prm_once) == fixed(ratio.prm_per_step):
        return ""
    return f" ({fixed(ratio.prm_per_step)} if the PRM reads its whole input at every step)"


def _as_good(it: Comparison) -> bool:
    return it.ci95 is not None and it.ci95[0] > -MARGIN


def _worse(it: Comparison) -> bool:
    return it.ci95 is not None and it.ci95[1] < 0


def _significant(it: Comparison) -> bool:
    return it.p_value is not None and it.p_value < SIGNIFICANT


def _cost(it: Comparison) -> float:
    """The FLOPs of the first run over those of the second; inf if unknown."""
    ratio = it.flops_ratio.prm_once
    return inf if ratio is None else ratio


def _finished(run: AnalyzedRun) -> bool:
    """Whether any solution did not fail; otherwise the cost is unknown."""
    return not all(failed(it) for it in run.run.trajectories.values())


def _flops(run: AnalyzedRun) -> float | None:
    return run.metrics.overall.flops_per_problem.prm_once
