"""The lines of `trajectories.jsonl`, `grades.jsonl` and `grades_cut.jsonl`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rsd.kinds import AnswerKind, kind_of
from rsd.types import Role, Source, Step, StopReason, Trajectory, Usage

Key = tuple[str, str, int]
"""(task, problem_id, sample): identifies a trajectory and its grade."""

FAILED = "error"
"""`GradeRecord.how` of a solution whose decoding failed."""

UNDECIDED = ("timeout", "crash")
"""`GradeRecord.how` of a solution whose grading was cut off: the worker took too long, or died."""


class Record(BaseModel):
    """Unknown fields are ignored, so that an older rsd can read a newer run."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class StepRecord(Record):
    """One candidate step: `rsd.types.Step` in flat columns.

    `tokens` were generated after a prompt of `prompt_tokens`, of which `cached_tokens` came from
    the prefix cache; `wasted_tokens` were drafted ahead and discarded. The model of `score_role`
    read `score_tokens` to score the step, of which `score_step_tokens` belong to the step itself;
    `score_extra_tokens` were read for the rewards of earlier steps. `logprob` is the writer's
    log-probability, `likelihood` the target's, which read `likelihood_tokens`. `paper_tokens` is
    the paper's count of `tokens` (profile `paper` only). `*from_cache`: answered by the step
    cache, with the token counts of the original request.
    """

    index: int
    source: Source
    text: str
    reward: float | None = None
    accepted: bool
    candidate: int = 0
    tokens: int
    prompt_tokens: int
    cached_tokens: int = 0
    wasted_tokens: int = 0
    seconds: float
    started_at: float
    score_seconds: float | None = None
    score_started_at: float | None = None
    score_tokens: int = 0
    score_step_tokens: int = 0
    score_cached_tokens: int = 0
    score_role: Role = "prm"
    score_extra_tokens: int = 0
    paper_tokens: int | None = None
    continues: int | None = None
    logprob: float | None = None
    likelihood: float | None = None
    likelihood_tokens: int = 0
    likelihood_seconds: float | None = None
    likelihood_started_at: float | None = None
    from_cache: bool = False
    score_from_cache: bool = False
    likelihood_from_cache: bool = False

    @classmethod
    def of(cls, step: Step) -> StepRecord:
        usage, score, likelihood = step.completion.usage, step.score, step.likelihood
        return cls(
            index=step.index,
            source=step.source,
            text=step.text,
            reward=step.reward,
            accepted=step.accepted,
            candidate=step.candidate,
            tokens=usage.completion_tokens,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            wasted_tokens=usage.wasted_tokens,
            seconds=step.completion.seconds,
            started_at=step.completion.started_at,
            score_seconds=score.seconds if score else None,
            score_started_at=score.started_at if score else None,
            score_tokens=score.usage.prompt_tokens - score.extra_tokens if score else 0,
            score_step_tokens=score.step_tokens if score else 0,
            score_cached_tokens=score.usage.cached_tokens if score else 0,
            score_role=score.role if score else "prm",
            score_extra_tokens=score.extra_tokens if score else 0,
            paper_tokens=step.paper_tokens,
            continues=step.continues,
            logprob=step.completion.logprob,
            likelihood=likelihood.logprob if likelihood else None,
            likelihood_tokens=likelihood.usage.prompt_tokens if likelihood else 0,
            likelihood_seconds=likelihood.seconds if likelihood else None,
            likelihood_started_at=likelihood.started_at if likelihood else None,
            from_cache=step.completion.from_cache,
            score_from_cache=score is not None and score.from_cache,
            likelihood_from_cache=likelihood is not None and likelihood.from_cache,
        )


