"""One run from beginning to end: what is owed, the servers, the decoding, the manifest."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rsd.backends import Backends, connect
from rsd.config import Config
from rsd.errors import ConfigError
from rsd.grading import GraderPool
from rsd.patience import cut, cuts
from rsd.records import (
    TRAJECTORIES,
    CutGradeRecord,
    GradeRecord,
    Key,
    Manifest,
    TrajectoryRecord,
    read_lines,
)
from rsd.runs import counted, manifest, speculation
from rsd.runs.concurrency import places
from rsd.runs.groups import group_samples
from rsd.runs.interruption import Interruption
from rsd.runs.preflight import preflight
from rsd.runs.progress import Progress
from rsd.runs.runner import Rollout, decode_all, grade_record
from rsd.runs.store import RunStore, served_otherwise
from rsd.runs.strategies import connected_strategy, response_text
from rsd.tasks import load_problems

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to: solutions asked for, and how many of them failed. One that was
    `interrupted` owes others."""

    directory: Path
    asked: int
    failed: int
    interrupted: bool = False


async def execute(config: Config, directory: Path | None = None) -> Outcome:
    """Run, or resume, what `config` describes, in `directory` (by default the config's own).

    A run that owes nothing returns without touching a server. Raises `ConfigError`,
    `BackendError`, `ScorerError`, `GradingError` or `StoreError` for what stops a run as a whole;
    a failed problem does not. The first Ctrl-C lets the solutions in flight finish, the second
    drops them (`Interruption`).
    """
    asked = _rollouts(config)
    with RunStore(config, directory or config.directory) as store:
        remaining = _unanswered(asked, store.trajectories.values(), store.directory)
        async with GraderPool(workers=config.run.grading_workers) as grader:
            await _grade_missing(store, grader)
            if remaining:
                counts = Counter(problem.task for problem, _ in asked)
                if await _decode(config, remaining, counts, store, grader):
                    return _outcome(store, len(asked), interrupted=True)
                await _grade_missing(store, grader)  # where grading failed at first
            await group_samples(store, grader)
            await _grade_cut(config, store, grader, store.cut_grades)
        return _outcome(store, len(asked))


def owed(config: Config, directory: Path) -> list[Rollout]:
    """The rollouts of `config` that have no successful trajectory in `directory` yet.

    Raises `ConfigError` when a benchmark cannot be loaded, or is not what `directory` answers, and
    `StoreError` when that cannot be read.
    """
    stored = read_lines(directory / TRAJECTORIES, TrajectoryRecord)
    done = (record for record in stored if record.error is None)
    return _unanswered(_rollouts(config), done, directory)


async def regrade(config: Config, directory: Path) -> None:
    """Grade every trajectory of a stored run again, also as far as patience cuts it, and replace
    its grades."""
    with RunStore(config, directory) as store:
        async with GraderPool(workers=config.run.grading_workers) as grader:
            store.replace_grades(await _grade_each(store.trajectories.values(), grader))
            await group_samples(store, grader)
            await _grade_cut(config, store, grader, {})


def _tell_of_mixture(directory: Path, config: Config, before: Manifest, now: Manifest) -> None:
    """Warn of what makes the answers to come others than those that are there."""
    keys = [f"{key} has changed" for key in served_otherwise(directory, config)]
    if changes := [*keys, *manifest.differences(before, now)]:
        log.warning(
            "%s: resumed otherwise than it began, and holds answers of both: %s",
            directory,
            "; ".join(changes),
        )


def _outcome(store: RunStore, asked: int, *, interrupted: bool = False) -> Outcome:
    failed = sum(t.error is not None for t in store.trajectories.values())
    return Outcome(store.directory, asked, failed, interrupted)


def _rollouts(config: Config) -> list[Rollout]:
    """All samples of all problems, the first samples first."""
    problems = [
        problem
        for name in config.tasks.names
        for problem in load_problems(name, config.tasks.data_dir, config.limit)
    ]
    return [(problem, sample) for sample in range(config.decoding.samples) for problem in problems]


