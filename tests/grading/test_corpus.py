"""Agreement with labelled answers, where RSD_TEST_DATA names a folder that holds them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsd.grading.compare import answers
from rsd.grading.compare.answers import compare_answers
from rsd.grading.paper import paper_verdict
from rsd.grading.reply.extract import extract
from rsd.grading.verdict import Options
from rsd.kinds import kind_of

DATA = Path(os.environ.get("RSD_TEST_DATA", "no-such-folder")) / "grader_corpus"
FILES = ("gsm8k", "math_pair", "math_text", "mc", "odyssey", "tests", "theoremqa")

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="set RSD_TEST_DATA to a folder with grader_corpus/ to run these"
)


@pytest.fixture(autouse=True)
def _without_math_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules alone: math-verify has no time limit outside a worker."""
    monkeypatch.setattr(answers, "math_verify_says", lambda answer, gold: None)


def rows(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        with (DATA / f"{name}.jsonl").open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def is_right(row: dict[str, Any]) -> bool:
    kind = kind_of(row["dataset"])
    found = extract(row["prediction_text"], kind)
    return found is not None and compare_answers(found.text, row["gold"], kind, Options())[0]


@pytest.mark.parametrize(("names", "least"), [(FILES, 0.98), (("tests",), 0.94)])
def test_the_default_verdict_agrees_with_the_labels(names: tuple[str, ...], least: float) -> None:
    labelled = [row for row in rows(*names) if row["label"] is not None]
    verdicts = [(is_right(row), row["label"]) for row in labelled]
    false_positives = sum(given and not label for given, label in verdicts)
    assert sum(given == label for given, label in verdicts) >= least * len(verdicts)
    assert false_positives <= 5


def test_gold_answers_equal_themselves_and_nothing_else() -> None:
    wrong = {True: 0, False: 0}
    total = {True: 0, False: 0}
    for row in rows("gold_against_itself"):
        total[row["label"]] += 1
        wrong[row["label"]] += is_right(row) is not row["label"]
    assert wrong[True] == 0
    assert wrong[False] <= 0.003 * total[False]


def test_the_paper_verdict_agrees_with_the_reference() -> None:
    known = [r for r in rows(*FILES) if (r.get("reference") or {}).get("qwen") is not None]
    agreed = sum(
        paper_verdict(r["prediction_text"], r["gold"], r["dataset"]) == r["reference"]["qwen"]
        for r in known
    )
    assert agreed >= 0.99 * len(known)
