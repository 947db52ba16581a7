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

from rsd.backends import Prompts, RetryStatistics, counting_retries, one_problem
from rsd.clock import unix_time
from rsd.decoding import recording
from rsd.decoding.seeds import derive
from rsd.errors import (
    ContextError,
    GradingError,
    RsdError,
    ServerChangedError,
    StoreError,
    one_line,
)
from rsd.grading import GraderPool
from rsd.protocols import Strategy
from rsd.records import GradeRecord, TrajectoryRecord
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.runs.grading import grade_record
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
    prompts: Prompts,
    join: Join,
    seed: int,
    limiter: ConcurrencyLimiter,
    on_graded: OnGraded,
    interruption: Interruption | None = None,
) -> None:
    """Decode `rollouts`, as many at a time as `limiter` allows; store and grade each.

    `prompts` render the questions, `join` makes the response from the texts of the kept steps. An
    `interruption` ends it early.

    Cancelling it cancels the requests in flight and keeps all that is stored. An error of one
    problem is stored with it. Without a grading worker a problem stays ungraded. Errors in
    progress and counters are only logged. Raises `StoreError` and `ServerChangedError`.
    """

    async def solve(problem: Problem, sample: int) -> None:
        try:
            query = prompts.query(
                problem.question,
                seed=derive(seed, problem.task, problem.problem_id, sample),
                kind=problem.kind,
                choices=problem.choices,
            )
            count = _harmless(limiter.count)
            trajectory = await decode_one(problem, sample, query, strategy, join, count)
            record = TrajectoryRecord.of(trajectory)
            store.append(record)
        except (ServerChangedError, StoreError):
            raise
        except Exception as failure:  # the record cannot be made, or cannot be written
            record = TrajectoryRecord.of(_failed(problem, sample, failure))
            store.append(record)
        limiter.release()  # the next problem need not wait for the grade
        try:
            verdicts = await grade_record(grader, record)
        except GradingError as failure:  # no worker can be started; resuming the run tries again
            log.warning("%s/%s: not graded yet: %s", problem.task, problem.problem_id, failure)
            return
        store.append(verdicts)
        _harmless(on_graded)(record, verdicts)

    in_flight = interruption or Interruption()

    async def begin_all(group: asyncio.TaskGroup) -> None:
        for problem, sample in rollouts:
            await limiter.acquire()
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
    """Collect the steps of one sample of a problem.

    An exception makes the trajectory a failed one, with two exceptions: `ServerChangedError` is
    raised, and a solution that no longer fits the context of one of the models, the reward model
    included, ends there with its kept steps. Candidates that the strategy left undecided become
    the last steps, as rejected ones.
    """
    steps: list[Step] = []
    error, ends = None, None
    started_at, clock = unix_time(), time.perf_counter()
    statistics = RetryStatistics()
    try:
        with (
            counting_retries(statistics),
            one_problem(_name(problem, sample)),
            recording() as candidates,
        ):
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
        retries=statistics.retries,
        lost_seconds=statistics.seconds,
    )


def _harmless(report: Callable[P, object]) -> Callable[P, None]:
    """`report`, for counters and progress: its failure is only logged."""

    def harmless(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            report(*args, **kwargs)
        except Exception:
            log.debug("a counter or the progress display failed", exc_info=True)

    return harmless


def _failed(problem: Problem, sample: int, failure: Exception) -> Trajectory:
    """A failed trajectory without steps."""
    error = _defect(problem, failure)
    return Trajectory(problem, sample, (), "", StopReason.ERROR, unix_time(), 0.0, error)


def _defect(problem: Problem, failure: Exception) -> str:
    """The text of an unexpected error; the log has its traceback."""
    log.debug("problem %s/%s failed", problem.task, problem.problem_id, exc_info=failure)
    return one_line(failure)
