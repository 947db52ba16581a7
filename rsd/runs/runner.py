"""Decode many problems at once, each at its own pace, and store each when it is finished.

Concurrency lives here and nowhere else: a strategy decodes one problem and knows of no other,
so no answer depends on which problems run beside it. A problem that fails is a record with its
error. Only a store that cannot be written stops a run, and a server that serves another model.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import ParamSpec

from rsd.backends import Setbacks, noting, one_problem
from rsd.clock import unix_time
from rsd.decoding import recording
from rsd.decoding.seeds import derive
from rsd.errors import ContextError, GradingError, RsdError, ServerChangedError, StoreError, told
from rsd.grading import GraderPool, Options, Verdict
from rsd.prompts import render
from rsd.protocols import Strategy
from rsd.records import FAILED, GradeRecord, TrajectoryRecord
from rsd.runs.concurrency import Places
from rsd.runs.interruption import Interruption
from rsd.runs.store import RunStore
from rsd.types import Problem, Query, Step, StopReason, Trajectory

log = logging.getLogger(__name__)

P = ParamSpec("P")

Rollout = tuple[Problem, int]
"""A problem and the number of the sample, from 0."""

Join = Callable[[Iterable[str]], str]

OnStep = Callable[[Step], None]

OnGraded = Callable[[TrajectoryRecord, GradeRecord], None]


async def decode_all(
    rollouts: Iterable[Rollout],
    strategy: Strategy,
    store: RunStore,
    grader: GraderPool,
    *,
    template: str,
    join: Join,
    seed: int,
    places: Places,
    on_graded: OnGraded,
    interruption: Interruption | None = None,
) -> None:
    """Decode `rollouts`, as many at a time as there are `places`; store and grade each.

    `join` makes the response of the texts of the kept steps. An `interruption` ends it early.

    Cancelling it cancels the requests in flight and keeps all that is stored. What goes wrong with
    a problem becomes its error; without a grading worker it has no grade yet; what goes wrong in
    counting or showing is only logged. Raises `StoreError` and `ServerChangedError`.
    """

    async def solve(problem: Problem, sample: int) -> None:
        try:
            query = Query(
                prompt=render(template, problem.question),
                question=problem.question,
                seed=derive(seed, problem.task, problem.problem_id, sample),
                kind=problem.kind,
                choices=problem.choices,
            )
            count = _harmless(places.count)
            trajectory = await decode_one(problem, sample, query, strategy, join, count)
            record = TrajectoryRecord.of(trajectory)
            store.append(record)
        except (ServerChangedError, StoreError):
            raise
        except Exception as failure:  # no record can be made of it, or none that can be written
            record = TrajectoryRecord.of(_failed(problem, sample, failure))
            store.append(record)
        places.give_back()  # the next problem need not wait for the grade
        try:
            verdicts = await grade_record(grader, record)
        except GradingError as failure:  # no worker can be started now; whoever resumes tries again
            log.warning("%s/%s: not graded yet: %s", problem.task, problem.problem_id, failure)
            return
        store.append(verdicts)
        _harmless(on_graded)(record, verdicts)

    in_flight = interruption or Interruption()

    async def begin_all(group: asyncio.TaskGroup) -> None:
        for problem, sample in rollouts:
            await places.take()
            in_flight.add_to(group, solve(problem, sample))

    async with asyncio.TaskGroup() as group:
        in_flight.begin_in(group, begin_all(group))


def _name(problem: Problem, sample: int) -> str:
    """What a solution is known by to a router."""
    return f"{problem.task}/{problem.problem_id}/{sample}"


async def decode_one(
    problem: Problem,
    sample: int,
    query: Query,
    strategy: Strategy,
    join: Join,
    on_step: OnStep,
) -> Trajectory:
    """Collect the steps of one sample of a problem. An exception ends it as a failed trajectory,
    but for `ServerChangedError`, which passes, and a full context: a solution that has outgrown
    a model, as a reward model's input may before its writers' do, is as long as it can be.
    Candidates that the strategy no longer decided about are the last steps, as rejected ones."""
    steps: list[Step] = []
    error, ends = None, None
    started_at, clock = unix_time(), time.perf_counter()
    setbacks = Setbacks()
    try:
        with noting(setbacks), one_problem(_name(problem, sample)), recording() as candidates:
            async with aclosing(strategy.decode(query)) as decoding:  # type: ignore[type-var]
                async for step in decoding:
                    steps.append(step)
                    on_step(step)
    except ServerChangedError:
        raise
    except ContextError as failure:
        if any(step.accepted for step in steps):
            ends = StopReason.CONTEXT
        else:
            error = str(failure)
    except RsdError as failure:
        error = str(failure)
    except Exception as failure:  # a defect in a strategy costs its problem, not the run
        error = _defect(problem, failure)
    else:
        ends = steps[-1].ends if steps else None
        if ends is None:
            error = "the strategy stopped before the solution ended: its last step has no `ends`"
    return Trajectory(
        problem=problem,
        sample=sample,
        steps=(*steps, *candidates.discarded(steps)),
        response=join(step.text for step in steps if step.accepted),
        stop_reason=ends or StopReason.ERROR,
        started_at=started_at,
        seconds=time.perf_counter() - clock,
        error=error,
        retries=setbacks.retries,
        lost_seconds=setbacks.seconds,
    )


async def grade_record(grader: GraderPool, record: TrajectoryRecord) -> GradeRecord:
    """The verdicts on one trajectory, against the gold answer and the choices that it has; a
    failed one is wrong, with `how` FAILED, and one at which the grader itself fails is undecided.
    Raises `GradingError`."""
    against = {
        **dict(zip(("task", "problem_id", "sample"), record.key, strict=True)),
        "gold": record.gold,
        "choices": record.choices,
        "kind": record.kind,
    }
    if record.error is not None:
        return GradeRecord(
            **against,
            prediction=None,
            correct=False,
            correct_paper=False,
            how=FAILED,
        )
    options = Options(choices=record.choices)
    try:
        verdict = await grader.grade(
            record.response, record.gold, record.task, kind=record.kind, options=options
        )
    except GradingError:
        raise
    except Exception as failure:
        log.warning("%s/%s: the grader failed: %r", record.task, record.problem_id, failure)
        verdict = Verdict(None, False, False, how="crash", how_paper="crash")
    return GradeRecord(
        **against,
        prediction=verdict.prediction,
        correct=verdict.correct,
        correct_paper=verdict.correct_paper,
        how=verdict.how,
        how_paper=verdict.how_paper,
    )


def _harmless(tell: Callable[P, object]) -> Callable[P, None]:
    """`tell`, which counts or shows something, but whose failure is only logged."""

    def harmless(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            tell(*args, **kwargs)
        except Exception:
            log.debug("what is only shown or counted failed", exc_info=True)

    return harmless


def _failed(problem: Problem, sample: int, failure: Exception) -> Trajectory:
    """A trajectory that has nothing but its error."""
    error = _defect(problem, failure)
    return Trajectory(problem, sample, (), "", StopReason.ERROR, unix_time(), 0.0, error)


def _defect(problem: Problem, failure: Exception) -> str:
    """The text of an error that is not rsd's own; the log has where it was raised."""
    log.debug("problem %s/%s failed", problem.task, problem.problem_id, exc_info=failure)
    return told(failure)
