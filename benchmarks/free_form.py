"""How right the verdicts are on replies in free form and on the labelled corpus, beside
Math-Verify on the same rows: prints a table in Markdown and writes results/free_form.json.

    RSD_TEST_DATA=DIR python benchmarks/free_form.py

DIR holds `free_form/rows.jsonl` (`response, gold, task, expected`, and where known `choices`) and
`grader_corpus/*.jsonl` (`prediction_text, gold, dataset, label`). Rows that depend on a policy or
are marked debatable are left out. Intervals are Wilson's, of 95%.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness.common import write_result
from math_verify import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    StringExtractionConfig,
    parse,
    verify,
)

from rsd.analysis.statistics.intervals import wilson_interval
from rsd.grading import AnswerKind, Options, grade, kind_of

CORPUS = ("gsm8k", "math_pair", "math_text", "mc", "odyssey", "tests", "theoremqa")


class Row(NamedTuple):
    """One reply and whether a careful reader counts it as right."""

    response: str
    gold: str
    task: str
    choices: tuple[str, ...]
    right: bool


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def free_form(folder: Path) -> list[Row]:
    """The replies in free form that are not debatable."""
    return [
        Row(r["response"], r["gold"], r["task"], tuple(r.get("choices", ())), r["expected"])
        for r in lines(folder / "free_form" / "rows.jsonl")
        if not r.get("debatable")
    ]


def corpus(folder: Path) -> list[Row]:
    """The corpus' rows with a label."""
    return [
        Row(r["prediction_text"], r["gold"], r["dataset"], (), r["label"])
        for name in CORPUS
        for r in lines(folder / "grader_corpus" / f"{name}.jsonl")
        if r["label"] is not None
    ]


def default(row: Row) -> bool:
    return (
        grade(row.response, row.gold, row.task, options=Options(choices=row.choices)).correct
        is True
    )


def paper(row: Row) -> bool:
    return grade(row.response, row.gold, row.task).correct_paper


def math_verify(row: Row) -> bool:
    """Math-Verify as its README uses it; for multiple choice with its extraction of letters."""
    if kind_of(row.task) is AnswerKind.CHOICE:
        gold, config = row.gold, [StringExtractionConfig()]
    else:
        gold, config = f"${row.gold.strip('$')}$", [LatexExtractionConfig(), ExprExtractionConfig()]
    try:
        return bool(verify(parse(gold, config), parse(row.response, config)))
    except Exception:
        return False


GRADERS: dict[str, Callable[[Row], bool]] = {
    "rsd, default": default,
    "rsd, paper": paper,
    "Math-Verify": math_verify,
}


def figures(rows: list[Row], grader: Callable[[Row], bool]) -> dict[str, Any]:
    """Counts and accuracy of one grader on `rows`, with the interval in percent."""
    verdicts = [(grader(row), row.right) for row in rows]
    false_positives = sum(given and not right for given, right in verdicts)
    false_negatives = sum(right and not given for given, right in verdicts)
    agreed = len(rows) - false_positives - false_negatives
    low, high = wilson_interval(agreed, len(rows))
    return {
        "rows": len(rows),
        "accuracy": agreed / len(rows),
        "low": low,
        "high": high,
        "false_positives": false_positives,
        "false_negatives": false_negatives,
    }


def main() -> int:
    folder = Path(os.environ.get("RSD_TEST_DATA", ""))
    if "RSD_TEST_DATA" not in os.environ or not (folder / "free_form" / "rows.jsonl").is_file():
        print("set RSD_TEST_DATA to a folder that holds free_form/rows.jsonl", file=sys.stderr)
        return 2
    logging.disable(logging.CRITICAL)  # Math-Verify logs every answer that it cannot read
    print(
        "| replies | rows | grader | accuracy (95% interval) | false positives | false negatives |"
    )
    print("|---|---|---|---|---|---|")
    result: dict[str, Any] = {}
    for name, rows in (("free form", free_form(folder)), ("corpus", corpus(folder))):
        for grader, verdict in GRADERS.items():
            counted = result[f"{name}/{grader}"] = figures(rows, verdict)
            print(
                f"| {name} | {counted['rows']} | {grader} | {100 * counted['accuracy']:.1f}% "
                f"({100 * counted['low']:.1f} to {100 * counted['high']:.1f}) "
                f"| {counted['false_positives']} | {counted['false_negatives']} |",
                flush=True,
            )
    write_result("free_form", result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
