"""Two runs over the same problems, compared pair by pair."""

from __future__ import annotations

from dataclasses import dataclass

from rsd.analysis.folds import Flops, flops, total
from rsd.analysis.metrics import AnalyzedRun, Tokens, token_totals
from rsd.analysis.outcomes import failed, verdicts
from rsd.analysis.statistics import Interval, bootstrap_difference, mcnemar_exact
from rsd.records import Key
from rsd.types import Role


@dataclass(frozen=True, slots=True)
class Comparison:
    """`first` against `second`, over the problems that both have.

    `pairs` have a verdict in both runs and make `difference`, the accuracy of `first` minus that
    of `second`, in [-1, 1], with its bootstrap interval, and `p_value`, the exact McNemar test.
    All are None without pairs. `unpaired` problems are in one run only. `flops_ratio` is first /
    second over `finished`, the problems that failed in neither; tokens are over all common ones.
    """

    first: AnalyzedRun
    second: AnalyzedRun
    pairs: int
    unpaired: int
    only_first_right: int
    only_second_right: int
    difference: float | None
    ci95: Interval | None
    p_value: float | None
    finished: int
    flops_ratio: Flops
    tokens_first: dict[Role, Tokens]
    tokens_second: dict[Role, Tokens]


def compare(first: AnalyzedRun, second: AnalyzedRun) -> Comparison:
    """Compare two runs over the (task, problem, sample) keys that they share."""
    ours, theirs = first.run.trajectories, second.run.trajectories
    common = [key for key in ours if key in theirs]
    verdicts_first, verdicts_second = verdicts(first.run), verdicts(second.run)
    paired = [key for key in common if key in verdicts_first and key in verdicts_second]
    a = [verdicts_first[key] for key in paired]
    b = [verdicts_second[key] for key in paired]
    finished = [key for key in common if not (failed(ours[key]) or failed(theirs[key]))]
    return Comparison(
        first=first,
        second=second,
        pairs=len(paired),
        unpaired=len(ours.keys() ^ theirs.keys()),
        only_first_right=sum(x and not y for x, y in zip(a, b, strict=True)),
        only_second_right=sum(y and not x for x, y in zip(a, b, strict=True)),
        difference=(sum(a) - sum(b)) / len(paired) if paired else None,
        ci95=bootstrap_difference(a, b) if paired else None,
        p_value=mcnemar_exact(a, b) if paired else None,
        finished=len(finished),
        flops_ratio=_flops(first, finished) / _flops(second, finished),
        tokens_first=token_totals(ours[key] for key in common),
        tokens_second=token_totals(theirs[key] for key in common),
    )


def target_only(run: AnalyzedRun, others: list[AnalyzedRun]) -> AnalyzedRun | None:
    """The first of `others` that decoded every problem of `run` with the same target alone."""
    model = run.run.config.models.target.model
    for other in others:
        config = other.run.config
        if (
            config.decoding.strategy == "target"
            and config.models.target.model == model
            and run.run.trajectories.keys() <= other.run.trajectories.keys()
        ):
            return other
    return None


def _flops(run: AnalyzedRun, keys: list[Key]) -> Flops:
    return flops(total(run.folds[key] for key in keys), run.run.manifest.parameters)
