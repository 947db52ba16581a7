"""A run compared with the paper's figures: `rsd report --paper`.

A run of the profile `paper` is compared as the published program's patience cuts it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, outcome, outcome_paper
from rsd.analysis.paper.figures import after_patience
from rsd.analysis.paper.published import Figure, Published, Row, row_of
from rsd.analysis.statistics.intervals import Interval, wilson_interval
from rsd.records import GradeRecord, RunRecord, TrajectoryRecord

Tally = tuple[int, int]
"""(right, n): how many of n solutions are right."""


@dataclass(frozen=True, slots=True)
class SetComparison:
    """One set: `right` of `n` solutions by the paper's grader, and the published figure.

    A run over the whole set has `whole` solutions. `default` is the tally by the default grader,
    None where it can grade no gold answer.
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
    """A run and its published row, over the sets that both have. The run lacks the sets `absent`.
    Patience cut `cut` solutions; None if the run's profile has no patience."""

    run: AnalyzedRun
    row: Row
    sets: tuple[SetComparison, ...]
    absent: tuple[str, ...]
    cut: int | None


def compare_with_paper(run: AnalyzedRun, published: Published) -> PaperComparison | None:
    """Compare `run` with its published row; None if there is none."""
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


def _tallies(
    run: RunRecord, verdict: Callable[[TrajectoryRecord, GradeRecord | None], Outcome]
) -> dict[str, Tally]:
    """The tally of each task that has verdicts, by the grader of `verdict`."""
    tallies: dict[str, Tally] = {}
    for key, trajectory in run.trajectories.items():
        it = verdict(trajectory, run.grades.get(key))
        if it.counts:
            right, n = tallies.get(trajectory.task, (0, 0))
            tallies[trajectory.task] = (right + (it is Outcome.RIGHT), n + 1)
    return tallies
