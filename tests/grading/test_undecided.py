"""Gradings that were cut off: what was decided stays, and the rest is tried once more, alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from rsd.grading import GraderPool, Verdict, decision, grade
from rsd.grading.workers.client import Job, WorkerCrash, WorkerTimeout
from rsd.grading.workers.pool import Workers

ALGEBRA = r"\boxed{2x}", "x+x"  # both verdicts need a worker
WITH_UNIT = r"\boxed{x=2y}", "2y"  # the default one alone does

Reply = dict[str, Any]


def never(self: Workers, job: Job, latest: float) -> Reply:
    raise WorkerTimeout


async def in_pool(pool: GraderPool, example: tuple[str, str]) -> Verdict:
    return await pool.grade(*example, "math")


def graded(example: tuple[str, str]) -> Verdict:
    async def ask() -> Verdict:
        async with GraderPool(1) as pool:
            return await in_pool(pool, example)

    return asyncio.run(ask())


def test_a_lost_worker_does_not_flip_the_paper_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "run_alone", never)
    expected = Verdict("x=2y", False, True, "timeout", None)
    assert grade(*WITH_UNIT, "math") == expected
    assert graded(WITH_UNIT) == expected


def test_a_lost_worker_does_not_flip_the_default_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "run_alone", never)
    monkeypatch.setattr(decision, "quick_paper_verdict", lambda *_: None)
    assert grade(r"\boxed{42}", "42", "math") == Verdict("42", True, False, "box/string", "timeout")
    assert grade(r"\boxed{42}", "", "math") == Verdict("42", None, False, "ungradable", "timeout")


def test_both_may_be_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "run_alone", never)
    assert grade(*ALGEBRA, "math") == Verdict("2x", False, False, "timeout", "timeout")


@pytest.mark.parametrize("failure", [WorkerTimeout, WorkerCrash])
def test_a_pool_asks_once_more_for_each_verdict(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    asked: list[list[str]] = []
    run_alone = Workers.run_alone

    def fail_once(self: Workers, job: Job, latest: float) -> Reply:
        asked.append(list(job))
        if len(asked) == 1:
            raise failure
        return run_alone(self, job, latest)

    monkeypatch.setattr(Workers, "run_alone", fail_once)
    assert graded(ALGEBRA) == Verdict("2x", True, True, "box/expression")
    assert asked == [["default", "paper"], ["default"], ["paper"]]


def test_a_hard_verdict_does_not_cost_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run_alone = Workers.run_alone

    def hard(self: Workers, job: Job, latest: float) -> Reply:
        if "default" in job:
            raise WorkerCrash
        return run_alone(self, job, latest)

    monkeypatch.setattr(Workers, "run_alone", hard)
    assert graded(ALGEBRA) == Verdict("2x", False, True, "crash", None)


def test_nothing_else_runs_in_the_pool_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, at_work, beside = threading.Lock(), 0, list[int]()

    def watched(self: Workers, job: Job, latest: float) -> Reply:
        nonlocal at_work
        with lock:
            at_work += 1
        try:
            if len(job) == 2:
                raise WorkerTimeout
            for _ in range(50):
                with lock:
                    beside.append(at_work)
            answers = {"default": [True, "made up"], "paper": True}
            return {name: answers[name] for name in job}
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(Workers, "run_alone", watched)

    async def many() -> list[Verdict]:
        async with GraderPool(4) as pool:
            examples = [(rf"\boxed{{{n}x}}", "x+x") for n in range(2, 10)]
            return await asyncio.gather(*(in_pool(pool, example) for example in examples))

    assert all(verdict.correct and verdict.correct_paper for verdict in asyncio.run(many()))
    assert set(beside) == {1}
