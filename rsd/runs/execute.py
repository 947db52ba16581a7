"""One run from beginning to end: what is owed, the servers, the decoding, the manifest."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rsd.backends import Backends, connect
from rsd.config import Config
from rsd.grading import GraderPool
from rsd.patience import cut, cuts
from rsd.records import (
    CutGradeRecord,
    GradeRecord,
    Key,
    Manifest,
    TrajectoryRecord,
    read_current,
)
from rsd.runs import counted, manifest, speculation
from rsd.runs.concurrency import places
from rsd.runs.contents import (
    Problems,
    identified,
    load_all,
    load_local,
    refuse_other_questions,
    take_over,
)
from rsd.runs.groups import group_samples
from rsd.runs.interruption import Interruption
from rsd.runs.preflight import preflight
from rsd.runs.progress import Progress
from rsd.runs.runner import Rollout, decode_all, grade_record
from rsd.runs.settings import sampling_text
from rsd.runs.store import RunStore, refuse_other_run, served_otherwise
from rsd.runs.strategies import connected_strategy, response_text

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has come to: solutions asked for, and how many of them failed, by the error. One
    that was `interrupted` owes others."""

    directory: Path
    asked: int
    errors: Counter[str]
    interrupted: bool = False

    @property
    def failed(self) -> int:
        return self.errors.total()

    @property
    def most_often(self) -> str:
        """The most frequent error, and how often it came; "" where nothing failed."""
        return "".join(f"most often ({n}x): {error}" for error, n in self.errors.most_common(1))


async def execute(config: Config, directory: Path | None = None) -> Outcome:
    """Run, or resume, what `config` describes, in `directory` (by default the config's own).

    A run that owes nothing returns without touching a server, and one whose servers do not pass
    the preflight changes nothing in its directory. Raises `ConfigError`,
    `BackendError`, `ScorerError`, `GradingError` or `StoreError` for what stops a run as a whole;
    a failed problem does not. The first Ctrl-C lets the solutions in flight finish, the second
    drops them (`Interruption`).
    """
    problems = load_all(config)
    config = identified(config, problems)
    asked = _rollouts(config, problems)
    directory = directory or config.directory
    refuse_other_run(directory, config)
    stored = read_current(directory).trajectories
    refuse_other_questions(stored.values(), problems, directory)
    if _unanswered(asked, stored):
        for check in await preflight(config):
            if check.status == "warning":
                log.warning("%s: %s%s", check.name, check.detail, check.mend and f"; {check.mend}")
    with RunStore(config, directory) as store:
        outdated = take_over(problems, store.trajectories, store.grades)
        remaining = _unanswered(asked, store.trajectories)
        counts = _counts(asked, store.trajectories)
        _note_counts(store, counts)
        async with GraderPool(workers=config.run.grading_workers) as grader:
            await _grade_missing(store, grader, outdated)
            if remaining:
                if await _decode(config, remaining, counts, store, grader):
                    return _outcome(store, asked, interrupted=True)
                await _grade_missing(store, grader)  # where grading failed at first
            await group_samples(store, grader)
            await _grade_cut(config, store, grader)
        return _outcome(store, asked)


def owed(config: Config, directory: Path) -> list[Rollout]:
    """The rollouts of `config` that have no successful trajectory in `directory` yet.

    Raises `ConfigError` when a benchmark cannot be loaded, or is not what `directory` answers, and
    `StoreError` when that cannot be read.
    """
    problems = load_all(config)
    stored = read_current(directory).trajectories
    refuse_other_questions(stored.values(), problems, directory)
    return _unanswered(_rollouts(config, problems), stored)


async def regrade(config: Config, directory: Path) -> None:
    """Grade every trajectory of a stored run again, also as far as patience cuts it, and replace
    its grades. Gold answers and choices are those of the local benchmark files; where there is
    none, those of the last grading. A verdict that is there stays where grading does not come to
    one now. Raises `ConfigError` where a file asks other questions."""
    problems = load_local(config)
    with RunStore(config, directory) as store:
        without = "take the present one away, to grade with the stored gold answers"
        refuse_other_questions(store.trajectories.values(), problems, directory, without)
        outdated = take_over(problems, store.trajectories, store.grades)
        known = {key: grade for key, grade in store.grades.items() if key not in outdated}
        async with GraderPool(workers=config.run.grading_workers) as grader:
            graded = await _grade_each(store.trajectories.values(), grader)
            store.replace_grades(grade.keeping(known.get(grade.key)) for grade in graded)
            await group_samples(store, grader)
            await _grade_cut(config, store, grader, again=True)


