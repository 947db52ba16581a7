"""What a run asks, by content: the questions of its benchmarks, and the code of its strategy.

Both decide answers, so their checksums are part of a run's digest. Gold answers and choices
decide verdicts only: where they have changed, the same run is graded again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from rsd.backends import with_model_sampling
from rsd.config import Config, differing_keys, load
from rsd.errors import ConfigError
from rsd.records import CONFIG, GradeRecord, Key, TrajectoryRecord
from rsd.tasks import Task, load_problems, tasks_of
from rsd.types import Problem

log = logging.getLogger(__name__)

Problems = Mapping[str, list[Problem]]
"""Whole benchmarks by task, each in the order of its source, whatever the limit."""


def load_all(config: Config) -> Problems:
    """All problems of the benchmarks of `config`. Raises `ConfigError` where one cannot be read."""
    data_dir = config.tasks.data_dir
    return {name: _problems(task, data_dir) for name, task in tasks_of(config.tasks).items()}


def load_local(config: Config) -> Problems:
    """As `load_all`, but only what lies in `tasks.data_dir`, without asking the hub; a warning
    names each benchmark that does not. Raises `ConfigError` where one cannot be read."""
    data_dir = config.tasks.data_dir
    tasks = tasks_of(config.tasks)
    there = {name: task for name, task in tasks.items() if task.is_local(data_dir)}
    for name in tasks.keys() - there:
        path = tasks[name].local_file(data_dir)
        log.warning("%s: no such file; %s is graded with its stored gold answers", path, name)
    return {name: _problems(task, data_dir) for name, task in there.items()}


def identified(config: Config, problems: Problems | None = None) -> Config:
    """`config` with the checksums of what it asks and, for a strategy of one's own, of its file,
    and with the numbers of `decoding.sampling: model`: only then does its digest name one run.

    `problems` saves loading them. Raises `ConfigError` where a benchmark, or a checkpoint's
    sampling, cannot be read.
    """
    config = with_model_sampling(config)
    asked = {name: _checksum(its) for name, its in (problems or load_all(config)).items()}
    strategy = config.decoding.strategy
    source = _source_checksum(strategy.partition(":")[0]) if ":" in strategy else None
    return config.model_copy(
        update={
            "tasks": config.tasks.model_copy(update={"questions": asked}),
            "decoding": config.decoding.model_copy(update={"source": source}),
        }
    )


def take_over(
    problems: Problems,
    trajectories: MutableMapping[Key, TrajectoryRecord],
    grades: Mapping[Key, GradeRecord],
) -> set[Key]:
    """Put the gold answers and choices of `problems` into `trajectories`, in memory. Returns the
    keys of those with a grade against others, or by another kind of answer; a warning counts
    them by task."""
    current = {(it.task, it.problem_id): it for its in problems.values() for it in its}
    outdated: dict[Key, str] = {}  # with what has changed
    for key, record in trajectories.items():
        problem, grade = current.get(key[:2]), grades.get(key)
        if problem is None:
            continue
        if grade is not None and (what := _what_changed(record, grade, problem)):
            outdated[key] = what
        trajectories[key] = record.model_copy(
            update={"gold": problem.gold, "choices": problem.choices, "kind": problem.kind}
        )
    changed = {(task, problem_id): what for (task, problem_id, _), what in outdated.items()}
    for (task, what), count in Counter((key[0], what) for key, what in changed.items()).items():
        counted = what if count == 1 else _PLURAL[what]
        log.warning("%s: %d %s changed since the run; graded again", task, count, counted)
    return set(outdated)


def refuse_other_questions(
    stored: Iterable[TrajectoryRecord],
    problems: Problems,
    directory: Path,
    otherwise: str = "choose another directory or delete this one",
) -> None:
    """Raise `ConfigError` if an answer in `directory` is to a question that its benchmark, where
    it is among `problems`, does not ask. `otherwise` is what to do without the old file."""
    questions = {(it.task, it.problem_id): it.question for its in problems.values() for it in its}
    for record in stored:
        if record.task in problems and questions.get(record.key[:2]) != record.question:
            raise ConfigError(
                f"{directory}: its problem {record.task}/{record.problem_id} is not what the "
                f"benchmark asks now; put the file of before in tasks.data_dir, or {otherwise}"
            )


def tell_of_earlier(config: Config, directory: Path) -> None:
    """Warn if the run of `config`, not yet in `directory`, was begun by an rsd whose digests had
    no questions in them: the same command would begin it anew."""
    if directory.exists():
        return
    for other in sorted(directory.parent.glob(f"{config.name}-*")):
        try:
            earlier = load(other / CONFIG)
        except ConfigError:
            continue
        if earlier.tasks.questions is None and not differences(earlier, config):
            log.warning(
                "%s: begun by an earlier rsd, which named directories otherwise; rename it to %s "
                "to go on with it",
                *(other, directory),
            )


def differences(stored: Config, config: Config) -> list[str]:
    """The keys that decide answers in which two configurations differ. Questions are left out:
    `refuse_other_questions` holds them against the answers one by one."""
    keys = differing_keys(stored.determinants(), config.determinants())
    return [key for key in keys if not key.startswith("tasks.questions")]


_PLURAL = {
    "gold answer": "gold answers",
    "set of choices": "sets of choices",
    "kind of answer": "kinds of answer",
}


def _what_changed(record: TrajectoryRecord, grade: GradeRecord, problem: Problem) -> str | None:
    if record.gold != problem.gold:
        return "gold answer"
    if record.choices != problem.choices:
        return "set of choices"
    return "kind of answer" if grade.kind not in (None, problem.kind) else None


def _problems(task: Task, data_dir: Path) -> list[Problem]:
    """The problems of a benchmark, which one command asks for several times, and a sweep for each
    of its points: a local file is read once, until it changes."""
    if not task.is_local(data_dir):
        return load_problems(task, data_dir)
    path = task.local_file(data_dir)
    try:
        stat = path.stat()
    except OSError:
        return load_problems(task, data_dir)  # which says what is wrong
    key = (task.name, str(path), stat.st_mtime_ns, stat.st_size, task.definition)
    if key not in _READ:
        _READ[key] = load_problems(task, data_dir)
    return _READ[key]


_READ: dict[tuple[object, ...], list[Problem]] = {}


def _checksum(problems: Iterable[Problem]) -> str:
    """SHA-256 of ids and questions, in order: seeds are derived from ids, prompts from questions,
    which list the choices where a model sees them."""
    content = json.dumps([(it.problem_id, it.question) for it in problems])
    return hashlib.sha256(content.encode()).hexdigest()


def _source_checksum(module: str) -> str | None:
    """SHA-256 of the file of `module`, which is not imported; None if it has no file. What the
    module itself imports is not looked at."""
    spec, path = None, [*sys.path, str(Path.cwd())]
    for part in module.split("."):
        name = f"{spec.name}.{part}" if spec else part
        spec = _find(name, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def _find(name: str, path: Sequence[str]) -> ModuleSpec | None:
    """As `importlib.util.find_spec`, which would import the packages that `name` lies in."""
    for finder in sys.meta_path:
        if spec := finder.find_spec(name, path):
            return spec
    return None
