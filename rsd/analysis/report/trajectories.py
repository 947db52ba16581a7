"""The trajectories of the runs, packed for the page.

The page's list and filters need an index of all problems; a problem's steps are read when it is
opened, from the chunk that holds it. Index and chunks are JSON, gzipped, in base64: what models
wrote is out of reach of the HTML parser, and a page of many problems opens at once.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, outcome
from rsd.analysis.pairs import by_asked
from rsd.analysis.tables.labels import has_rewards, labels, natural, run_name
from rsd.records import GradeRecord, Key, TrajectoryRecord

CHUNK = 400_000
"""Characters of JSON in a chunk, after which the next one begins."""

MOST = 64 * 2**20
"""Characters of base64 in all chunks of a page; problems after that are listed without steps."""

SEARCHED = 2000
"""Characters of a question and of a gold answer in the index, where they are searched."""

Row = tuple[Key | None, ...]
"""The solution of one problem, and of one sample, by each of the runs; None where it has none."""

ABSENT = "."
LETTERS = {
    Outcome.RIGHT: "r",
    Outcome.WRONG: "w",
    Outcome.FAILED: "f",
    Outcome.UNDECIDED: "t",
    Outcome.UNGRADABLE: "g",
    Outcome.UNGRADED: "u",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """Base64 of gzipped JSON: the index and the chunks. `problems` are listed, each sample by
    itself; the steps of `without_steps` of them did not fit."""

    index: str
    chunks: list[str]
    problems: int
    without_steps: int


def pack(runs: list[AnalyzedRun], most: int = MOST) -> Packed:
    """The problems of all `runs`, by task and then by id, numbers in it as numbers."""
    solutions = [by_asked(run.run) for run in runs]
    asked = dict.fromkeys(chain.from_iterable(solutions))
    rows = sorted((tuple(of.get(it) for of in solutions) for it in asked), key=_order)
    chunks: list[str] = []
    places: list[int | None] = []
    for texts in _chunked(_steps(runs, row) for row in rows):
        if sum(map(len, chunks)) < most:
            places += [len(chunks)] * len(texts)
            chunks.append(_compressed(f"[{','.join(texts)}]"))
        else:
            places += [None] * len(texts)
    index = _index(runs, rows) | {"chunk": places}
    return Packed(_compressed(json.dumps(index)), chunks, len(rows), places.count(None))


def _order(row: Row) -> tuple[str, list[tuple[int, str]], int]:
    task, problem_id, sample = next(key for key in row if key)
    return task, natural(problem_id), sample


def _index(runs: list[AnalyzedRun], rows: list[Row]) -> dict[str, Any]:
    """One list or string for each property, with an entry for each of `rows`."""
    first = [
        next(run.run.trajectories[key] for run, key in zip(runs, row, strict=True) if key)
        for row in rows
    ]
    columns = [(run, [row[i] for row in rows]) for i, run in enumerate(runs)]
    tasks, levels = sorted({t.task for t in first}), sorted({t.level or "" for t in first})
    return {
        "runs": [_about(run, label) for run, label in zip(runs, labels(runs), strict=True)],
        "tasks": tasks,
        "task": [tasks.index(t.task) for t in first],
        "levels": levels,
        "level": [levels.index(t.level or "") for t in first],
        "id": [t.problem_id for t in first],
        "sample": [t.sample for t in first],
        "question": [t.question[:SEARCHED] for t in first],
        "gold": [t.gold[:SEARCHED] for t in first],
        "outcome": ["".join(_letter(run, key) for key in keys) for run, keys in columns],
        "routed": ["".join(_routed(run, key) for key in keys) for run, keys in columns],
        "differ": ["".join(_differ(run, key) for key in keys) for run, keys in columns],
    }


def _about(run: AnalyzedRun, label: str) -> dict[str, Any]:
    decoding, judged = run.run.config.decoding, has_rewards(run)
    stepwise = judged and decoding.weighting == "step" and decoding.strategy != "random"
    return {
        "label": label,
        "name": run_name(run),
        "judged": judged,
        "threshold": str(decoding.threshold) if stepwise else None,
    }


def _letter(run: AnalyzedRun, key: Key | None) -> str:
    if key is None:
        return ABSENT
    return LETTERS[outcome(run.run.trajectories[key], run.run.grades.get(key))]


def _routed(run: AnalyzedRun, key: Key | None) -> str:
    """Whether a step of the target is part of the response."""
    return "1" if key and run.folds[key].target_steps_kept else "0"


def _differ(run: AnalyzedRun, key: Key | None) -> str:
    """Whether the published program's grader gives another verdict."""
    grade = run.run.grades.get(key) if key else None
    if grade is None or grade.undecided or grade.undecided_paper:
        return "0"
    return "1" if grade.correct not in (None, grade.correct_paper) else "0"


def _steps(runs: list[AnalyzedRun], row: Row) -> str:
    """JSON of one problem: the whole question and gold answer, and what each run made of it."""
    solutions, first = {}, None
    for i, (run, key) in enumerate(zip(runs, row, strict=True)):
        if key is not None:
            trajectory = run.run.trajectories[key]
            first = first or trajectory
            solutions[i] = _solution(trajectory, run.run.grades.get(key))
    assert first is not None
    problem = {"question": first.question, "gold": first.gold, "solutions": solutions}
    return json.dumps(problem, separators=(",", ":"), allow_nan=False)


def _solution(it: TrajectoryRecord, grade: GradeRecord | None) -> dict[str, Any]:
    cached = any(
        step.from_cache or step.score_from_cache or step.likelihood_from_cache for step in it.steps
    )
    verdict = grade and {
        "prediction": grade.prediction,
        "how": grade.how,
        "correct": grade.correct,
        "paper": None if grade.undecided_paper else grade.correct_paper,
    }
    return {
        "stop": it.stop_reason,
        "seconds": None if cached else round(it.seconds, 3),
        "lost": round(it.lost_seconds, 3),
        "retries": it.retries,
        "error": it.error,
        "grade": verdict,
        "steps": [
            (
                step.index,
                step.source,
                int(step.accepted),
                None if step.reward is None else f"{step.reward:.3f}",
                step.tokens,
                step.candidate,
                step.text,
            )
            for step in it.steps
        ],
    }


def _chunked(problems: Iterator[str]) -> Iterator[list[str]]:
    texts: list[str] = []
    size = 0
    for text in problems:
        texts.append(text)
        size += len(text)
        if size >= CHUNK:
            yield texts
            texts, size = [], 0
    if texts:
        yield texts


def _compressed(text: str) -> str:
    # No time in the header: the same runs make the same page.
    return b64encode(gzip.compress(text.encode("ascii"), 6, mtime=0)).decode("ascii")
