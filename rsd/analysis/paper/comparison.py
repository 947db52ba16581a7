"""A run beside the paper's figures: `rsd report --paper`.

A run of the profile `paper` is taken as the published program's patience leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, outcome, outcome_paper
from rsd.analysis.paper.published import AVERAGED, Figure, Published, Row, row_of, why_none
from rsd.analysis.patience import after_patience
from rsd.analysis.statistics.intervals import Interval, mean_interval, wilson_interval
from rsd.analysis.tables.accuracy import Block, Column, run_name
from rsd.analysis.tables.cells import UNKNOWN, accuracy, percent, signed
from rsd.records import GradeRecord, RunRecord, TrajectoryRecord

TITLE = "Against the paper"

Tally = tuple[int, int]
"""(right, n): how many of n solutions are right."""


@dataclass(frozen=True, slots=True)
class SetComparison:
    """One set: `right` of `n` solutions under the paper's grader, and the published figure.

    `whole` is the `n` of a run over the whole set. `default` is the tally under the default
    grader, None where it can grade no gold answer.
    """

    task: str
    right: int
    n: int
    whole: int
    default: Tally | None
    figure: Figure

    @property
    def accuracy_default(self) -> float | None:
        """Under the default grader, in [0, 1]."""
        return self.default[0] / self.default[1] if self.default else None

    @property
    def accuracy(self) -> float:
        """Under the paper's grader, in [0, 1]."""
        return self.right / self.n

    @property
    def ci95(self) -> Interval:
        """The Wilson interval of `accuracy`."""
        return wilson_interval(self.right, self.n)

    @property
    def is_partial(self) -> bool:
        """Whether some of the set's problems have no verdict."""
        return self.n < self.whole


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """A run and its published row, over the sets that both have; `absent` the run lacks. Patience
    cut `cut` solutions; None if the run's profile has no patience."""

    run: AnalyzedRun
    row: Row
    sets: tuple[SetComparison, ...]
    absent: tuple[str, ...]
    cut: int | None

    @property
    def averaged(self) -> tuple[SetComparison, ...]:
        """The sets that make the average: those of the paper's six that the run has."""
        return tuple(it for it in self.sets if it.task in AVERAGED)


def compare_with_paper(run: AnalyzedRun, published: Published) -> PaperComparison | None:
    """Set `run` beside its published row; None if there is no such row."""
    row = row_of(run.run.config)
    if row is None or row not in published:
        return None
    figures, decoding = published[row], run.run.config.decoding
    patient = after_patience(run.run)
    ours, default = _tallies(patient, outcome_paper), _tallies(patient, outcome)
    sets = tuple(
        SetComparison(
            task, *ours[task], figure.problems * decoding.samples, default.get(task), figure
        )
        for task, figure in figures.items()
        if task in ours
    )
    whole = run.run.trajectories
    cut = sum(patient.trajectories[key] is not it for key, it in whole.items())
    return PaperComparison(
        run=run,
        row=row,
        sets=sets,
        absent=tuple(task for task in figures if task not in ours),
        cut=cut if decoding.profile == "paper" else None,
    )


def against_paper(runs: list[AnalyzedRun], published: Published) -> list[Block]:
    """A table for each run that has a published row, and one line for each that has none."""
    blocks, without = [], []
    for run in runs:
        comparison = compare_with_paper(run, published)
        if comparison is None:
            without.append(f"{run_name(run)}: {why_none(run.run.config, published)}.")
        else:
            blocks.append(_block(comparison))
    return [*blocks, Block(TITLE, (), (), tuple(without))] if without else blocks


def _tallies(
    run: RunRecord, verdict: Callable[[TrajectoryRecord, GradeRecord | None], Outcome]
) -> dict[str, Tally]:
    """The tally of each task, under the grader of `verdict`; tasks without any are left out."""
    tallies: dict[str, Tally] = {}
    for key, trajectory in run.trajectories.items():
        it = verdict(trajectory, run.grades.get(key))
        if it.counts:
            right, n = tallies.get(trajectory.task, (0, 0))
            tallies[trajectory.task] = (right + (it is Outcome.RIGHT), n + 1)
    return tallies


