"""The trajectories of the runs, packed for the page.

The page's list and filters need an index of all problems; a problem's steps are read from a chunk
when it is opened. Index and chunks are JSON, gzipped, in base64: the HTML parser never sees texts
of models, and a page of many problems opens at once.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.outcomes import Outcome, outcome
from rsd.analysis.pairs import by_asked
from rsd.analysis.tables.labels import judges_drafts, labels, natural, run_name
from rsd.records import GradeRecord, TrajectoryRecord

CHUNK = 400_000
"""Characters of JSON after which the next chunk begins."""

MOST = 64 * 2**20
"""Characters of base64 in all chunks of a page; problems after that are listed without steps."""

SEARCHED = 2000
"""Characters of a question and of a gold answer in the index, where they are searched."""

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
    """Base64 of gzipped JSON: the index and the chunks. `problems` are listed, one per sample; the
    steps of `without_steps` of them did not fit."""

    index: str
    chunks: list[str]
    problems: int
    without_steps: int


class _Solution(NamedTuple):
    """What one run made of one problem and sample."""

    trajectory: TrajectoryRecord
    grade: GradeRecord | None
    routed: bool  # whether a step of the target is part of the response


_Row = tuple[_Solution | None, ...]
"""One problem and sample: its solution by each run, or None."""


def pack(runs: list[AnalyzedRun], most: int = MOST) -> Packed:
    """The problems of all `runs`, by task and then by id, with numbers in ids compared as such."""
    solutions = [
        {
            asked: _Solution(
                run.run.trajectories[key],
                run.run.grades.get(key),
                run.costs[key].target_steps_kept > 0,
            )
            for asked, key in by_asked(run.run).items()
        }
        for run in runs
    ]
    asked = dict.fromkeys(chain.from_iterable(solutions))
    rows = sorted((tuple(of.get(it) for of in solutions) for it in asked), key=_order)
    chunks: list[str] = []
    places: list[int | None] = []
    for texts in _chunked(map(_steps, rows)):
        if sum(map(len, chunks)) < most:
            places += [len(chunks)] * len(texts)
            chunks.append(_compressed(f"[{','.join(texts)}]"))
        else:
            places += [None] * len(texts)
    index = _index(runs, rows) | {"chunk": places}
    return Packed(_compressed(json.dumps(index)), chunks, len(rows), places.count(None))


def _problem(row: _Row) -> TrajectoryRecord:
    return next(it for it in row if it).trajectory


def _order(row: _Row) -> tuple[str, list[tuple[int, str]], int]:
    it = _problem(row)
    return it.task, natural(it.problem_id), it.sample


def _index(runs: list[AnalyzedRun], rows: list[_Row]) -> dict[str, Any]:
    """One list or string for each property, with an entry for each of `rows`."""
    problems = [_problem(row) for row in rows]
    tasks = sorted({it.task for it in problems})
    levels = sorted({it.level or "" for it in problems})
    by_run = [[row[i] for row in rows] for i in range(len(runs))]
    return {
        "runs": [_about(run, label) for run, label in zip(runs, labels(runs), strict=True)],
        "tasks": tasks,
        "task": [tasks.index(it.task) for it in problems],
        "levels": levels,
        "level": [levels.index(it.level or "") for it in problems],
        "id": [it.problem_id for it in problems],
        "sample": [it.sample for it in problems],
        "question": [it.question[:SEARCHED] for it in problems],
        "gold": [it.gold[:SEARCHED] for it in problems],
        "outcome": [
            "".join(LETTERS[outcome(it.trajectory, it.grade)] if it else ABSENT for it in its)
            for its in by_run
        ],
        "routed": ["".join("1" if it and it.routed else "0" for it in its) for its in by_run],
        "differ": ["".join("1" if _graders_differ(it) else "0" for it in its) for its in by_run],
    }


def _about(run: AnalyzedRun, label: str) -> dict[str, Any]:
    decoding, judged = run.run.config.decoding, judges_drafts(run)
    stepwise = judged and decoding.weighting == "step" and decoding.strategy != "random"
    return {
        "label": label,
        "name": run_name(run),
        "judged": judged,
        "threshold": str(decoding.threshold) if stepwise else None,
    }


def _graders_differ(it: _Solution | None) -> bool:
    """Whether both graders have a verdict, and not the same."""
    grade = it.grade if it else None
    if grade is None or grade.undecided or grade.undecided_paper:
        return False
    return grade.correct not in (None, grade.correct_paper)


def _steps(row: _Row) -> str:
    """JSON of one problem: the whole question and gold answer, and each run's solution."""
    it = _problem(row)
    solutions = {i: _solution(*one[:2]) for i, one in enumerate(row) if one}
    problem = {"question": it.question, "gold": it.gold, "solutions": solutions}
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
