"""Two runs over the same questions, compared pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rsd.analysis.metrics import AnalyzedRun, token_totals
from rsd.analysis.outcomes import failed, verdicts
from rsd.analysis.pairs import Question, questions
from rsd.analysis.statistics.comparisons import paired_difference
from rsd.analysis.statistics.intervals import Interval
from rsd.analysis.summary import Tokens
from rsd.costs import Flops, flops, known_sum, speculation_cost, total
from rsd.records import Key
from rsd.types import Role


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` against `second`, over the problems that both have: those that ask the same
    question (`rsd.analysis.pairs`), whatever their ids.

    `pairs` are problems with a verdict in both runs. `difference` is their mean accuracy in `first`
    minus that in `second`, in [-1, 1], with the interval and `p_value` of one test by problem and
    the `variance` of one problem's difference; all are None without pairs. Several samples of a
    problem count with their mean. `first_better` and `second_better` are the problems of which that
    run has the greater share right.

    `unpaired` problems are in one run only. `flops_ratio`, first / second, is of the mean solution
    over `finished`, the problems with a finished solution in both; tokens are over all samples of
    the common problems.
    """

    first: AnalyzedRun
    second: AnalyzedRun
    pairs: int
    unpaired: int
    first_better: int
    second_better: int
    difference: float | None
    ci95: Interval | None
    p_value: float | None
    variance: float | None
    finished: int
    flops_ratio: Flops
    tokens_first: dict[Role, Tokens]
    tokens_second: dict[Role, Tokens]


def compare(first: AnalyzedRun, second: AnalyzedRun) -> Comparison:
    """Compare two runs over the problems that they share."""
    runs = (first, second)
    ours, theirs = (_samples(run) for run in runs)
    common = [problem for problem in ours if problem in theirs]
    sides = [[its[problem] for problem in common] for its in (ours, theirs)]
    rights = [_shares_right(run, its) for run, its in zip(runs, sides, strict=True)]
    pairs = [(a, b) for a, b in zip(*rights, strict=True) if a is not None and b is not None]
    tested = paired_difference([a for a, _ in pairs], [b for _, b in pairs]) if pairs else None
    done = [_finished(run, its) for run, its in zip(runs, sides, strict=True)]
    finished = [(a, b) for a, b in zip(*done, strict=True) if a and b]
    tokens_first, tokens_second = (
        token_totals(run.run.trajectories[key] for keys in its for key in keys)
        for run, its in zip(runs, sides, strict=True)
    )
    return Comparison(
        first=first,
        second=second,
        pairs=len(pairs),
        unpaired=len(ours.keys() ^ theirs.keys()),
        first_better=sum(a > b for a, b in pairs),
        second_better=sum(a < b for a, b in pairs),
        difference=tested.mean if tested else None,
        ci95=tested.ci95 if tested else None,
        p_value=tested.p_value if tested else None,
        variance=tested.variance if tested else None,
        finished=len(finished),
        flops_ratio=_flops(first, [a for a, _ in finished])
        / _flops(second, [b for _, b in finished]),
        tokens_first=tokens_first,
        tokens_second=tokens_second,
    )


def compare_all(runs: list[AnalyzedRun]) -> list[Comparison]:
    """Every run against the target alone, or against the first run if there is none."""
    baseline = next(filter(is_target_alone, runs), runs[0])
    return [compare(run, baseline) for run in runs if run is not baseline]


def target_only(run: AnalyzedRun, others: list[AnalyzedRun]) -> AnalyzedRun | None:
    """The first of `others` that decoded every problem of `run` with the same target alone."""
    model = run.run.config.models.target.model
    for other in others:
        config = other.run.config
        if (
            is_target_alone(other)
            and config.models.target.model == model
            and _samples(run).keys() <= _samples(other).keys()
        ):
            return other
    return None


def is_target_alone(run: AnalyzedRun) -> bool:
    """Whether `run` is the usual baseline: the target alone, without speculative decoding."""
    config = run.run.config
    return config.decoding.strategy == "target" and config.models.target.serve.speculative is None


def _samples(run: AnalyzedRun) -> dict[Question, list[Key]]:
    """The solutions of each problem."""
    problems: dict[Question, list[Key]] = {}
    for key, question in questions(run.run).items():
        problems.setdefault(question, []).append(key)
    return problems


def _shares_right(run: AnalyzedRun, problems: Sequence[list[Key]]) -> list[float | None]:
    """For each problem, the share of its samples with a verdict that is right."""
    right = verdicts(run.run)
    known = [[right[key] for key in keys if key in right] for keys in problems]
    return [fmean(its) if its else None for its in known]


def _finished(run: AnalyzedRun, problems: Sequence[list[Key]]) -> list[list[Key]]:
    return [[key for key in keys if not failed(run.run.trajectories[key])] for keys in problems]


def _flops(run: AnalyzedRun, problems: Sequence[list[Key]]) -> Flops:
    """The sum over problems of the mean cost of a sample."""
    counts, speculation = run.run.manifest.parameters, speculation_cost(run.run.manifest)
    each = [
        flops(total(run.costs[key] for key in keys), counts, speculation) / len(keys)
        for keys in problems
    ]
    return Flops(
        known_sum([it.prm_once for it in each]), known_sum([it.prm_per_step for it in each])
    )
