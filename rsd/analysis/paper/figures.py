"""A run of the profile `paper` as the published program would have counted it: with solutions cut
by its patience rule, and with the tokens of each step encoded again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pydantic import BaseModel

from rsd.analysis.outcomes import failed, outcome, outcome_paper, share_right
from rsd.costs import share
from rsd.patience import cut, cuts
from rsd.records import GradeRecord, Key, RunRecord, TrajectoryRecord


class PaperTokens(BaseModel):
    """Tokens of the steps of finished solutions, each step with its separator encoded again by
    the tokenizer of the model that wrote it: the paper's count, not the servers'."""

    draft_kept: int
    draft_rejected: int
    target: int
    acceptance_rate: float | None  # share of draft tokens kept, as the paper has it

    @classmethod
    def of(cls, trajectories: Iterable[TrajectoryRecord]) -> PaperTokens:
        steps = [step for t in trajectories if not failed(t) for step in t.steps]
        counts = [(step.source, step.accepted, step.paper_tokens or 0) for step in steps]
        kept = sum(n for source, accepted, n in counts if source == "draft" and accepted)
        rejected = sum(n for source, accepted, n in counts if source == "draft" and not accepted)
        return cls(
            draft_kept=kept,
            draft_rejected=rejected,
            target=sum(n for source, _, n in counts if source == "target"),
            acceptance_rate=share(kept, rejected),
        )


class PaperFigures(BaseModel):
    """What the published program would report of a set of problems. Accuracies are in [0, 1]."""

    cut: int  # solutions that patience cuts
    ungraded: int  # of these, not graded as cut yet; not in the accuracies
    accuracy: float | None  # with patience
    accuracy_paper: float | None  # with patience, by the published grader
    tokens: PaperTokens  # with patience
    tokens_without_patience: PaperTokens

    @classmethod
    def of(cls, run: RunRecord, patient: RunRecord, keys: Iterable[Key]) -> PaperFigures:
        """The figures of the problems `keys` of `run`; `patient` is `after_patience(run)`."""
        chosen = list(keys)
        whole = [run.trajectories[key] for key in chosen]
        left = [patient.trajectories[key] for key in chosen]
        shortened = [a for a, b in zip(left, whole, strict=True) if a is not b]
        graded = [(t, patient.grades.get(t.key)) for t in left]
        return cls(
            cut=len(shortened),
            ungraded=sum(t.key not in patient.grades for t in shortened),
            accuracy=share_right((pair[0].key, outcome(*pair)) for pair in graded),
            accuracy_paper=share_right((pair[0].key, outcome_paper(*pair)) for pair in graded),
            tokens=PaperTokens.of(left),
            tokens_without_patience=PaperTokens.of(whole),
        )


def after_patience(run: RunRecord) -> RunRecord:
    """`run` with the solutions that the patience rule cuts, and the grades of what is left of
    them; those not graded since have none. A run of another profile is returned as it is."""
    if run.config.decoding.profile != "paper":
        return run
    found = cuts(run.trajectories.values())
    shortened = {key: cut(run.trajectories[key], steps) for key, steps in found.items()}
    grades: dict[Key, GradeRecord] = {k: g for k, g in run.grades.items() if k not in found}
    for key, steps in found.items():
        grade = run.cut_grades.get(key)
        if grade is not None and grade.steps == steps:
            grades[key] = grade
    return replace(run, trajectories=run.trajectories | shortened, grades=grades)
