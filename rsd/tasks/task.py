"""What a benchmark is: where its rows are, and how a row becomes a `Problem`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsd.config import TaskDefinition
from rsd.errors import ConfigError
from rsd.kinds import AnswerKind
from rsd.tasks.fields import Row, as_text
from rsd.tasks.options import LETTERS
from rsd.types import Problem

_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
"""How programs write a number that is none."""


def _own_id(row: Row) -> object:
    return row.get("id", row.get("idx"))


def _none(row: Row) -> None:
    return None


def _no_choices(row: Row) -> tuple[str, ...]:
    return ()


def _unread(row: Row) -> str:
    raise NotImplementedError("the columns of a defined task are not known yet")


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the Hugging Face hub, at the commit `revision` (None: the newest).

    `config` names its configuration, or else `file` its data file. Of its rows `columns` are
    taken, or all; `as_local` makes a row of the local layout out of these. A `gated` one is open
    only to those who have accepted its terms.
    """

    path: str
    split: str
    revision: str | None
    columns: tuple[str, ...]
    config: str | None = None
    file: str | None = None
    gated: bool = False
    as_local: Callable[[Row], dict[str, Any]] = dict

    @property
    def page(self) -> str:
        return f"https://huggingface.co/datasets/{self.path}"


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark.

    `text`, `choices`, `gold`, `level` and `own_id` read one row of the local layout; they raise
    `KeyError` when a column is missing, and `ValueError` when its value cannot be meant. `rows` is
    the published number of test rows (None: unknown), `answers` what its gold answers are, in
    words, and `kind` how they are compared.

    Rows come from `file`, or `data_dir/<name>/test.jsonl`, or the hub. One that a configuration
    defines (`definition`) gets its readers when its columns are known (`rsd.tasks.define`).
    """

    name: str
    about: str
    rows: int | None
    answers: str
    licence: str
    hub: Hub | None
    text: Callable[[Row], str] = _unread
    gold: Callable[[Row], str] = _unread
    choices: Callable[[Row], tuple[str, ...]] = _no_choices
    level: Callable[[Row], str | None] = _none
    own_id: Callable[[Row], object] = _own_id
    kind: AnswerKind = AnswerKind.MATH
    file: Path | None = None
    definition: TaskDefinition | None = None

    def local_file(self, data_dir: Path) -> Path:
        """Where its rows lie when they are local."""
        return self.file or data_dir / self.name / "test.jsonl"

    def is_local(self, data_dir: Path) -> bool:
        """Whether its rows are local. Raises `ConfigError` where nobody may look."""
        path = self.local_file(data_dir)
        try:
            return self.file is not None or path.exists()
        except OSError as error:  # its directory may not be searched
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error

    def question(self, row: Row) -> str:
        """The question as a model sees it, its choices on a line of their own."""
        text = self.text(row).strip()
        choices = self.choices(row)
        if not choices:
            return text
        listed = " ".join(f"({LETTERS[i]}) {choice}" for i, choice in enumerate(choices))
        return f"{text}\nAnswer Choices: {listed}"

    def problem(self, row: Row, position: int) -> Problem:
        """The problem of a row; its id is the row's own, or else its `position` in the source.

        Raises `ValueError` where a value cannot be meant, such as an empty question. An empty
        gold answer can: published files have some, and nobody grades against them.
        """
        own, gold = self.own_id(row), self.gold(row)
        problem_id = str(position) if own is None else as_text(own, "the id")
        if not problem_id.strip():
            raise ValueError("the id is empty; fill it in, or leave out the column in all rows")
        if not self.text(row).strip():
            raise ValueError("the question is empty; fill it in or delete the row")
        if _NO_NUMBER.fullmatch(gold):
            raise ValueError(f"the gold answer is {gold}; write what the answer is")
        return Problem(
            task=self.name,
            problem_id=problem_id,
            question=self.question(row),
            gold=gold,
            level=self.level(row),
            choices=self.choices(row),
            kind=self.kind,
        )
