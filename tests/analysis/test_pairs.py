"""Problems of two runs are the same if they ask the same, whatever their ids."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path

from analysis.made_up_runs import draft, grade, solution, target, write_run

from rsd.analysis import AnalyzedRun, analyze, compare
from rsd.analysis.calibration.checks import check
from rsd.analysis.calibration.recorded import read_rewards
from rsd.analysis.compare import target_only
from rsd.analysis.pairs import partners, questions
from rsd.analysis.report.trajectories import pack
from rsd.records import read_run


def asked(directory: Path, strategy: str, *asked: tuple[str, str]) -> AnalyzedRun:
    """A run of right solutions to problems given by id and question."""
    steps = [target(0, 20, 10)] if strategy == "target" else [draft(0, True, 20, 10, 30, 10)]
    solutions = [solution(problem_id, steps, question=question) for problem_id, question in asked]
    grades = [grade(problem_id, True) for problem_id, _ in asked]
    return analyze(read_run(write_run(directory, solutions, grades, strategy=strategy)))


def test_equal_ids_of_other_questions_are_no_pairs(tmp_path: Path) -> None:
    first = asked(tmp_path / "a", "rsd", ("0", "1+1?"), ("1", "2+2?"))
    second = asked(tmp_path / "b", "target", ("0", "3+3?"), ("1", "4+4?"))
    it = compare(first, second)
    assert (it.pairs, it.unpaired, it.finished) == (0, 4, 0)
    assert it.difference is it.p_value is it.flops_ratio.prm_once is None
    assert target_only(first, [second]) is None
    rewards = read_rewards(first.run)
    assert check(first.run, rewards, second.run).solutions == 0


def test_equal_questions_are_pairs_whatever_their_ids(tmp_path: Path) -> None:
    first = asked(tmp_path / "a", "rsd", ("0", "1+1?"), ("1", "2+2?"))
    second = asked(tmp_path / "b", "target", ("x", "2+2?"), ("y", "1+1?"), ("z", "3+3?"))
    it = compare(first, second)
    assert (it.pairs, it.unpaired, it.finished) == (2, 1, 2)
    assert target_only(first, [second]) is second
    assert partners(first.run, second.run) == {
        ("demo", "0", 0): ("demo", "y", 0),
        ("demo", "1", 0): ("demo", "x", 0),
    }
    assert check(first.run, read_rewards(first.run), second.run).solutions == 2


def test_a_question_that_stands_twice_makes_two_pairs(tmp_path: Path) -> None:
    first = asked(tmp_path / "a", "rsd", ("2", "1+1?"), ("10", "1+1?"), ("3", "2+2?"))
    second = asked(tmp_path / "b", "target", ("10", "1+1?"), ("2", "1+1?"))
    assert {key[1]: question[2] for key, question in questions(first.run).items()} == {
        "2": 0,
        "10": 1,
        "3": 0,
    }
    assert all(key == same for key, same in partners(first.run, second.run).items())
    assert (compare(first, second).pairs, compare(first, second).unpaired) == (2, 1)


def test_the_page_lists_what_asks_another_question_apart(tmp_path: Path) -> None:
    first = asked(tmp_path / "a", "rsd", ("0", "1+1?"), ("1", "2+2?"))
    second = asked(tmp_path / "b", "target", ("0", "3+3?"), ("7", "2+2?"))
    index = json.loads(gzip.decompress(b64decode(pack([first, second]).index)))
    rows = dict(zip(index["question"], zip(*index["outcome"], strict=True), strict=True))
    assert rows == {"1+1?": ("r", "."), "2+2?": ("r", "r"), "3+3?": (".", "r")}
