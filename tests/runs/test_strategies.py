"""Strategies as a run builds them: their keys, their servers, how answers are compared."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from cluster import PROBLEMS, Cluster

from rsd.backends import Backends
from rsd.config import Config, load, strategy_uses
from rsd.errors import ConfigError
from rsd.grading import GraderPool
from rsd.kinds import AnswerKind, kind_of
from rsd.records import TRAJECTORIES, RunRecord, read_run
from rsd.runs import execute
from rsd.runs.strategies import GradedAnswers, connected_strategy
from rsd.types import Query

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


def configured(*settings: str) -> Config:
    return load(DEMO, [f"decoding.{setting}" for setting in settings])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["strategy=confidence", "threshold=0.7"], "confidence needs threshold at most 0"),
        (["strategy=guided", "tilt=0"], "decoding.tilt: Input should be greater than 0"),
        (["strategy=beam", "beams=2"], "need a temperature above 0"),
        (["strategy=majority", "candidates=2"], "need a temperature above 0"),
    ],
)
def test_settings_that_a_strategy_cannot_work_with(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configured(*settings)


def test_candidates_of_another_strategy_need_no_temperature() -> None:
    assert configured("strategy=draft", "candidates=2").decoding.candidates == 2


def test_guided_needs_token_ids() -> None:
    backends = Backends(servers={}, infos={}, workers={}, use_token_ids=False, scorer=None)
    with (
        GraderPool(workers=1) as grader,
        pytest.raises(ConfigError, match="guided needs draft and target to exchange token ids"),
    ):
        connected_strategy(configured("strategy=guided"), backends, grader)


def test_a_class_of_the_working_directory_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "class Mine:\n    roles = ('draft',)\n    token_ids = True\n"
    (tmp_path / "strategy_of_a_test.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    uses = strategy_uses("strategy_of_a_test:Mine")
    assert (uses.roles, uses.token_ids) == (("draft",), True)
    assert {"options", "threshold", "candidates"} <= set(uses.keys)


@pytest.mark.parametrize(
    ("answer", "other", "task", "same"),
    [
        ("0.5", r"\frac{1}{2}", "math500", True),
        (r"\frac{1}{2}", "0.5", "math500", True),
        ("1,200", "1200", "gsm8k", True),
        ("12", "13", "gsm8k", False),
        ("(B)", "B", "aqua", True),
        ("", "B", "aqua", False),
    ],
)
def test_answers_are_compared_as_the_grader_does(
    answer: str, other: str, task: str, same: bool
) -> None:
    async def compare() -> bool:
        async with GraderPool(workers=1) as grader:
            responses = [rf"\boxed{{{answer}}}", rf"\boxed{{{other}}}"]
            groups = await GradedAnswers(grader).grouped(
                responses, Query("", "", kind=kind_of(task))
            )
            return groups == [[0, 1]]

    assert asyncio.run(compare()) is same


def test_a_letter_and_the_text_of_its_option_are_one_answer() -> None:
    """maj@k knew the options, and `majority` did not: they grouped the same samples differently."""
    query = Query("", "", kind=AnswerKind.CHOICE, choices=("12 km", "15 km", "18 km"))
    responses = [
        r"\boxed{A}",
        r"\boxed{B}",
        r"\boxed{15 km}",
        "The answer is (A).",
        r"\boxed{15}",
    ]

    async def grouped(order: list[int]) -> list[list[int]]:
        async with GraderPool(workers=1) as grader:
            found = await GradedAnswers(grader).grouped([responses[i] for i in order], query)
        return sorted(sorted(order[i] for i in group) for group in found)

    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 3, 1]):
        assert asyncio.run(grouped(order)) == [[0, 3], [1, 2, 4]]


@pytest.mark.parametrize(
    "settings",
    [
        ["strategy=majority", "candidates=3"],
        ["strategy=best_of_n", "candidates=2", "writer=target"],
        ["strategy=beam", "candidates=2", "beams=2"],
        ["strategy=rsd", "candidates=2"],
        ["strategy=oracle"],
        ["strategy=random", "probability=0.4"],
    ],
    ids=lambda settings: settings[0],
)
def test_a_run_cut_and_resumed_is_the_run_left_alone(cluster: Cluster, settings: list[str]) -> None:
    overrides = [f"decoding.{setting}" for setting in [*settings, "temperature=0.7"]]
    config = cluster.config(*overrides)

    def run() -> dict[str, object]:
        assert asyncio.run(execute(config)).failed == 0
        return outlines(read_run(config.directory))

    whole = run()
    path = config.directory / TRAJECTORIES
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == PROBLEMS
    path.write_bytes(b"".join(lines[:5]))
    assert run() == whole


def outlines(record: RunRecord) -> dict[str, object]:
    return {
        key[1]: [
            (s.index, s.candidate, s.continues, s.source, s.accepted, s.text, s.reward)
            for s in trajectory.steps
        ]
        for key, trajectory in record.trajectories.items()
    }
