"""One run from beginning to end: what is owed, the servers, the decoding, the manifest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rsd.backends import connect
from rsd.config import Config
from rsd.grading import GraderPool
from rsd.records import TRAJECTORIES, GradeRecord, Key, TrajectoryRecord, read_lines
from rsd.runs import manifest
from rsd.runs.preflight import preflight
from rsd.runs.progress import Progress
from rsd.runs.runner import decode_all, grade_record
from rsd.runs.store import RunStore
from rsd.runs.strategies import build_strategy
from rsd.tasks import load_problems
from rsd.types import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to: problems asked for, and how many of them failed."""

    directory: Path
    problems: int
    failed: int


async def execute(config: Config, directory: Path | None = None) -> Outcome:
    """Run, or resume, what `config` describes, in `directory` (by default the config's own).

    A run that owes nothing returns without touching a server. Raises `ConfigError`,
    `BackendError`, `ScorerError`, `GradingError` or `StoreError` for what stops a run as a whole;
    a failed problem does not.
    """
    problems = _problems(config)
    with RunStore(config, directory or config.directory) as store:
        async with GraderPool(workers=config.run.grading_workers) as grader:
            await _grade_missing(store, grader)
            remaining = [p for p in problems if _key(p) not in store.trajectories]
            if remaining:
                await _decode(config, remaining, len(problems), store, grader)
        failed = sum(t.error is not None for t in store.trajectories.values())
        return Outcome(store.directory, len(problems), failed)


def owed(config: Config, directory: Path) -> list[Problem]:
    """The problems of `config` that have no successful trajectory in `directory` yet."""
    stored = read_lines(directory / TRAJECTORIES, TrajectoryRecord)
    done = {record.key for record in stored if record.error is None}
    return [problem for problem in _problems(config) if _key(problem) not in done]


async def regrade(config: Config, directory: Path) -> None:
    """Grade every trajectory of a stored run again, and replace its grades."""
    with RunStore(config, directory) as store:
        async with GraderPool(workers=config.run.grading_workers) as grader:
            store.replace_grades(await _grade_each(store.trajectories.values(), grader))


def _problems(config: Config) -> list[Problem]:
    return [
        problem
        for name in config.tasks.names
        for problem in load_problems(name, config.tasks.data_dir, config.limit)
    ]


def _key(problem: Problem) -> Key:
    return (problem.task, problem.problem_id, 0)


async def _decode(
    config: Config, remaining: Sequence[Problem], total: int, store: RunStore, grader: GraderPool
) -> None:
    for check in await preflight(config):
        if check.status == "warning":
            log.warning("%s: %s%s", check.name, check.detail, check.mend and f"; {check.mend}")
    async with connect(config) as backends:
        session = manifest.begin(config, backends, store.read_manifest())
        store.write_manifest(session)
        done = [(store.trajectories[key], grade) for key, grade in store.grades.items()]
        with Progress(total, done, label=config.name) as progress:
            try:
                await decode_all(
                    remaining,
                    build_strategy(config, backends),
                    store,
                    grader,
                    template=config.decoding.prompt,
                    separator=config.decoding.step_separator,
                    seed=config.decoding.seed,
                    concurrency=config.run.concurrency,
                    on_graded=progress,
                )
            finally:
                store.write_manifest(manifest.end(session))


async def _grade_missing(store: RunStore, grader: GraderPool) -> None:
    missing = [t for key, t in store.trajectories.items() if key not in store.grades]
    for grade in await _grade_each(missing, grader):
        store.append(grade)


async def _grade_each(records: Iterable[TrajectoryRecord], grader: GraderPool) -> list[GradeRecord]:
    return await asyncio.gather(*(grade_record(grader, record) for record in records))