def _unanswered(
    asked: Sequence[Rollout], stored: Iterable[TrajectoryRecord], directory: Path
) -> list[Rollout]:
    """Those of `asked` that are not among `stored`, the answers in `directory`. Raises
    `ConfigError` for an answer to what is not asked: the digest does not see the files of
    benchmarks, which may be others than they were."""
    questions = {_key(rollout): rollout[0].question for rollout in asked}
    done = set()
    for record in stored:
        if questions.get(record.key) != record.question:
            raise ConfigError(
                f"{directory}: its problem {record.task}/{record.problem_id} is not what the "
                f"benchmark asks now; put the file of before in tasks.data_dir, or choose another "
                f"directory or delete this one"
            )
        done.add(record.key)
    return [rollout for rollout in asked if _key(rollout) not in done]


def _key(rollout: Rollout) -> Key:
    problem, sample = rollout
    return (problem.task, problem.problem_id, sample)


async def _decode(
    config: Config,
    remaining: Sequence[Rollout],
    asked: Counter[str],
    store: RunStore,
    grader: GraderPool,
) -> bool:
    """Decode, store and grade what remains; tells whether Ctrl-C cut it short."""
    for check in await preflight(config):
        if check.status == "warning":
            log.warning("%s: %s%s", check.name, check.detail, check.mend and f"; {check.mend}")
    wait = config.run.on_server_loss == "wait"
    async with connect(config, cache=config.step_cache, wait=wait) as backends:
        previous = store.read_manifest()
        session = manifest.begin(config, backends, previous, asked)
        if previous and store.trajectories:
            _tell_of_mixture(store.directory, config, previous, session)
        store.write_manifest(session)
        before = await _counted(backends)
        interruption = Interruption(lambda: backends.waiting)
        done = [(store.trajectories[key], grade) for key, grade in store.grades.items()]
        async with places(
            config.run.concurrency, len(remaining), partial(counted.look, backends)
        ) as taken:
            try:
                with (
                    Progress(asked.total(), done, taken, label=config.name) as progress,
                    interruption.by_signal(),
                ):
                    await decode_all(
                        remaining,
                        connected_strategy(config, backends, grader),
                        store,
                        grader,
                        template=config.decoding.prompt,
                        join=response_text(config.decoding),
                        seed=config.decoding.seed,
                        places=taken,
                        on_graded=progress,
                        interruption=interruption,
                    )
            finally:
                after = await _counted(backends) if not interruption.has_dropped else (None, ())
                ended = manifest.end(
                    session,
                    speculation=speculation.between(before[1], after[1]),
                    served=counted.between(before[0], after[0]),
                    peak_concurrency=taken.peak,
                )
                store.write_manifest(ended)
    return interruption.happened


async def _counted(
    backends: Backends,
) -> tuple[counted.Metrics | None, speculation.Counts]:
    return await counted.counted(backends), await speculation.counted(backends)


async def _grade_missing(store: RunStore, grader: GraderPool) -> None:
    missing = [t for key, t in store.trajectories.items() if key not in store.grades]
    for grade in await _grade_each(missing, grader):
        store.append(grade)


async def _grade_cut(
    config: Config, store: RunStore, grader: GraderPool, known: Mapping[Key, CutGradeRecord]
) -> None:
    """Grade the solutions that patience cuts, but for those whose grade is `known`."""
    if config.decoding.profile != "paper":
        return

    async def grade(key: Key, steps: int) -> CutGradeRecord:
        if key in known and known[key].steps == steps:
            return known[key]
        record = await grade_record(grader, cut(store.trajectories[key], steps))
        return CutGradeRecord(**record.model_dump(), steps=steps)

    found = cuts(store.trajectories.values())
    graded = await asyncio.gather(*(grade(key, steps) for key, steps in found.items()))
    store.replace_cut_grades(graded)


async def _grade_each(records: Iterable[TrajectoryRecord], grader: GraderPool) -> list[GradeRecord]:
    return await asyncio.gather(*(grade_record(grader, record) for record in records))
