"""Every warning and footnote of the tables that depends on the results.

`about_run` gives the warnings that stand below the first table; the notes on speed follow.
Footnotes that explain a column stand where the column is defined.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.samples import Samples
from rsd.analysis.statistics.several_samples import MOST_VOTES
from rsd.analysis.summary import Summary
from rsd.analysis.tables.cells import percent
from rsd.analysis.tables.labels import delta, has_samples, labels
from rsd.config import DecodingConfig, strategy_facts
from rsd.records import StepRecord
from rsd.types import StopReason

UNCOUNTED = (
    "Not counted, because servers do not report them: tokens of requests that were cancelled, "
    "interrupted or retried, or whose answers were unusable."
)
UNDECIDED = (
    "Undecided: grading timed out or crashed; counts as wrong until rsd grade has retried it."
)

CUT_SHOWN = 0.01
"""Cut solutions are reported if their share, in [0, 1], is larger than this."""

_CUT_BY = {
    StopReason.MAX_TOKENS: "at max_tokens",
    StopReason.MAX_STEPS: "at max_steps",
    StopReason.CONTEXT: "at the end of a model's context",
    StopReason.REPETITION: "for repeating a step",
}


def about_run(run: AnalyzedRun, label: str) -> list[str]:
    """The warnings about one run, which they call `label`."""
    overall = run.metrics.overall
    warnings = [left_out(overall), cut_short(overall), one_verdict(run), hindsight(overall)]
    return [f"{label}: {it}" for it in warnings if it]


def about_mean(runs: list[AnalyzedRun]) -> list[str]:
    """What avg@k is; names the runs that it stands for, unless it is all of them."""
    named: dict[int, list[str]] = {}
    for run, label in zip(runs, labels(runs), strict=True):
        named.setdefault(run.run.config.decoding.samples, []).append(label)
    return [
        f"{', '.join(its) + ': ' if len(named) > 1 else ''}avg@{k} is the mean accuracy over {k} "
        "samples of each problem. Its interval is clustered by problem."
        for k, its in named.items()
        if k > 1
    ]


def failures(it: Summary) -> str:
    """How many solutions failed, which count as wrong, and the accuracy of the others."""
    return f"{it.errors} ({percent(it.accuracy_without_errors, 1)})" if it.errors else "0"


def left_out(it: Summary) -> str:
    """Which problems failed, are undecided, excluded from accuracy, or not yet run."""
    parts = []
    if it.errors:
        without = it.accuracy_without_errors
        apart = "" if without is None else f"; accuracy without them {percent(without, 1)}"
        unless = " unless ungradable" if it.ungradable else ""
        parts.append(f"{it.errors} failed (counted as wrong{unless}{apart})")
    for count, grader in ((it.undecided, ""), (it.undecided_paper, " by the paper's grader")):
        if count:
            why = "grading timed out or crashed (counted as wrong; rsd grade retries them)"
            parts.append(f"{count} undecided{grader}: {why}")
    if it.ungradable:
        parts.append(f"{it.ungradable} with an ungradable gold answer (excluded)")
    if it.ungraded:
        parts.append(f"{it.ungraded} not graded (excluded; run rsd grade)")
    if it.asked is not None and it.n < it.asked:
        pending = f"{it.asked - it.n} of {it.asked} not yet run"
        parts.append(f"{pending} (rerun the command to finish)")
    return f"{', '.join(parts)}." if parts else ""


def cut_short(it: Summary) -> str:
    """How many solutions a limit ended, if more than `CUT_SHOWN`."""
    total = sum(it.cut.values())
    if total <= CUT_SHOWN:
        return ""
    rules = [f"{percent(it.cut[r], 1)} {where}" for r, where in _CUT_BY.items() if it.cut.get(r)]
    return f"{percent(total, 1)} of solutions were cut off before their end: {', '.join(rules)}."


def hindsight(it: Summary) -> str:
    """How often a decision was wrong, where the rewards of both models' steps are known."""
    found = [
        f"{percent(share)} of {what}"
        for share, what in (
            (it.mistaken_acceptances, "the accepted draft steps were worse than the target's"),
            (it.wasted_regenerations, "the target's steps were no better than the draft's"),
        )
        if share is not None
    ]
    return f"by the rewards of both models' steps, {' and '.join(found)}." if found else ""


