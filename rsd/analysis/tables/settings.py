"""Notes on settings that a run's results show to be off: limits that cut solutions, and rules that
decided nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.summary import Summary
from rsd.analysis.tables.cells import percent
from rsd.analysis.tables.labels import JUDGING, delta
from rsd.config import DecodingConfig
from rsd.records import StepRecord
from rsd.types import StopReason

CUT_SHOWN = 0.01
"""The share of cut solutions, in [0, 1], above which a note tells of them."""

_CUT_BY = {
    StopReason.MAX_TOKENS: "at max_tokens",
    StopReason.MAX_STEPS: "at max_steps",
    StopReason.CONTEXT: "at the end of a model's context",
    StopReason.REPETITION: "in a loop of equal steps",
}


def settings_in_doubt(run: AnalyzedRun, label: str) -> list[str]:
    """All notes of this module on `run`, which they call `label`."""
    return [*cut_short(run.metrics.overall, label), *verdicts_alike(run, label)]


def cut_short(summary: Summary, label: str) -> list[str]:
    """One note on the solutions that a rule ended, where they are more than `CUT_SHOWN`."""
    total = sum(summary.cut.values())
    if total <= CUT_SHOWN:
        return []
    by_rule = [
        f"{percent(summary.cut[rule], 1)} {where}"
        for rule, where in _CUT_BY.items()
        if summary.cut.get(rule)
    ]
    return [
        f"{label}: {percent(total, 1)} of the solutions were cut before the model ended them: "
        f"{', '.join(by_rule)}."
    ]


def verdicts_alike(run: AnalyzedRun, label: str) -> list[str]:
    """One note where the strategy's rule kept all draft steps, or none, although its settings leave
    room for both, so that the run tells nothing of the rule. It names what a threshold was compared
    with, if it lies outside."""
    rate, decoding = run.metrics.overall.acceptance_rate, run.run.config.decoding
    if rate not in (0.0, 1.0) or not _can_go_both_ways(decoding):
        return []
    became = "kept" if rate else "rejected"
    threshold, seen = decoding.threshold, list(_compared(run))
    why = ""
    if seen and not min(seen) <= threshold <= max(seen):
        where = "above" if threshold > max(seen) else "below"
        what = "mean log-probability" if decoding.strategy == "confidence" else "reward"
        extremes = f"{min(seen):.3g} to {max(seen):.3g}"
        why = f"threshold {delta(threshold)} is {where} every {what} seen ({extremes}): "
    return [f"{label}: {why}all draft steps were {became}."]


def _can_go_both_ways(it: DecodingConfig) -> bool:
    """Whether the rule of the strategy is neither absent nor set to one verdict on purpose."""
    if it.strategy not in JUDGING:
        return False
    if it.strategy == "random" or (it.weighting == "constant" and it.strategy in _WEIGHED):
        return 0 < it.probability < 1
    return math.isfinite(it.threshold)


def _compared(run: AnalyzedRun) -> Iterator[float]:
    """What the threshold was compared with, for each draft step; nothing where it was not."""
    decoding = run.run.config.decoding
    weighed = decoding.strategy in _WEIGHED and decoding.weighting == "step"
    if not weighed and decoding.strategy not in ("guided", "confidence"):
        return
    for trajectory in run.run.trajectories.values():
        for step in trajectory.steps:
            if step.source == "draft" and (value := _compared_of(step, decoding)) is not None:
                yield value


def _compared_of(step: StepRecord, decoding: DecodingConfig) -> float | None:
    if decoding.strategy == "confidence":
        return None if step.logprob is None else step.logprob / step.tokens
    if decoding.strategy != "guided" or step.reward is None:
        return step.reward
    if step.likelihood is None or step.logprob is None:
        return None
    return step.reward + (step.likelihood - step.logprob) / decoding.tilt


_WEIGHED = ("rsd", "oracle")
"""Strategies whose verdicts `decoding.weighting` gives."""
