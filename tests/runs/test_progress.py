"""The line of a run at work says what its table will say."""

from __future__ import annotations

from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rsd.records import GradeRecord, StepRecord, TrajectoryRecord
from rsd.runs.concurrency import ConcurrencyLimiter
from rsd.runs.progress import Progress
from rsd.types import Source, StopReason

LIMITER = cast(ConcurrencyLimiter, SimpleNamespace(in_flight=0))
GRADE = GradeRecord(
    task="demo", problem_id="0", prediction="1", correct=True, correct_paper=True, how="box/string"
)


def step(source: Source, accepted: bool, tokens: int, **fields: Any) -> StepRecord:
    return StepRecord(
        index=0,
        source=source,
        text="",
        accepted=accepted,
        tokens=tokens,
        prompt_tokens=1,
        seconds=0.0,
        started_at=0.0,
        **fields,
    )


def line(
    steps: tuple[StepRecord, ...], capsys: pytest.CaptureFixture[str], samples: int = 1
) -> str:
    trajectory = TrajectoryRecord(
        task="demo",
        problem_id="0",
        question="q",
        gold="1",
        response="r",
        stop_reason=StopReason.EOS,
        steps=steps,
        usage={},
        started_at=0.0,
        seconds=1.0,
    )
    with Progress(1, (), LIMITER, label="demo", samples=samples) as progress:
        progress(trajectory, GRADE)
    return capsys.readouterr().err


def test_tokens_are_those_of_the_responses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = chain([0.0], repeat(10.0))
    monkeypatch.setattr("rsd.runs.progress.time", SimpleNamespace(monotonic=clock.__next__))
    steps = (step("draft", False, 5000, reward=0.1), step("target", True, 1000))
    assert ", 100 tokens/s" in line(steps, capsys)


def test_steps_are_shared_as_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Several candidates of one place are one step of the response."""
    rejected = [step("draft", False, 1, reward=0.1, candidate=n) for n in range(4)]
    steps = (*rejected, step("target", True, 1), *(step("draft", True, 1) for _ in range(3)))
    assert "accuracy 100.0%, 25.0% of steps by target, " in line(steps, capsys)


def test_answers_of_the_step_cache_have_no_speed(capsys: pytest.CaptureFixture[str]) -> None:
    steps = (step("draft", True, 1000, from_cache=True), step("draft", True, 10))
    assert "tokens/s" not in line(steps, capsys)


def test_several_samples_are_not_called_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert line((), capsys).startswith("demo: 1/1 problems, accuracy 100.0%")
    assert line((), capsys, samples=4).startswith("demo: 1/1 samples, accuracy 100.0%")
