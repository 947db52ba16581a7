"""One run from beginning to end: what is pending, the servers, the decoding, the manifest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rsd.backends import Backends, Prompts, Server, connect, open_servers
from rsd.config import Config
from rsd.grading import GraderPool
from rsd.records import Key, Manifest, TrajectoryRecord, read_current
from rsd.runs import counted, speculation
from rsd.runs.concurrency import concurrency_limiter
from rsd.runs.grading import grade_again, grade_cut, grade_pending, group_samples
from rsd.runs.interruption import Interruption
from rsd.runs.preflight import preflight
from rsd.runs.preflight.settings import sampling_text
from rsd.runs.progress import Progress
from rsd.runs.runner import Rollout, decode_all
from rsd.runs.store import RunStore, changed_server_keys, manifest, refuse_other_run
from rsd.runs.store.questions import (
    Problems,
    identified,
    load_all,
    load_local,
    refuse_other_questions,
    update_gold,
)
from rsd.runs.strategies import connected_strategy, response_text
from rsd.types import Role

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The result of a run: how many solutions it asks for, and how many of them failed, by error.
    If it was `interrupted`, others are still pending."""

    directory: Path
    asked: int
    errors: Counter[str]
    interrupted: bool = False

    @property
    def failed(self) -> int:
        return self.errors.total()

    @property
    def most_frequent_error(self) -> str:
        """The most frequent error with its count; "" if nothing failed."""
        return "".join(f"most often ({n}x): {error}" for error, n in self.errors.most_common(1))


async def execute(config: Config, directory: Path | None = None) -> RunOutcome:
    """Run, or resume, what `config` describes, in `directory` (by default the config's own).

    If nothing is pending, no server is asked. If the servers fail the preflight, nothing in the
    directory changes. Raises `ConfigError`, `BackendError`, `ScorerError`, `GradingError` or
    `StoreError` for what stops a run as a whole; a failed problem does not. The first Ctrl-C lets
    the solutions in flight finish, the second drops them (`Interruption`).
    """
    problems = load_all(config)
    config = identified(config, problems)
    asked = _rollouts(config, problems)
    directory = directory or config.directory
    refuse_other_run(directory, config)
    stored = read_current(directory).trajectories
    refuse_other_questions(stored.values(), problems, directory)
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(open_servers(config))
        if _pending(asked, stored):
            await _check_servers(config, servers)
        store = stack.enter_context(RunStore(config, directory))
        outdated = update_gold(problems, store.trajectories, store.grades)
        remaining = _pending(asked, store.trajectories)
        counts = _counts(asked, store.trajectories)
        _update_counts(store, counts)
        grader = await stack.enter_async_context(GraderPool(workers=config.run.grading_workers))
        await grade_pending(store, grader, outdated)
        if remaining:
            if await _decode(config, servers, remaining, counts, store, grader):
                return _outcome(store, asked, interrupted=True)
            await grade_pending(store, grader)  # grading may have failed the first time
        await group_samples(store, grader)
        await grade_cut(config, store, grader)
        return _outcome(store, asked)


def pending(config: Config, directory: Path) -> list[Rollout]:
    """The rollouts of `config` that have no successful trajectory in `directory` yet.

    Raises `ConfigError` when a benchmark cannot be loaded, or asks other questions than those
    that `directory` answers, and `StoreError` when that cannot be read.
    """
    problems = load_all(config)
    stored = read_current(directory).trajectories
    refuse_other_questions(stored.values(), problems, directory)
    return _pending(_rollouts(config, problems), stored)


async def regrade(config: Config, directory: Path) -> None:
    """Grade every trajectory of a stored run again, also as far as patience cuts it, and replace
    its grades. Gold answers and choices are those of the local benchmark files, or without a file
    those of the last grading. An earlier verdict stays where grading is cut off now. Raises
    `ConfigError` where a file asks other questions."""
    problems = load_local(config)
    with RunStore(config, directory) as store:
        without = "remove the present file, to grade with the stored gold answers"
        refuse_other_questions(store.trajectories.values(), problems, directory, without)
        outdated = update_gold(problems, store.trajectories, store.grades)
        async with GraderPool(workers=config.run.grading_workers) as grader:
            await grade_again(store, grader, outdated)
            await group_samples(store, grader)
            await grade_cut(config, store, grader, again=True)


