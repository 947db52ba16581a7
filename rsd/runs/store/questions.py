"""Detects changed benchmarks and strategies.

The questions and the code of a user's strategy affect answers, so their checksums are part of a
run's digest. Gold answers and choices affect verdicts only: if they change, the same run is graded
again.
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
    """As `load_all`, but only the files in `tasks.data_dir`, without the hub; a warning names each
    benchmark without a file. Raises `ConfigError` where one cannot be read."""
    data_dir = config.tasks.data_dir
    tasks = tasks_of(config.tasks)
    there = {name: task for name, task in tasks.items() if task.is_local(data_dir)}
    for name in tasks.keys() - there:
        path = tasks[name].local_file(data_dir)
        log.warning("%s: no such file; %s is graded with its stored gold answers", path, name)
    return {name: _problems(task, data_dir) for name, task in there.items()}


def identified(config: Config, problems: Problems | None = None) -> Config:
    """`config` with the checksums of its questions and, for a user's strategy, of its file, and
    with the numbers of `decoding.sampling: model`, which complete its digest.

    `problems` avoids loading them again. Raises `ConfigError` where a benchmark, or what a
    checkpoint recommends, cannot be read.
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


def update_gold(
    problems: Problems,
    trajectories: MutableMapping[Key, TrajectoryRecord],
    grades: Mapping[Key, GradeRecord],
) -> set[Key]:
    """Put the gold answers and choices of `problems` into `trajectories`, in memory. Returns the
    keys of outdated grades, made against other ones or for another kind of answer; a warning
    counts them by task."""
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
    """Raise `ConfigError` if an answer in `directory` is to a question that its benchmark in
    `problems` no longer asks. `otherwise` is the fix without the old file."""
    questions = {(it.task, it.problem_id): it.question for its in problems.values() for it in its}
    for record in stored:
        if record.task in problems and questions.get(record.key[:2]) != record.question:
            raise ConfigError(
                f"{directory}: its problem {record.task}/{record.problem_id} is not what the "
                f"benchmark asks now; put the old file back in tasks.data_dir, or {otherwise}"
            )


def warn_of_earlier_names(config: Config, directory: Path) -> None:
    """Warn if an older version began the run of `config` under another name: its digests did not
    cover the questions, so the run would start again in `directory`."""
    if directory.exists():
        return
    for other in sorted(directory.parent.glob(f"{config.name}-*")):
        try:
            earlier = load(other / CONFIG)
        except ConfigError:
            continue
        if earlier.tasks.questions is None and not differences(earlier, config):
            log.warning(
                "%s: made by an older version, which named directories differently; rename it to "
                "%s to continue it",
                *(other, directory),
            )


def differences(stored: Config, config: Config) -> list[str]:
    """The keys that affect answers and that differ. Questions are left out, since
    `refuse_other_questions` compares them one by one."""
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
    """The problems of a benchmark. A local file is read again only if it has changed, since a sweep
    needs it for each point."""
    if not task.is_local(data_dir):
        return load_problems(task, data_dir)
    path = task.local_file(data_dir)
    try:
        stat = path.stat()
    except OSError:
        return load_problems(task, data_dir)  # raises the error that names the file
    key = (task.name, str(path), stat.st_mtime_ns, stat.st_size, task.definition)
    if key not in _READ:
        _READ[key] = load_problems(task, data_dir)
    return _READ[key]


_READ: dict[tuple[object, ...], list[Problem]] = {}


def _checksum(problems: Iterable[Problem]) -> str:
    """SHA-256 of ids and questions, in order: ids determine seeds; questions, which list the
    choices shown to a model, determine prompts."""
    content = json.dumps([(it.problem_id, it.question) for it in problems])
    return hashlib.sha256(content.encode()).hexdigest()


def _source_checksum(module: str) -> str | None:
    """SHA-256 of the file of `module`, which is not imported; None if it has no file. Modules that
    it imports are not included."""
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
    """As `importlib.util.find_spec`, but without importing parent packages."""
    for finder in sys.meta_path:
        if spec := finder.find_spec(name, path):
            return spec
    return None