def _tell_of_mixture(directory: Path, config: Config, before: Manifest, now: Manifest) -> None:
    """Warn of what makes the answers to come others than those that are there."""
    keys = [f"{key} has changed" for key in served_otherwise(directory, config)]
    if changes := [*keys, *manifest.differences(before, now)]:
        log.warning(
            "%s: resumed otherwise than it began, and holds answers of both: %s",
            directory,
            "; ".join(changes),
        )


def _outcome(store: RunStore, asked: Sequence[Rollout], *, interrupted: bool = False) -> Outcome:
    stored = [t for it in asked if (t := store.trajectories.get(_key(it)))]
    errors = Counter(t.error for t in stored if t.error is not None)
    return Outcome(store.directory, len(asked), errors, interrupted)


def _rollouts(config: Config, problems: Problems) -> list[Rollout]:
    """All samples of the first `limit` problems of each benchmark, the first samples first."""
    asked = [problem for its in problems.values() for problem in its[: config.limit]]
    return [(problem, sample) for sample in range(config.decoding.samples) for problem in asked]


def _counts(asked: Iterable[Rollout], stored: Iterable[Key]) -> Counter[str]:
    """How many solutions each task asks for: those `asked` for now, and those `stored` that an
    earlier, larger limit asked for."""
    return Counter(task for task, _, _ in {*map(_key, asked), *stored})


def _note_counts(store: RunStore, counts: Mapping[str, int]) -> None:
    """Renew the counts in the manifest of earlier sessions, if there were any, so that tables tell
    what is owed by the present limit."""
    if (before := store.read_manifest()) and before.asked != counts:
        store.write_manifest(before.model_copy(update={"asked": dict(counts)}))


def _unanswered(
    asked: Sequence[Rollout], stored: Mapping[Key, TrajectoryRecord]
) -> list[Rollout]:
    """Those of `asked` that have no success among `stored`."""
    done = {key for key, record in stored.items() if record.error is None}
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
    wait = config.run.on_server_loss == "wait"
    async with connect(config, cache=config.step_cache, wait=wait) as backends:
        if config.decoding.sampling:
            log.info("sampling: %s", sampling_text(config))
        previous = store.read_manifest()
        session = manifest.begin(config, backends, previous, asked)
        if previous and any(t.error is None for t in store.trajectories.values()):
            _tell_of_mixture(store.directory, config, previous, session)
        store.write_manifest(session)
        before = await _counted(backends)
        interruption = Interruption(lambda: backends.waiting)
        again = {_key(rollout) for rollout in remaining}
        done = [(store.trajectories[k], grade) for k, grade in store.grades.items() if k not in again]
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


async def _grade_missing(
    store: RunStore, grader: GraderPool, outdated: Container[Key] = ()
) -> None:
    """Grade what has no grade yet or an `outdated` one, and try again what grading was cut off
    from."""
    known = {key: grade for key, grade in store.grades.items() if key not in outdated}
    missing = [t for key, t in store.trajectories.items() if _lacks_verdict(known.get(key))]
    for grade in await _grade_each(missing, grader):
        if (better := grade.keeping(known.get(grade.key))) != known.get(grade.key):
            store.append(better)


async def _grade_cut(
    config: Config, store: RunStore, grader: GraderPool, *, again: bool = False
) -> None:
    """Grade the solutions that patience cuts: those that have no verdict, or all `again`."""
    if config.decoding.profile != "paper":
        return

    async def grade(key: Key, steps: int) -> CutGradeRecord:
        earlier, trajectory = store.cut_grades.get(key), store.trajectories[key]
        if earlier is not None and not _grades(earlier, trajectory, steps):
            earlier = None
        if earlier is not None and not again and not _lacks_verdict(earlier):
            return earlier
        record = await grade_record(grader, cut(trajectory, steps))
        return CutGradeRecord(**record.keeping(earlier).model_dump(), steps=steps)

    found = cuts(store.trajectories.values())
    graded = await asyncio.gather(*(grade(key, steps) for key, steps in found.items()))
    store.replace_cut_grades(graded)


def _grades(earlier: CutGradeRecord, trajectory: TrajectoryRecord, steps: int) -> bool:
    """Whether `earlier` is a grade of the first `steps` steps, against the present gold answer."""
    against = (earlier.gold, earlier.choices)
    return earlier.steps == steps and against == (trajectory.gold, trajectory.choices)


def _lacks_verdict(grade: GradeRecord | None) -> bool:
    return grade is None or grade.undecided or grade.undecided_paper


async def _grade_each(records: Iterable[TrajectoryRecord], grader: GraderPool) -> list[GradeRecord]:
    return await asyncio.gather(*(grade_record(grader, record) for record in records))
