"""A calibration as plain text, at most 100 columns wide."""

from __future__ import annotations

from math import inf
from textwrap import fill

from rsd.analysis.calibration.budget import Budget
from rsd.analysis.calibration.result import Calibration
from rsd.analysis.calibration.separation import QUANTILES, Auc
from rsd.analysis.tables.block import Block, Column
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import delta
from rsd.analysis.tables.text import render_block
from rsd.errors import printable
from rsd.shares import rounded_percent

WIDTH = 100


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
    blocks = [_thresholds(it), _rewards(it), *_reliability(it), *_hindsight(it), *_checks(it)]
    tables = [render_block(block, WIDTH) for block in blocks]
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
    marks = {it.threshold: "run", it.budget.threshold: "budget"}
    if it.threshold == it.budget.threshold:
        marks = {it.threshold: "run, budget"}
    rows = [
        (
            delta(at.threshold) + (f" ({marks[at.threshold]})" if at.threshold in marks else ""),
            accuracy(at.target_share, at.target_share_ci95),
            f"{at.unchanged:,}",
            percent(at.accuracy_unchanged, 1),
            f"{percent(at.accuracy_least, 1)} to {percent(at.accuracy_most, 1)}",
            UNKNOWN
            if at.ci95 is None
            else "[{}, {}]".format(*(rounded_percent(bound, 1) for bound in at.ci95)),
        )
        for at in it.thresholds
    ]
    columns = (
        Column("δ", "left"),
        Column("steps by target %\n[95% interval]", "left"),
        Column("solutions\nunchanged"),
        Column("of these\nright"),
        Column("accuracy\nlies in"),
        Column("with sampling\nerror"),
    )
    notes = (
        f"Of {it.thresholds[0].solutions:,} solutions with a verdict. A solution is unchanged if "
        "no kept step falls below δ and no rejected one reaches it, unless the target wrote the "
        "same step. The bounds count all other solutions as wrong, or as right: their text at "
        "this δ was never written.",
        "The share counts all recorded draft steps, also those after a change. It is exact at "
        "the run's own δ and drifts away from it. Run the chosen δ and calibrate again.",
    )
    return Block("Other thresholds, from what is recorded", columns, rows, notes)


def _rewards(it: Calibration) -> Block:
    rows = [
        (group.name, f"{group.steps:,}", *(f"{value:.3f}" for value in group.quantiles.values()))
        for group in it.rewards
    ]
    columns = (
        Column("draft steps", "left"),
        Column("steps"),
        *(Column(f"{share:.0%}") for share in QUANTILES),
    )
    note = (
        f"AUC of kept steps: {_auc(it.auc_steps)}; of solutions, by their lowest kept reward: "
        f"{_auc(it.auc_solutions)}. Intervals are clustered by problem. A replaced step led to "
        "no answer, so it counts in neither."
    )
    return Block("Quantiles of the rewards, by the answer of the solution", columns, rows, (note,))


def _reliability(it: Calibration) -> list[Block]:
    rows = [
        (
            f"{bin.low:.4f} to {bin.high:.4f}",
            f"{bin.steps:,}",
            f"{bin.problems:,}",
            f"{bin.mean_reward:.4f}",
            accuracy(bin.share_right, bin.ci95),
        )
        for bin in it.reliability
    ]
    columns = (
        Column("reward", "left"),
        Column("steps"),
        Column("problems"),
        Column("mean\nreward"),
        Column("right %\n[95% interval]", "left"),
    )
    note = "Kept draft steps, in bins of about equal size; right means that the solution is."
    block = Block("Reliability: how often the answer was right", columns, rows, (note,))
    return [block] if rows else []


def _hindsight(it: Calibration) -> list[Block]:
    rows = [
        (delta(at.threshold), percent(at.wasted, 1), percent(at.mistaken, 1))
        for at in it.thresholds
        if at.wasted is not None or at.mistaken is not None
    ]
    columns = (
        Column("δ", "left"),
        Column("rejected, but the target's\nstep is no better"),
        Column("kept, but the target's\nstep is better"),
    )
    note = "The steps of both models were scored (oracle). Better means a higher reward."
    return [Block("Verdicts in hindsight", columns, rows, (note,))] if rows else []


def _checks(it: Calibration) -> list[Block]:
    rows = [
        (
            delta(made.threshold),
            f"{made.run} ({', '.join(made.lacking)})" if made.lacking else made.run,
            percent(made.predicted_target_share, 1),
            percent(made.target_share, 1),
            f"{percent(made.accuracy_least, 1)} to {percent(made.accuracy_most, 1)}",
            percent(made.accuracy, 1),
            f"{made.same_response} / {made.same_verdict} of {made.unchanged}",
        )
        for made in it.checks
    ]
    columns = (
        Column("δ", "left"),
        Column("run", "left"),
        Column("by target\npredicted"),
        Column("by target\nmeasured"),
        Column("accuracy\npredicted"),
        Column("accuracy\nmeasured"),
        Column("unchanged: same\ntext / verdict"),
    )
    notes = ["Predicted from the first run, measured by the others, over the solutions of both."]
    failed = [f"{made.failed:,} (δ={delta(made.threshold)})" for made in it.checks if made.failed]
    if failed:
        notes.append(
            f"Solutions left out as they failed in one of the two runs: {', '.join(failed)}."
        )
    reasons: dict[str, list[str]] = {}
    for name, keys in it.not_checked.items():
        reasons.setdefault(", ".join(keys), []).append(name)
    notes += [
        f"Not checked, as they differ in {keys}: {', '.join(names)}."
        for keys, names in reasons.items()
    ]
    block = Block("The predictions checked", columns, rows, tuple(notes))
    return [block] if rows or it.not_checked else []


def _auc(it: Auc | None) -> str:
    if it is None:
        return "unknown"
    low, high = it.ci95
    return f"{it.value:.3f} [{low:.3f}, {high:.3f}] ({it.right:,} right, {it.wrong:,} wrong)"