def one_verdict(run: AnalyzedRun) -> str:
    """That the rule accepted all draft steps, or none, although it could do both: such a run
    tests no rule. Names the range that the threshold lies outside of."""
    rate, decoding = run.metrics.overall.acceptance_rate, run.run.config.decoding
    if rate not in (0.0, 1.0) or not _decides(decoding):
        return ""
    threshold, values = decoding.threshold, list(_compared(run))
    why = ""
    if values and not min(values) <= threshold <= max(values):
        where = "above" if threshold > max(values) else "below"
        what = "mean log-probability" if decoding.strategy == "confidence" else "reward"
        seen = f"{min(values):.3g} to {max(values):.3g}"
        why = f"threshold {delta(threshold)} is {where} every {what} seen ({seen}): "
    return f"{why}all draft steps were {'accepted' if rate else 'rejected'}."


def _decides(it: DecodingConfig) -> bool:
    """Whether the strategy has a rule, and its settings allow both verdicts."""
    facts = strategy_facts(it.strategy)
    if not facts.judges_drafts:
        return False
    if it.strategy == "random" or (it.weighting == "constant" and facts.can_calibrate):
        return 0 < it.probability < 1
    return math.isfinite(it.threshold)


def _compared(run: AnalyzedRun) -> Iterator[float]:
    """The values of draft steps that were compared with the threshold, if any were."""
    decoding = run.run.config.decoding
    weighted = strategy_facts(decoding.strategy).can_calibrate and decoding.weighting == "step"
    if not weighted and decoding.strategy not in ("guided", "confidence"):
        return
    for trajectory in run.run.trajectories.values():
        for step in trajectory.steps:
            if step.source == "draft" and (value := _value(step, decoding)) is not None:
                yield value


def _value(step: StepRecord, decoding: DecodingConfig) -> float | None:
    if decoding.strategy == "confidence":
        return None if step.logprob is None else step.logprob / step.tokens
    if decoding.strategy != "guided" or step.reward is None:
        return step.reward
    if step.likelihood is None or step.logprob is None:
        return None
    return step.reward + (step.likelihood - step.logprob) / decoding.tilt


def about_speed(runs: list[AnalyzedRun]) -> list[str]:
    """What the figures of speed exclude."""
    summaries = [run.metrics.overall for run in runs]
    notes = [
        f"{label}: servers delayed {it.disturbed} problems, through {it.retries} retried requests "
        "or by being unavailable. Latency excludes these problems; problems and tokens per s "
        "include them."
        for it, label in zip(summaries, labels(runs), strict=True)
        if it.disturbed
    ]
    cached = sum(it.speed_void is not None for it in summaries)
    if cached:
        notes.append(
            f"No speed is given for {cached} of {len(runs)} runs: the step cache (run.cache) "
            "answered some of their requests."
        )
    return notes


def about_samples(run: AnalyzedRun, it: Samples, label: str) -> list[str]:
    """What the figures of several samples exclude."""
    notes = []
    problems = len({key[:2] for key in run.run.trajectories})
    if it.problems < problems:
        notes.append(
            f"only the {it.problems} of {problems} problems whose {it.n} samples are all decoded "
            "and graded."
        )
    if it.maj_at_k is None and it.n <= MOST_VOTES:
        notes.append("no majority vote, because answers are not grouped yet; run rsd grade.")
    return [f"{label}: {note}" for note in notes]


def about_rewards(it: Samples, label: str) -> list[str]:
    """How many samples best-of-k cannot rank."""
    if not it.best_of_k or not it.unrewarded:
        return []
    return [
        f"{label}: {it.unrewarded} of {it.n * it.problems} samples failed or have no accepted step "
        "with a reward; they rank last in best-of-k."
    ]


def each_sample(runs: list[AnalyzedRun]) -> list[str]:
    """How several samples of a problem count in tables per problem."""
    note = "With several samples per problem, each sample counts as a problem here."
    return [note] if has_samples(runs) else []
