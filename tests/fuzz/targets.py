"""What is fuzzed: each target takes bytes, gives them to one of the project's parsers, and raises
if the parser does what it promises never to do. A refusal in rsd's own words is no finding.
"""

from __future__ import annotations

import atexit
import importlib
import json
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import astuple
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

from fuzz.gateway_target import gateway_body

from rsd.backends import answers, parse_metrics
from rsd.config import load, load_sweep
from rsd.errors import ConfigError, RsdError, StoreError, UnusableAnswerError
from rsd.grading import Options, extract_answer, is_correct
from rsd.grading.decision import decide
from rsd.grading.reply.extract import MAX_SCANNED
from rsd.grading.workers.service import serve_job
from rsd.kinds import kind_of
from rsd.records import GradeRecord, Manifest, TrajectoryRecord, read_lines
from rsd.tasks import TASKS
from rsd.tasks.load import load_problems

Target = Callable[[bytes], None]

GRADED = ("math", "gsm8k", "mmlu_stem")
"""One task for each kind of answer."""

BASE = Path(__file__).parents[2] / "configs" / "demo.yaml"


@cache
def _scratch() -> Path:
    """A folder of this process's own, for files that a parser reads."""
    folder = Path(mkdtemp(prefix="rsd-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _written(name: str, data: bytes) -> Path:
    path = _scratch() / name
    path.write_bytes(data)
    return path


def _one_clean_line(error: RsdError) -> None:
    """What is printed of an error is one line that a terminal shows as it is."""
    bad = [c for c in str(error) if unicodedata.category(c) in ("Cc", "Cs")]
    assert not bad, f"control characters in an error: {str(error)!r}"


def _short(error: RsdError) -> None:
    assert len(str(error)) < 1000


_import = importlib.import_module


def _no_import(name: str) -> object:
    """Imports rsd's own strategies, and nothing that an input names."""
    if name.startswith("rsd."):
        return _import(name)
    raise ImportError(name)


def config(data: bytes) -> None:
    """A file gives a configuration with a digest that its own dump repeats, or a `ConfigError`."""
    path = _written("config.yaml", data)
    with patch("importlib.import_module", _no_import):
        try:
            loaded = load(path)
        except ConfigError as error:
            _one_clean_line(error)
            return
    again = load(_written("dumped.yaml", loaded.dump().encode()))
    assert again.digest == loaded.digest
    assert loaded.directory.parent == loaded.run.output_dir


def override(data: bytes) -> None:
    """The same for an override of the demo."""
    with patch("importlib.import_module", _no_import):
        try:
            load(BASE, [data.decode(errors="replace")])
        except ConfigError as error:
            _one_clean_line(error)


def sweep(data: bytes) -> None:
    """All points of a sweep lie within its directory."""
    _written("demo.yaml", BASE.read_bytes())
    with patch("importlib.import_module", _no_import):
        try:
            loaded = load_sweep(_written("sweep.yaml", data))
        except ConfigError as error:
            _one_clean_line(error)
            return
    for point in loaded.points:
        assert point.directory.parent == loaded.directory


def records(data: bytes) -> None:
    """Lines of a run directory are records that can be written again, or a `StoreError`."""
    path = _written("lines.jsonl", data)
    for kind in (TrajectoryRecord, GradeRecord, Manifest):
        try:
            for record in read_lines(path, kind):
                record.model_dump_json()
        except StoreError as error:
            _one_clean_line(error)


def rows(data: bytes) -> None:
    """Rows of a benchmark are problems whose text can be stored, or a `ConfigError`."""
    for name in TASKS:
        path = _scratch() / name / "test.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        try:
            problems = load_problems(name, _scratch())
        except ConfigError as error:
            _one_clean_line(error)
            continue
        for problem in problems:
            for text in (problem.question, problem.gold, problem.problem_id, *problem.choices):
                text.encode()


REQUEST = answers.Request(frozenset("m"), max_tokens=8, context=64, stops=("|",), wanted=True)

READERS: tuple[Callable[[answers.Value], object], ...] = (
    lambda answer: answers.completion(answer, REQUEST),
    lambda answer: answers.chunk(answer, REQUEST),
    lambda answer: answers.cards(answer, "m"),
    lambda answer: answers.version(answer),
    lambda answer: answer["tokens"].token_ids(),
    lambda answer: [it["probs"].items(1) for it in answers.in_order(answer["data"], 2)],
    lambda answer: [it.logprob() for it in answer["token_logprobs"].items()],
    lambda answer: answers.usages(answer, [3, 4]),
)
"""What rsd reads of a server's answers that are JSON."""


def answer(data: bytes) -> None:
    """A server's answer is read, or refused in one line. The first byte chooses the reader; above
    them the rest is a page of metrics."""
    place, content = data[0] if data else 0, data[1:]
    try:
        if place >= len(READERS):
            metrics = parse_metrics(content.decode(errors="replace"))
            found: object = None if metrics is None else astuple(metrics)
        else:
            found = READERS[place](answers.Value.parse(content))
    except answers.AnswerError as error:
        refusal = UnusableAnswerError(str(error))
        _one_clean_line(refusal)
        _short(refusal)
        return
    json.dumps(found, default=str, allow_nan=False).encode()


def _response_and_gold(data: bytes) -> tuple[str, str, str]:
    """The first byte chooses the task; a zero byte parts the response from the gold answer."""
    task = GRADED[data[0] % len(GRADED)] if data else GRADED[0]
    response, _, gold = data[1:].decode(errors="surrogateescape").partition("\0")
    return response, gold, task


def extraction(data: bytes) -> None:
    """An answer is text or none, in the driver's own process too. The first byte's highest bit has
    the response repeated up to all that is scanned, to find what takes more than linear time."""
    response, gold, task = _response_and_gold(data)
    if data and data[0] & 0x80 and response:
        response *= MAX_SCANNED // len(response)
    assert isinstance(extract_answer(response, task), str | None)
    decision = decide(response, gold, task, kind_of(task), Options(), with_paper=True)
    assert isinstance(decision.prediction, str | None)


def verdict(data: bytes) -> None:
    """A worker's job, in this process: an exception here would be a crash of the worker there."""
    response, gold, task = _response_and_gold(data)
    decision = decide(response, gold, task, kind_of(task), Options(), with_paper=True)
    job = {
        "default": [decision.prediction or "", gold, kind_of(task).value, {}],
        "paper": [response, gold, task],
    }
    answers = json.loads(json.dumps(serve_job(job)))
    assert answers.keys() == job.keys()
    decision.add({name: answers[name] for name in decision.questions})
    assert not decision.questions


def grader(data: bytes) -> None:
    """`is_correct` as users call it, in its worker processes."""
    response, gold, task = _response_and_gold(data)
    assert is_correct(response, gold, task) in (True, False)


TARGETS: dict[str, Target] = {
    "config": config,
    "override": override,
    "sweep": sweep,
    "records": records,
    "rows": rows,
    "extraction": extraction,
    "verdict": verdict,
    "grader": grader,
    "gateway": gateway_body,
    "answer": answer,
}
