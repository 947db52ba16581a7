"""The lines of `trajectories.jsonl` and of the files of grades."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from rsd.kinds import AnswerKind, kind_of
from rsd.records.base import Record
from rsd.types import Problem, Role, Source, Step, StopReason, Trajectory, Usage

Key = tuple[str, str, int]
"""(task, problem_id, sample): what a trajectory and its grade are known by."""

FAILED = "error"
"""`GradeRecord.how` of a solution whose decoding failed."""

UNDECIDED = ("timeout", "crash")
"""`GradeRecord.how` of a solution whose grading was cut off: the worker took too long, or died."""


class StepRecord(Record):
    """One candidate step. `candidate` and `continues` are as in `rsd.types.Step`. `tokens` were
    generated after a prompt of `prompt_tokens`, of which `cached_tokens` came from the prefix
    cache, and `wasted_tokens` beside them, drafted ahead and discarded. A scored step was read by
    the model of `score_role` in an input of `score_tokens`, of which `score_step_tokens` belong to
    the step itself; `score_extra_tokens` were read for the rewards of earlier steps. `logprob` is
    its writer's log-probability, `likelihood` the target's, who read `likelihood_tokens` to tell
    it. `paper_tokens` are the paper's count of `tokens` (profile `paper` only). What is
    `from_cache` was answered by the step cache, with the tokens that the server counted when it
    was asked."""

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


class UsageRecord(Record):
    """`rsd.types.Usage` of one model over one trajectory."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    wasted_tokens: int = 0


class TrajectoryRecord(Record):
    """One sample of one problem, finished or failed. `retries` and `lost_seconds` are as in
    `rsd.types.Trajectory`."""

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
    usage: dict[Role, UsageRecord]
    started_at: float
    seconds: float
    error: str | None = None
    retries: int = 0
    lost_seconds: float = 0.0

    @property
    def key(self) -> Key:
        return (self.task, self.problem_id, self.sample)

    def against(self, grade: GradeRecord | None) -> TrajectoryRecord:
        """This record with the gold answer and the choices that `grade` was made against. They
        differ from those of the run when the benchmark was corrected after it."""
        if grade is None or grade.gold is None:
            return self
        return self.model_copy(update={"gold": grade.gold, "choices": grade.choices})

    @property
    def problem(self) -> Problem:
        return Problem(
            self.task,
            self.problem_id,
            self.question,
            self.gold,
            self.level,
            self.choices,
            self.kind,
        )

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
            usage={
                role: UsageRecord(**_fields(usage))
                for role, usage in usage_by_role(trajectory.steps).items()
            },
            started_at=trajectory.started_at,
            seconds=trajectory.seconds,
            error=trajectory.error,
            retries=trajectory.retries,
            lost_seconds=trajectory.lost_seconds,
        )


class GradeRecord(Record):
    """The verdicts on one trajectory, as in `rsd.grading.Verdict`. `correct` is None where the gold
    answer cannot be graded; `how` says what decided, or why nothing did; `how_paper` says why the
    `paper` verdict was not reached, and is None where it was. With several samples of each problem,
    `group` is the lowest sample of the same problem whose answer is equivalent; None without an
    answer. `gold`, `choices` and `kind` (of answer) are what it was graded against; before rsd
    noted them (`gold` None), those of the trajectory."""

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
        """Whether grading was cut off before the default verdict, which then counts as wrong."""
        return self.how in UNDECIDED

    @property
    def undecided_paper(self) -> bool:
        """Whether grading was cut off before the `paper` verdict, which then counts as wrong."""
        return self.how_paper is not None

    def keeping(self, earlier: GradeRecord | None) -> Self:
        """This record with the verdicts of `earlier`, an older grade of the same trajectory, in the
        place of those that it did not reach: no grading that was cut off takes a verdict back."""
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


def _fields(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in UsageRecord.model_fields}
