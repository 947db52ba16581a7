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
from typing import Any

from rsd.analysis.metrics import AnalyzedRun
from rsd.analysis.naming import natural
from rsd.analysis.outcomes import Outcome, outcome
from rsd.analysis.present import has_rewards, labels, run_name
from rsd.records import GradeRecord, Key, TrajectoryRecord

CHUNK = 400_000
"""Characters of JSON in a chunk, after which the next one begins."""

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
    """Base64 of gzipped JSON: the index and the chunks. `problems` are listed, each sample by
    itself; the steps of `without_steps` of them did not fit."""

    index: str
    chunks: list[str]
    problems: int
    without_steps: int


def pack(runs: list[AnalyzedRun], most: int = MOST) -> Packed:
    """The problems of all `runs`, by task and then by id, numbers in it as numbers."""
    keys = sorted({key for run in runs for key in run.run.trajectories}, key=_order)
    chunks: list[str] = []
    places: list[int | None] = []
    for texts in _chunked(_steps(runs, key) for key in keys):
        if sum(map(len, chunks)) < most:
            places += [len(chunks)] * len(texts)
            chunks.append(_compressed(f"[{','.join(texts)}]"))
        else:
            places += [None] * len(texts)
    index = _index(runs, keys) | {"chunk": places}
    return Packed(_compressed(json.dumps(index)), chunks, len(keys), places.count(None))


def _order(key: Key) -> tuple[str, list[tuple[int, str]], int]:
    task, problem_id, sample = key
    return task, natural(problem_id), sample


def _index(runs: list[AnalyzedRun], keys: list[Key]) -> dict[str, Any]:
    """One list or string for each property, with an entry for each of `keys`."""
    first = [next(t for run in runs if (t := run.run.trajectories.get(key))) for key in keys]
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
        "outcome": ["".join(_letter(run, key) for key in keys) for run in runs],
        "routed": ["".join(_routed(run, key) for key in keys) for run in runs],
        "differ": ["".join(_differ(run.run.grades.get(key)) for key in keys) for run in runs],
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


def _letter(run: AnalyzedRun, key: Key) -> str:
    trajectory = run.run.trajectories.get(key)
    return LETTERS[outcome(trajectory, run.run.grades.get(key))] if trajectory else ABSENT


def _routed(run: AnalyzedRun, key: Key) -> str:
    """Whether a step of the target is part of the response."""
    return "1" if (it := run.folds.get(key)) and it.target_steps_kept else "0"


def _differ(grade: GradeRecord | None) -> str:
    """Whether the published program's grader gives another verdict."""
    if grade is None or grade.undecided or grade.undecided_paper:
        return "0"
    return "1" if grade.correct not in (None, grade.correct_paper) else "0"


def _steps(runs: list[AnalyzedRun], key: Key) -> str:
    """JSON of one problem: the whole question and gold answer, and what each run made of it."""
    solutions, first = {}, None
    for i, run in enumerate(runs):
        trajectory = run.run.trajectories.get(key)
        if trajectory is not None:
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
