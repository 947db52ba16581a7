"""What a benchmark is: where its rows are, and how a row becomes a `Problem`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rsd.types import Problem

Row = Mapping[str, Any]

LETTERS = "ABCDEFGHIJ"
"""The labels of options."""


def _own_id(row: Row) -> object:
    return row.get("id", row.get("idx"))


def _none(row: Row) -> None:
    return None


def _no_choices(row: Row) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Hub:
    """A data set on the Hugging Face hub, at one commit.

    `config` names its configuration, or else `file` its data file. Of its rows `columns` are
    taken; `as_local` makes a row of the local layout out of these. A `gated` one is open only to
    those who have accepted its terms.
    """

    path: str
    split: str
    revision: str
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
    `KeyError` when a column is missing. `rows` is the published number of test rows, `answers`
    what its gold answers are, in words.
    """

    name: str
    about: str
    rows: int
    answers: str
    licence: str
    hub: Hub | None
    text: Callable[[Row], str]
    gold: Callable[[Row], str]
    choices: Callable[[Row], tuple[str, ...]] = _no_choices
    level: Callable[[Row], str | None] = _none
    own_id: Callable[[Row], object] = _own_id

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

        Raises `ValueError` where the gold answer is a letter that none of the choices has.
        """
        own, gold, choices = self.own_id(row), self.gold(row), self.choices(row)
        if self.answers == "letter" and gold not in tuple(LETTERS[: len(choices)]):
            raise ValueError(f"the answer {gold!r} is none of its {len(choices)} choices")
        return Problem(
            task=self.name,
            problem_id=str(position if own is None else own),
            question=self.question(row),
            gold=gold,
            level=self.level(row),
            choices=choices,
        )
