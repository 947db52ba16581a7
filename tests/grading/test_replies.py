"""Replies without the usual box, as models write them: the default verdict on each.

`replies.jsonl` holds the cases, worded for these tests: `response, gold, task, expected` and, where
options are known, `choices`. The collection in RSD_TEST_DATA/free_form comes on top.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rsd.grading.compare import answers
from rsd.grading.compare.answers import compare_answers
from rsd.grading.reply.extract import extract
from rsd.grading.verdict import Options
from rsd.kinds import kind_of

OWN = Path(__file__).with_name("replies.jsonl")
COLLECTED = Path(os.environ.get("RSD_TEST_DATA", "no-such-folder")) / "free_form" / "rows.jsonl"


@pytest.fixture(autouse=True)
def _without_math_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules alone: math-verify has no time limit outside a worker."""
    monkeypatch.setattr(answers, "math_verify_says", lambda answer, gold: None)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_right(row: dict[str, Any]) -> bool:
    kind, choices = kind_of(row["task"]), tuple(row.get("choices", ()))
    found = extract(row["response"], kind, choices)
    return (
        found is not None
        and compare_answers(found.text, row["gold"], kind, Options(choices=choices))[0]
    )


def misjudged(cases: Iterable[dict[str, Any]], expected: bool) -> list[dict[str, Any]]:
    return [row for row in cases if row["expected"] is expected and is_right(row) is not expected]


@pytest.mark.parametrize("row", rows(OWN), ids=lambda row: f"{row['response'][-40:]}|{row['gold']}")
def test_a_reply_is_read_as_a_careful_reader_would(row: dict[str, Any]) -> None:
    assert is_right(row) is row["expected"]


@pytest.mark.skipif(not COLLECTED.is_file(), reason="set RSD_TEST_DATA to run on collected replies")
def test_collected_replies_are_read_right() -> None:
    cases = [row for row in rows(COLLECTED) if not row.get("debatable")]
    false_positives, false_negatives = misjudged(cases, False), misjudged(cases, True)
    assert len(false_positives) <= 3
    assert len(false_positives) + len(false_negatives) <= 0.03 * len(cases)
