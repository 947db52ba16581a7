"""A calibration as plain text, at most 100 columns wide."""

from __future__ import annotations

from math import inf
from textwrap import fill

from rsd.analysis.calibration.budget import Budget
from rsd.analysis.calibration.result import Calibration
from rsd.analysis.calibration.separation import Auc
from rsd.analysis.tables.block import Block
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import delta
from rsd.analysis.tables.text import render_block
from rsd.errors import printable
from rsd.shares import rounded_percent

WIDTH = 100
SHARE, RIGHT = "steps by target %\n[95% interval]", "right %\n[95% interval]"


def render_calibration(it: Calibration) -> str:
    """The tables of `it`, warnings first, without a final newline; printable, whatever the runs
    are named."""
    head = (
        f"{it.run}: {it.strategy}, {it.problems:,} problems, {it.steps:,} draft steps with a reward"
    )
    sentences = [*(f"Warning: {warning}" for warning in it.warnings), _recommended(it.budget)]
    paragraphs = [
        fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) for text in sentences
    ]
    blocks = [_thresholds(it), _rewards(it), _reliability(it), _hindsight(it), _checks(it)]
    shown = [block for block in blocks if block.rows or (block is blocks[-1] and it.not_checked)]
    tables = [render_block(block, WIDTH) for block in shown]
    return printable("\n\n".join([head, *paragraphs, *tables]), keep="\n")


def _recommended(it: Budget) -> str:
    if it.threshold == inf:
        return f"For {percent(it.target_share)} of the steps by the target: the target alone."
    low, high = (delta(bound) for bound in it.ci95)
    text = (
        f"For at most {percent(it.target_share, 1)} of the steps by the target: "
        f"decoding.threshold={it.threshold!r} [95% interval {low}, {high}]; "
        f"{percent(it.share, 1)} of the recorded draft steps lie below it."
    )
    if it.target_share - it.share > 0.02:
        text += (
            f" The next larger threshold that makes a difference sends {percent(it.next_share, 1)}."
        )
    return text


def _thresholds(it: Calibration) -> Block:
    rows = []
    for at in it.thresholds:
        marks = [
            name
            for name, threshold in (("run", it.threshold), ("budget", it.budget.threshold))
            if at.threshold == threshold
        ]
        low, high = at.ci95 or (None, None)
        rows.append(
            {
                "δ": delta(at.threshold) + (f" ({', '.join(marks)})" if marks else ""),
                SHARE: accuracy(at.target_share, at.target_share_ci95),
                "solutions\nunchanged": f"{at.unchanged:,}",
                "of these\nright": percent(at.accuracy_unchanged, 1),
                "accuracy\nlies in": _range(at.accuracy_least, at.accuracy_most),
                "with sampling\nerror": _range(low, high),
            }
        )
    notes = (
        f"Of {it.thresholds[0].solutions:,} solutions with a verdict. A solution is unchanged if "
        "no kept step falls below δ and no rejected one reaches it, unless the target wrote the "
        "same step. The bounds count all other solutions as wrong, or as right: their text at "
        "this δ was never written.",
        "The share counts all recorded draft steps, also those after a change. It is exact at "
        "the run's own δ and drifts away from it. Run the chosen δ and calibrate again.",
    )
    return Block.of("Other thresholds, from what is recorded", rows, notes, left=("δ", SHARE))


def _rewards(it: Calibration) -> Block:
    rows = [
        {
            "draft steps": group.name,
            "steps": f"{group.steps:,}",
            **{f"{float(q):.0%}": f"{value:.3f}" for q, value in group.quantiles.items()},
        }
        for group in it.rewards
    ]
    note = (
        f"AUC of kept steps: {_auc(it.auc_steps)}; of solutions, by their lowest kept reward: "
        f"{_auc(it.auc_solutions)}. Intervals are clustered by problem. A replaced step led to "
        "no answer, so it counts in neither."
    )
    title = "Quantiles of the rewards, by the answer of the solution"
    return Block.of(title, rows, (note,), left=("draft steps",))


def _reliability(it: Calibration) -> Block:
    rows = [
        {
            "reward": f"{bin.low:.4f} to {bin.high:.4f}",
            "steps": f"{bin.steps:,}",
            "problems": f"{bin.problems:,}",
            "mean\nreward": f"{bin.mean_reward:.4f}",
            RIGHT: accuracy(bin.share_right, bin.ci95),
        }
        for bin in it.reliability
    ]
    note = "Kept draft steps, in bins of about equal size; right means that the solution is."
    title = "Reliability: how often the answer was right"
    return Block.of(title, rows, (note,), left=("reward", RIGHT))


def _hindsight(it: Calibration) -> Block:
    rows = [
        {
            "δ": delta(at.threshold),
            "rejected, but the target's\nstep is no better": percent(at.wasted, 1),
            "kept, but the target's\nstep is better": percent(at.mistaken, 1),
        }
        for at in it.thresholds
        if at.wasted is not None or at.mistaken is not None
    ]
    note = "The steps of both models were scored (oracle). Better means a higher reward."
    return Block.of("Verdicts in hindsight", rows, (note,), left=("δ",))


def _checks(it: Calibration) -> Block:
    rows = [
        {
            "δ": delta(made.threshold),
            "run": f"{made.run} ({', '.join(made.lacking)})" if made.lacking else made.run,
            "by target\npredicted": percent(made.predicted_target_share, 1),
            "by target\nmeasured": percent(made.target_share, 1),
            "accuracy\npredicted": _range(made.accuracy_least, made.accuracy_most),
            "accuracy\nmeasured": percent(made.accuracy, 1),
            "unchanged: same\ntext / verdict": (
                f"{made.same_response} / {made.same_verdict} of {made.unchanged}"
            ),
        }
        for made in it.checks
    ]
    notes = ["Predicted from the first run, measured by the others, over the solutions of both."]
    failed = [f"{made.failed:,} (δ={delta(made.threshold)})" for made in it.checks if made.failed]
    if failed:
        notes.append(
            f"Solutions left out as they failed in one of the two runs: {', '.join(failed)}."
        )
    notes += [
        f"{name} is not checked, as it differs in {', '.join(keys)}."
        for name, keys in it.not_checked.items()
    ]
    return Block.of("The predictions checked", rows, notes, left=("δ", "run"))


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return UNKNOWN
    return f"{rounded_percent(low, 1)} to {rounded_percent(high, 1)}%"


def _auc(it: Auc | None) -> str:
    if it is None:
        return "unknown"
    low, high = it.ci95
    return f"{it.value:.3f} [{low:.3f}, {high:.3f}] ({it.right:,} right, {it.wrong:,} wrong)"