async def _check_servers(config: Config, servers: Mapping[Role, Server]) -> None:
    for check in await preflight(config, servers):
        if check.status == "warning":
            log.warning("%s: %s%s", check.name, check.detail, check.fix and f"; {check.fix}")


def _warn_of_mixed_settings(
    directory: Path, config: Config, before: Manifest, now: Manifest
) -> None:
    """Warn of changes that may make new answers differ from the stored ones."""
    keys = [f"{key} has changed" for key in changed_server_keys(directory, config)]
    if changes := [*keys, *manifest.differences(before, now)]:
        log.warning(
            "%s: resumed with different settings; results are mixed: %s",
            directory,
            "; ".join(changes),
        )


def _outcome(store: RunStore, asked: Sequence[Rollout], *, interrupted: bool = False) -> RunOutcome:
    stored = [t for it in asked if (t := store.trajectories.get(_key(it)))]
    errors = Counter(t.error for t in stored if t.error is not None)
    return RunOutcome(store.directory, len(asked), errors, interrupted)


def _rollouts(config: Config, problems: Problems) -> list[Rollout]:
    """All samples of the first `limit` problems of each benchmark, the first samples first."""
    asked = [problem for its in problems.values() for problem in its[: config.limit]]
    return [(problem, sample) for sample in range(config.decoding.samples) for problem in asked]


def _counts(asked: Iterable[Rollout], stored: Iterable[Key]) -> Counter[str]:
    """How many solutions each task has: those `asked` for now, and those `stored` under an
    earlier, larger limit."""
    return Counter(task for task, _, _ in {*map(_key, asked), *stored})


def _update_counts(store: RunStore, counts: Mapping[str, int]) -> None:
    """Update the counts in an existing manifest, so that tables apply the present limit."""
    if (before := store.read_manifest()) and before.asked != counts:
        store.write_manifest(before.model_copy(update={"asked": dict(counts)}))


def _pending(asked: Sequence[Rollout], stored: Mapping[Key, TrajectoryRecord]) -> list[Rollout]:
    """The rollouts that have no success among `stored`."""
    done = {key for key, record in stored.items() if record.error is None}
    return [rollout for rollout in asked if _key(rollout) not in done]


def _key(rollout: Rollout) -> Key:
    problem, sample = rollout
    return (problem.task, problem.problem_id, sample)


async def _decode(
    config: Config,
    servers: Mapping[Role, Server],
    remaining: Sequence[Rollout],
    asked: Counter[str],
    store: RunStore,
    grader: GraderPool,
) -> bool:
    """Decode, store and grade what remains; return whether Ctrl-C cut it short."""
    wait = config.run.on_server_loss == "wait"
    async with connect(config, cache=config.step_cache, wait=wait, servers=servers) as backends:
        if config.decoding.sampling:
            log.info("sampling: %s", sampling_text(config))
        previous = store.read_manifest()
        session = manifest.begin(config, backends, previous, asked)
        if previous and any(t.error is None for t in store.trajectories.values()):
            _warn_of_mixed_settings(store.directory, config, previous, session)
        store.write_manifest(session)
        before = await _server_counts(backends)
        interruption = Interruption(lambda: backends.waiting)
        again = {_key(rollout) for rollout in remaining}
        done = [
            (store.trajectories[k], grade) for k, grade in store.grades.items() if k not in again
        ]
        async with concurrency_limiter(
            config.run.concurrency, len(remaining), partial(counted.look, backends)
        ) as limiter:
            try:
                with (
                    Progress(
                        asked.total(),
                        done,
                        limiter,
                        label=config.name,
                        samples=config.decoding.samples,
                    ) as progress,
                    interruption.by_signal(),
                ):
                    await decode_all(
                        remaining,
                        connected_strategy(config, backends, grader),
                        store,
                        grader,
                        prompts=Prompts(config),
                        join=response_text(config.decoding),
                        seed=config.decoding.seed,
                        limiter=limiter,
                        on_graded=progress,
                        interruption=interruption,
                    )
            finally:
                after = (None, ()) if interruption.has_dropped else await _server_counts(backends)
                ended = manifest.end(
                    session,
                    speculation=speculation.between(before[1], after[1]),
                    served=counted.between(before[0], after[0]),
                    peak_concurrency=limiter.peak,
                )
                store.write_manifest(ended)
    return interruption.happened


async def _server_counts(
    backends: Backends,
) -> tuple[counted.Metrics | None, speculation.Counts]:
    return await counted.counted(backends), await speculation.counted(backends)