class TrajectoryRecord(Record):
    """One sample of one problem, finished or failed. `usage` is the sum over `steps`, for each
    model that was asked; `retries` and `lost_seconds` are as in `rsd.types.Trajectory`."""

    task: str
    problem_id: str
    sample: int = 0
    level: str | None = None
    question: str
    gold: str
    choices: tuple[str, ...] = ()
    kind: AnswerKind = Field(default_factory=lambda earlier: kind_of(earlier["task"]))
    response: str
    stop_reason: StopReason
    steps: tuple[StepRecord, ...]
    usage: dict[Role, Usage]
    started_at: float
    seconds: float
    error: str | None = None
    retries: int = 0
    lost_seconds: float = 0.0

    @property
    def key(self) -> Key:
        return (self.task, self.problem_id, self.sample)

    def against(self, grade: GradeRecord | None) -> TrajectoryRecord:
        """This record with the gold answer and choices of `grade`. They differ from those of the
        run if the benchmark was corrected after it."""
        if grade is None or grade.gold is None:
            return self
        return self.model_copy(update={"gold": grade.gold, "choices": grade.choices})

    @classmethod
    def of(cls, trajectory: Trajectory) -> TrajectoryRecord:
        problem = trajectory.problem
        return cls(
            task=problem.task,
            problem_id=problem.problem_id,
            sample=trajectory.sample,
            level=problem.level,
            question=problem.question,
            gold=problem.gold,
            choices=problem.choices,
            kind=problem.kind,
            response=trajectory.response,
            stop_reason=trajectory.stop_reason,
            steps=tuple(StepRecord.of(step) for step in trajectory.steps),
            usage=usage_by_role(trajectory.steps),
            started_at=trajectory.started_at,
            seconds=trajectory.seconds,
            error=trajectory.error,
            retries=trajectory.retries,
            lost_seconds=trajectory.lost_seconds,
        )


class GradeRecord(Record):
    """The verdicts on one trajectory, as in `rsd.grading.Verdict`.

    `group`, with several samples of each problem, is the lowest sample with an equivalent answer;
    None without an answer. `gold`, `choices` and `kind` (of answer) are what it was graded
    against; `gold` is None in grades of older versions, which used those of the trajectory.
    """

    task: str
    problem_id: str
    sample: int = 0
    prediction: str | None
    correct: bool | None
    correct_paper: bool
    how: str
    how_paper: str | None = None
    group: int | None = None
    gold: str | None = None
    choices: tuple[str, ...] = ()
    kind: str | None = None

    @property
    def key(self) -> Key:
        return (self.task, self.problem_id, self.sample)

    @property
    def undecided(self) -> bool:
        """Whether grading was cut off before the default verdict, which counts as wrong."""
        return self.how in UNDECIDED

    @property
    def undecided_paper(self) -> bool:
        """Whether grading was cut off before the `paper` verdict, which counts as wrong."""
        return self.how_paper is not None

    def keeping(self, earlier: GradeRecord | None) -> Self:
        """This record, with the verdicts of `earlier`, an older grade of the same trajectory, where
        grading was cut off: that takes no verdict back."""
        if earlier is None or self.prediction not in (None, earlier.prediction):
            return self
        kept: dict[str, object] = {}
        if self.undecided and not earlier.undecided:
            kept |= {name: getattr(earlier, name) for name in ("prediction", "correct", "how")}
        if self.undecided_paper and not earlier.undecided_paper:
            kept |= {"correct_paper": earlier.correct_paper, "how_paper": None}
        return self.model_copy(update=kept)


class CutGradeRecord(GradeRecord):
    """The verdicts on a solution that patience cuts to its first `steps` kept steps."""

    steps: int


def usage_by_role(steps: tuple[Step, ...]) -> dict[Role, Usage]:
    """Sum the usage of `steps` for each model that served at least one request."""
    totals: dict[Role, Usage] = {}
    for step in steps:
        totals[step.source] = totals.get(step.source, Usage()) + step.completion.usage
        if step.score is not None:
            role = step.score.role
            totals[role] = totals.get(role, Usage()) + step.score.usage
        if step.likelihood is not None:
            totals["target"] = totals.get("target", Usage()) + step.likelihood.usage
    return totals
