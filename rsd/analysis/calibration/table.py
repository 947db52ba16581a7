"""A calibration as plain text, at most 100 columns wide."""

from __future__ import annotations

from math import inf
from textwrap import fill

from rsd.analysis.calibration.budget import Budget
from rsd.analysis.calibration.result import Calibration
from rsd.analysis.calibration.separation import EDGES, Auc
from rsd.analysis.tables.block import Block, Column
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent
from rsd.analysis.tables.labels import delta
from rsd.analysis.tables.text import render_block
from rsd.errors import printable
from rsd.shares import rounded_percent

WIDTH = 100
BARS = " ▁▂▃▄▅▆▇█"


def render_calibration(it: Calibration) -> str:
    """The blocks of `it` one below the other, warnings first, without a final newline;
    printable, whatever the runs are named."""
    head = (
        f"{it.run}: {it.strategy}, {it.problems:,} problems, {it.steps:,} draft steps with a reward"
    )
    parts = [head, *(_paragraph(f"Warning: {warning}") for warning in it.warnings)]
    parts.append(_paragraph(_recommended(it.budget)))
    blocks = [_thresholds(it), _rewards(it), *_reliability(it), *_hindsight(it), *_checks(it)]
    parts += [render_block(block, WIDTH) for block in blocks]
    return printable("\n\n".join(parts), keep="\n")


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
            for name, value in (("run", it.threshold), ("budget", it.budget.threshold))
            if at.threshold == value
        ]
        rows.append(
            (
                delta(at.threshold) + (f" ({', '.join(marks)})" if marks else ""),
                accuracy(at.target_share, at.target_share_ci95),
                f"{at.unchanged:,}",
                percent(at.accuracy_unchanged, 1),
                f"{percent(at.accuracy_least, 1)} to {percent(at.accuracy_most, 1)}",
                accuracy_range(at.ci95),
                percent(at.first_change),
            )
        )
    return Block(
        "Other thresholds, from what is recorded",
        (
            Column("δ", "left"),
            Column("steps by target %\n[95% interval]", "left"),
            Column("solutions\nunchanged"),
            Column("of these\nright"),
            Column("accuracy\nlies in"),
            Column("with sampling\nerror"),
            Column("first\nchange"),
        ),
        rows,
        (
            f"Of {it.thresholds[0].solutions:,} solutions with a verdict. One is unchanged if no "
            "kept step falls below δ and no rejected one reaches it, but where the target wrote "
            "the same step. The bounds take all others as wrong, or as right: what they would be "
            "is not recorded. First change: after which share of the steps of a changed solution, "
            "median.",
            "The share counts all recorded draft steps, also those after a change; it is exact at "
            "the run's own δ and drifts away from it. Run the chosen δ and calibrate again.",
        ),
    )


def accuracy_range(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return UNKNOWN
    return "[{}, {}]".format(*(rounded_percent(bound, 1) for bound in interval))


def _rewards(it: Calibration) -> Block:
    rows = []
    for group in it.rewards:
        cells = (f"{value:.3f}" for value in group.quantiles.values())
        rows.append((group.name, f"{group.steps:,}", *cells, _bars(group.histogram)))
    shares = [f"{float(q):.0%}" for q in (it.rewards[0].quantiles if it.rewards else ())]
    return Block(
        "Rewards of draft steps, by the answer that the solution came to",
        (
            Column("draft steps", "left"),
            Column("steps"),
            *(Column(share) for share in shares),
            Column(f"{EDGES[0]:g} to {EDGES[-1]:g}", "left"),
        ),
        rows,
        (
            f"AUC of kept steps: {_auc(it.auc_steps)}; of solutions, by their lowest kept reward: "
            f"{_auc(it.auc_solutions)}. Intervals are clustered by problem. A replaced step led to "
            "no answer, so it counts in neither.",
        ),
    )


def _reliability(it: Calibration) -> list[Block]:
    found = it.reliability
    if found is None:
        return []
    rows = [
        (
            f"{bin.low:.4f} to {bin.high:.4f}",
            f"{bin.steps:,}",
            f"{bin.problems:,}",
            f"{bin.mean_reward:.4f}",
            accuracy(bin.share_right, bin.ci95),
        )
        for bin in found.bins
    ]
    notes = ["Kept draft steps, in bins of about equal size; right is the solution's answer."]
    if found.brier is not None and found.brier_constant is not None and found.ece is not None:
        notes.append(
            f"Brier score {found.brier:.3f} (always saying the mean: {found.brier_constant:.3f}); "
            f"expected calibration error {found.ece:.3f}."
        )
    columns = (
        Column("reward", "left"),
        Column("steps"),
        Column("problems"),
        Column("mean\nreward"),
        Column("right %\n[95% interval]", "left"),
    )
    return [Block("Reliability: how often a reward came true", columns, rows, tuple(notes))]


def _hindsight(it: Calibration) -> list[Block]:
    rows = [
        (delta(at.threshold), percent(at.wasted, 1), percent(at.mistaken, 1)) for at in it.hindsight
    ]
    columns = (
        Column("δ", "left"),
        Column("rejected, but the target's\nstep is no better"),
        Column("kept, but the target's\nstep is better"),
    )
    note = "Both models' steps were scored (oracle): the reward model's judgement of its verdicts."
    return [Block("Verdicts in hindsight", columns, rows, (note,))][: len(rows)]


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
    notes = [
        "Predicted from the first run alone, measured by the others, over the solutions of both."
    ]
    if failed := [
        f"{made.failed:,} (δ={delta(made.threshold)})" for made in it.checks if made.failed
    ]:
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


def _bars(histogram: list[int]) -> str:
    most = max(histogram)
    # Whatever is there shows: the lowest bar is for one step, the full one for the most.
    return "".join(BARS[-(-count * 8 // most)] if most else BARS[0] for count in histogram)


def _paragraph(text: str) -> str:
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
