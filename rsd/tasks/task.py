"""What a benchmark is: where its rows are, and how a row becomes a `Problem`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the Hugging Face hub: `datasets.load_dataset(path, name, split=split)`."""

    path: str
    name: str | None
    split: str


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark.

    `question`, `gold` and `level` read one row, of the local file and of the hub alike; they
    raise `KeyError` when a column is missing. `rows` is the published number of test rows.
    """

    name: str
    about: str
    rows: int
    licence: str
    hub: Hub | None
    question: Callable[[Row], str]
    gold: Callable[[Row], str]
    level: Callable[[Row], str | None] = lambda row: None