def _block(it: PaperComparison) -> Block:
    rows: list[tuple[str, ...]] = [
        (
            one.task,
            f"{one.n} of {one.whole}",
            percent(one.accuracy_default, 1),
            *_beside(one.accuracy, one.ci95, one.figure.accuracy),
        )
        for one in it.sets
    ]
    if it.averaged:
        rows.append(_average(it.averaged))
    return Block(
        f"{TITLE}: {run_name(it.run)}",
        (
            Column("set", "left"),
            Column("problems"),
            Column("default\ngrader"),
            Column("paper's grader %\n[95% interval]", "left"),
            Column("published"),
            Column("difference,\npoints"),
            Column("published\nin interval", "left"),
        ),
        rows,
        _notes(it),
    )


def _average(sets: tuple[SetComparison, ...]) -> tuple[str, ...]:
    default = [one.accuracy_default for one in sets if one.accuracy_default is not None]
    return (
        "average",
        f"{len(sets)} of {len(AVERAGED)} sets",
        percent(sum(default) / len(sets), 1) if len(default) == len(sets) else UNKNOWN,
        *_beside(
            sum(one.accuracy for one in sets) / len(sets),
            mean_interval([(one.right, one.n) for one in sets]),
            sum(one.figure.accuracy for one in sets) / len(sets),
        ),
    )


def _beside(ours: float, ci95: Interval, theirs: float) -> tuple[str, str, str, str]:
    low, high = ci95
    return (
        accuracy(ours, ci95),
        percent(theirs, 1),
        signed(ours - theirs),
        "yes" if low <= theirs <= high else "no",
    )


def _notes(it: PaperComparison) -> tuple[str, ...]:
    config, figures = it.run.run.config, [one.figure for one in it.sets]
    places = dict.fromkeys([*(f"arXiv {f.arxiv}" for f in figures), *(f.table for f in figures)])
    roles = it.run.run.manifest.models
    models = ", ".join(f"{role} {config.models.role(role).model}" for role in roles)
    notes = [
        f"Published ({', '.join(places)}): {it.row.way}, models {it.row.models} as "
        f"family/target/draft/PRM. This run: {models}.",
        "The difference is ours, by the paper's grader, minus theirs. The interval covers the "
        "chance of our n problems alone; the published figure is one run over the same set and has "
        "an error of its own, which is not in it. Inside is no proof of equality.",
    ]
    if it.averaged:
        notes.append(
            "The average is the unweighted mean of the sets listed that belong to the paper's "
            "six, and the published one is over the same sets; its interval takes them as "
            "independent."
        )
    if any(one.is_partial for one in it.sets):
        notes.append(
            "n of N, n < N: a part of the set was decoded and graded; its figure is not the set's. "
            "rsd grade grades what is not yet."
        )
    if errors := it.run.metrics.overall.errors:
        notes.append(
            f"{errors} solutions failed; both graders' figures count them as wrong, the default "
            "one's only those with a gradable gold answer."
        )
    if undecided := it.run.metrics.overall.undecided_paper:
        notes.append(
            f"On {undecided} solutions the paper's grader came to no verdict, as it timed out or "
            f"crashed; they count as wrong, and rsd grade tries again."
        )
    if it.absent:
        notes.append(f"Published, but not in this run: {', '.join(it.absent)}.")
    if config.decoding.profile != "paper":
        notes.append(
            "Decoded with the default profile, not the published program's "
            "(decoding.profile: paper; docs/paper-profile.md)."
        )
    if it.cut is not None:
        notes.append(f"Solutions are as the paper's patience leaves them; it cut {it.cut}.")
    if config.decoding.samples > 1:
        notes.append(
            "Samples of one problem count as independent here: the intervals are too narrow."
        )
    if it.row.method in ("rsd", "single") and config.decoding.temperature > 0:
        notes.append(
            f"Sampled at temperature {config.decoding.temperature:g}; the paper decodes greedily."
        )
    return tuple(notes)
