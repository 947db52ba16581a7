"""How right and how fast the grader is, on labelled answers: prints a table in Markdown and
writes results/grader.json.

    RSD_TEST_DATA=DIR python benchmarks/grader.py [--files NAME ...]

DIR holds `grader_corpus/*.jsonl`, rows with `prediction_text, gold, dataset, label, reference`.
Every row goes through `rsd.grading.is_correct` (the default verdict, timed) and `grade` (for the
paper's verdict), as a user would call them: worker processes and their start are included.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common import argument_parser, write_result

from rsd.grading import grade, is_correct

LABELLED = ("gsm8k", "math_pair", "math_text", "mc", "odyssey", "tests", "theoremqa")
OTHERS = ("gold_against_itself", "hostile")
HEADER = (
    "| file | labelled | accuracy | false positives | false negatives | agrees with `qwen` "
    "| median ms | p99 ms | slowest ms |\n|---|---|---|---|---|---|---|---|---|"
)


@dataclass
class Tally:
    """Counts over the rows of one file."""

    labelled: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    referenced: int = 0
    agreed: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Grade one row and count it."""
        arguments = (row["prediction_text"], row["gold"], row["dataset"])
        start = time.perf_counter()
        right = is_correct(*arguments)
        self.milliseconds.append(1e3 * (time.perf_counter() - start))
        label = row["label"]
        if label is not None:
            self.labelled += 1
            self.false_positives += right and not label
            self.false_negatives += label and not right
        reference = (row.get("reference") or {}).get("qwen")
        if reference is not None:
            self.referenced += 1
            self.agreed += grade(*arguments).correct_paper == reference

    def merge(self, other: Tally) -> None:
        """Add another file's counts."""
        for name in ("labelled", "false_positives", "false_negatives", "referenced", "agreed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.milliseconds += other.milliseconds

    def figures(self) -> dict[str, Any]:
        """What is reported of one file; shares are None where no row has a label or reference."""
        times = sorted(self.milliseconds)
        wrong = self.false_positives + self.false_negatives
        return {
            "labelled": self.labelled,
            "accuracy": 1 - wrong / self.labelled if self.labelled else None,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
            "agrees_with_qwen": self.agreed / self.referenced if self.referenced else None,
            "median_ms": statistics.median(times),
            "p99_ms": times[int(0.99 * (len(times) - 1))],
            "slowest_ms": times[-1],
        }


def table_row(name: str, figures: dict[str, Any]) -> str:
    """One row of the table."""
    accuracy, agreed = (
        "" if share is None else f"{100 * share:.2f}%"
        for share in (figures["accuracy"], figures["agrees_with_qwen"])
    )
    return (
        f"| {name} | {figures['labelled']} | {accuracy} | {figures['false_positives']} "
        f"| {figures['false_negatives']} | {agreed} | {figures['median_ms']:.2f} "
        f"| {figures['p99_ms']:.1f} | {figures['slowest_ms']:.0f} |"
    )


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--files", nargs="+", default=[*LABELLED, *OTHERS])
    names = parser.parse_args().files
    folder = Path(os.environ.get("RSD_TEST_DATA", "")) / "grader_corpus"
    if "RSD_TEST_DATA" not in os.environ or not folder.is_dir():
        print("set RSD_TEST_DATA to a folder that holds grader_corpus/*.jsonl", file=sys.stderr)
        return 2
    is_correct(r"\boxed{x+x}", "2x", "math")  # starts a worker
    print(HEADER, flush=True)
    total, result = Tally(), {}
    for name in names:
        tally = Tally()
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                tally.add(json.loads(line))
        result[name] = tally.figures()
        print(table_row(name, result[name]), flush=True)
        if name in LABELLED:
            total.merge(tally)
    if total.milliseconds:
        result["all_labelled"] = total.figures()
        print(table_row("**all labelled files**", result["all_labelled"]))
    write_result("grader", result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
