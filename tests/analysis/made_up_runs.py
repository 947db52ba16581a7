"""Run directories made by hand: small records, written as the store writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rsd.config import parse
from rsd.records import (
    CONFIG,
    GRADES,
    MANIFEST,
    TRAJECTORIES,
    GradeRecord,
    Manifest,
    ServedModel,
    Session,
    StepRecord,
    TrajectoryRecord,
)
from rsd.types import StopReason

PARAMETERS = {"draft": 10, "target": 100, "prm": 20}


def draft(index: int, kept: bool, prompt: int, tokens: int, scored: int, own: int) -> StepRecord:
    """A draft candidate; the reward model read `scored` tokens, `own` of them the step's."""
    return StepRecord(
        index=index,
        source="draft",
        text=f"draft step {index}",
        reward=0.9 if kept else 0.25,
        accepted=kept,
        tokens=tokens,
        prompt_tokens=prompt,
        seconds=1,
        started_at=0,
        score_seconds=1,
        score_started_at=0,
        score_tokens=scored,
        score_step_tokens=own,
    )


def target(index: int, prompt: int, tokens: int) -> StepRecord:
    return StepRecord(
        index=index,
        source="target",
        text=f"target step {index}",
        accepted=True,
        tokens=tokens,
        prompt_tokens=prompt,
        seconds=1,
        started_at=0,
    )


def solution(problem_id: str, steps: list[StepRecord], **fields: Any) -> TrajectoryRecord:
    usage: dict[str, dict[str, int]] = {}

    def add(role: str, prompt: int, generated: int, cached: int) -> None:
        it = usage.setdefault(role, dict.fromkeys(_USAGE, 0))
        for name, value in zip(_USAGE, (1, prompt, cached, generated), strict=True):
            it[name] += value

    for step in steps:
        add(step.source, step.prompt_tokens, step.tokens, step.cached_tokens)
        if step.score_tokens:
            add("prm", step.score_tokens, 0, step.score_cached_tokens)
    values = {
        "task": "demo",
        "problem_id": problem_id,
        "question": f"What is {problem_id}?",
        "gold": problem_id,
        "response": "\n\n".join(step.text for step in steps if step.accepted),
        "stop_reason": StopReason.EOS,
        "steps": steps,
        "usage": usage,
        "started_at": 0,
        "seconds": 10,
    }
    return TrajectoryRecord.model_validate(values | fields)


_USAGE = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")


def grade(problem_id: str, correct: bool | None, **fields: Any) -> GradeRecord:
    values = {
        "task": "demo",
        "problem_id": problem_id,
        "prediction": problem_id,
        "correct": correct,
        "correct_paper": bool(correct),
        "how": "number",
    }
    return GradeRecord.model_validate(values | fields)


def write_run(
    directory: Path,
    trajectories: list[TrajectoryRecord],
    grades: list[GradeRecord],
    *,
    strategy: str = "rsd",
    samples: int = 1,
    parameters: dict[str, int] = PARAMETERS,
    tasks: tuple[str, ...] = ("demo",),
    sessions: tuple[Session, ...] = (Session(started_at=0, ended_at=20, concurrency=4),),
) -> Path:
    """Write a run directory and return it."""
    roles = tuple(PARAMETERS) if strategy == "rsd" else (strategy,)
    endpoint = {"endpoint": "http://127.0.0.1:8001/v1"}
    config = parse(
        {
            "name": "made-up",
            "models": {
                role: {"model": role, "served_name": role} | endpoint for role in PARAMETERS
            },
            "decoding": {
                "strategy": strategy,
                "samples": samples,
                "temperature": 0.7 if samples > 1 else 0,
            },
            "tasks": {"names": list(tasks)},
        },
        "test",
    )
    manifest = Manifest(
        name="made-up",
        digest=config.digest,
        models={
            role: ServedModel(
                endpoint="http://127.0.0.1:8001/v1",
                served_name=role,
                model=role,
                context=1024,
            )
            for role in roles
        },
        parameters={role: parameters.get(role) for role in PARAMETERS},
        prefix="tokens",
        seed=0,
        versions={"rsd": "0.1.0"},
        host="here",
        sessions=sessions,
    )
    directory.mkdir(parents=True)
    (directory / CONFIG).write_text(config.dump(), encoding="utf-8")
    (directory / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
    for name, records in ((TRAJECTORIES, trajectories), (GRADES, grades)):
        lines = [json.dumps(record.model_dump(mode="json")) + "\n" for record in records]
        (directory / name).write_text("".join(lines), encoding="utf-8")
    return directory


def run_of(
    directory: Path,
    samples: dict[str, list[tuple[bool, int | None, tuple[float, ...]]]],
    n: int | None = None,
    **fields: Any,
) -> Path:
    """A run of RSD. `samples` are, by problem, (right, group, rewards) of each sample."""
    solutions, grades = [], []
    for problem_id, its in samples.items():
        for number, (right, group, rewards) in enumerate(its):
            steps = [
                draft(i, True, 20, 5, 18, 6).model_copy(update={"reward": reward})
                for i, reward in enumerate(rewards)
            ]
            solutions.append(solution(problem_id, steps or [target(0, 20, 5)], sample=number))
            answer = None if group is None else f"answer {group}"
            grades.append(grade(problem_id, right, sample=number, prediction=answer, group=group))
    n = n or max(map(len, samples.values()))
    return write_run(directory, solutions, grades, samples=n, **fields)


def three_solutions() -> list[TrajectoryRecord]:
    """Three problems whose figures are worked out by hand in test_costs_by_hand.py."""
    return [
        solution(
            "1",
            [
                draft(0, True, prompt=20, tokens=5, scored=18, own=6),
                draft(1, False, prompt=25, tokens=4, scored=23, own=5),
                target(1, prompt=25, tokens=6),
                draft(2, True, prompt=31, tokens=3, scored=29, own=4),
            ],
            seconds=10,
        ),
        solution("2", [draft(0, True, prompt=20, tokens=5, scored=18, own=6)], seconds=2),
        solution(
            "3",
            [
                draft(0, False, prompt=20, tokens=4, scored=17, own=5),
                target(0, prompt=20, tokens=10),
                draft(1, False, prompt=30, tokens=2, scored=26, own=3),
                target(1, prompt=30, tokens=5),
            ],
            seconds=6,
        ),
    ]
