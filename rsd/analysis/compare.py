"""Two runs over the same questions, compared pair by pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from rsd.analysis.metrics import AnalyzedRun, token_totals
from rsd.analysis.outcomes import failed, verdicts
from rsd.analysis.pairs import Question, questions
from rsd.analysis.statistics.comparisons import paired_difference
from rsd.analysis.statistics.intervals import Interval
from rsd.analysis.summary import Tokens
from rsd.costs import Flops, flops, speculation_cost, total
from rsd.records import Key
from rsd.types import Role


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` against `second`, over the problems that both have: those that ask the same
    question (`rsd.analysis.pairs`), whatever their ids.

    `pairs` are problems with a verdict in both runs. They make `difference`, the accuracy of
    `first` minus that of `second`, in [-1, 1], with its interval and `p_value` by problem, which
    belong together, and the `variance` of one problem's difference; all are None without pairs.
    Where a run has several samples of a problem, their mean stands for it.
    `first_better` and `second_better` are the problems of which that run has the greater share
    right.

    `unpaired` problems are in one run only. `flops_ratio`, first / second, is of the mean solution
    over `finished`, the problems with a solution that did not fail in both; tokens are over all
    samples of the common problems.
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
    ours, theirs = _samples(first), _samples(second)
    common = [problem for problem in ours if problem in theirs]
    shares_first, shares_second = _shares_right(first), _shares_right(second)
    paired = [problem for problem in common if problem in shares_first and problem in shares_second]
    a = [shares_first[problem] for problem in paired]
    b = [shares_second[problem] for problem in paired]
    tested = paired_difference(a, b) if paired else None
    done_first, done_second = _finished(first, common), _finished(second, common)
    finished = [problem for problem in common if done_first[problem] and done_second[problem]]
    return Comparison(
        first=first,
        second=second,
        pairs=len(paired),
        unpaired=len(ours.keys() ^ theirs.keys()),
        first_better=sum(x > y for x, y in zip(a, b, strict=True)),
        second_better=sum(x < y for x, y in zip(a, b, strict=True)),
        difference=tested.mean if tested else None,
        ci95=tested.ci95 if tested else None,
        p_value=tested.p_value if tested else None,
        variance=tested.variance if tested else None,
        finished=len(finished),
        flops_ratio=_flops(first, [done_first[problem] for problem in finished])
        / _flops(second, [done_second[problem] for problem in finished]),
        tokens_first=_tokens(first, common),
        tokens_second=_tokens(second, common),
    )


def target_only(run: AnalyzedRun, others: list[AnalyzedRun]) -> AnalyzedRun | None:
    """The first of `others` that decoded every problem of `run` with the same target alone, token
    by token."""
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
    """Whether it is the usual baseline: the target, without speculative decoding by tokens."""
    config = run.run.config
    return config.decoding.strategy == "target" and config.models.target.serve.speculative is None


def _samples(run: AnalyzedRun) -> dict[Question, list[Key]]:
    problems: dict[Question, list[Key]] = {}
    for key, question in questions(run.run).items():
        problems.setdefault(question, []).append(key)
    return problems


def _shares_right(run: AnalyzedRun) -> dict[Question, float]:
    """Of each problem's samples that have a verdict, the share that is right."""
    asked = questions(run.run)
    problems: dict[Question, list[bool]] = {}
    for key, right in verdicts(run.run).items():
        problems.setdefault(asked[key], []).append(right)
    return {problem: fmean(rights) for problem, rights in problems.items()}


def _finished(run: AnalyzedRun, problems: Iterable[Question]) -> dict[Question, list[Key]]:
    samples, trajectories = _samples(run), run.run.trajectories
    return {it: [key for key in samples[it] if not failed(trajectories[key])] for it in problems}


def _tokens(run: AnalyzedRun, problems: Iterable[Question]) -> dict[Role, Tokens]:
    samples, trajectories = _samples(run), run.run.trajectories
    return token_totals(trajectories[key] for it in problems for key in samples[it])


def _flops(run: AnalyzedRun, problems: Iterable[list[Key]]) -> Flops:
    """The sum over problems of what one of its samples costs on average."""
    counts, speculation = run.run.manifest.parameters, speculation_cost(run.run.manifest)
    each = [
        flops(total(run.folds[key] for key in keys), counts, speculation) / len(keys)
        for keys in problems
    ]
    return Flops(_sum([it.prm_once for it in each]), _sum([it.prm_per_step for it in each]))


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
